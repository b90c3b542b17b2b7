from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rs_adapt.config import axes, compose, option_texts, resolve_cell
from rs_adapt.config.bench_names import bench_families, settings_of
from rs_adapt.config.cell import DEFAULT_STRATEGY
from rs_adapt.config.segmentor import segmentor_config
from rs_adapt.config.tasks import SEGMENTATION, task_of
from rs_adapt.errors import ConfigError, IncompatibleCell

if TYPE_CHECKING:
    from mmengine.config import Config

PICKY = """
method = dict(name="picky", title="a method for this test")
model = dict(backbone=dict(frozen=True, adapter=dict(
    type="X", embed_dim=None, depth=None, rank=8, frequency_layers="first 2")))
tuned = dict(da=dict(loveda_r2u=dict(rank=4, frequency_layers="last 2")))
"""


def adapter(cfg: Config) -> Any:
    return segmentor_config(cfg).backbone.adapter


@pytest.fixture
def picky(own_configs: Path) -> str:
    (own_configs / "method" / "picky.py").write_text(PICKY)
    return "picky"


def pairwise(axes_of_values: list[list[Any]]) -> set[tuple[Any, ...]]:
    """All combinations of the values of any two axes, each with the first values of the others."""
    chosen = set()
    for i, j in itertools.combinations(range(len(axes_of_values)), 2):
        for one, other in itertools.product(axes_of_values[i], axes_of_values[j]):
            cell = [values[0] for values in axes_of_values]
            cell[i], cell[j] = one, other
            chosen.add(tuple(cell))
    return chosen


@pytest.mark.timeout(900)  # thousands of cells: minutes on a busy machine
@pytest.mark.parametrize(
    ("setting", "directions"),
    [("da", "some"), *(pytest.param(setting, "all", marks=pytest.mark.slow) for setting in DEFAULT_STRATEGY)],
)
def test_every_pair_of_values_composes_or_is_refused_with_a_reason(setting: str, directions: str) -> None:
    # Directions of a family differ in their regions only; pairs are thinned evenly where time matters.
    most, every = (1, 16) if directions == "some" else (None, 1)
    groups = [
        [bench for bench in group.values() if setting in settings_of(bench)] for group in bench_families().values()
    ]
    benches = [
        bench for group in groups for bench in group[:most] if task_of(axes.bench_facts(bench)).name == SEGMENTATION
    ]
    # The strategy that every setting has stands first.
    strategies = sorted(_of_task("strategy", benches[0]), key=lambda name: name != DEFAULT_STRATEGY[setting])
    others = [_of_task("method", benches[0]), list(axes.values("backbone")), _of_task("head", benches[0])]
    composed, refusals = 0, []
    for bench, method, backbone, head, strategy in sorted(pairwise([benches, *others, strategies]))[::every]:
        try:
            cell = resolve_cell(f"{bench}-{setting}", method=method, backbone=backbone, head=head, strategy=strategy)
            cfg = compose(cell)
        except IncompatibleCell as error:
            refusals.append(str(error))
            continue
        assert cfg.cell.to_dict() == vars(cell)
        assert segmentor_config(cfg).decode_head.num_classes == len(cfg.bench.classes)
        composed += 1
    # Most parts fit each other.
    of_strategies = [text for text in refusals if " works in " in text]
    of_parts = [text for text in refusals if "Allowed: " in text]
    assert len(of_strategies) + len(of_parts) == len(refusals)
    assert composed > len(of_parts) > 0


def _of_task(axis: str, bench: str) -> list[str]:
    return [name.replace("-", "_") for name in axes.values_for(axis, bench)]


def test_requires_refuses_with_the_reason(own_configs: Path, picky: str) -> None:
    needs = 'requires=dict(head=["linear"], unless={"model.backbone.adapter.rank": 1}, reason="it is plain")'
    (own_configs / "method" / "picky.py").write_text(PICKY.replace('name="picky",', f'name="picky", {needs},'))
    compose(resolve_cell("loveda-dg", method=picky, head="linear"))
    compose(resolve_cell("loveda-dg", method=picky), overrides=["model.backbone.adapter.rank=1"])
    message = r"picky does not work with head mask2former: it is plain. Allowed: --head linear, or --set .*rank=1"
    with pytest.raises(IncompatibleCell, match=message):
        compose(resolve_cell("loveda-dg", method=picky))


def test_tuned_values_are_used_where_the_cell_is_theirs(picky: str) -> None:
    tuned = compose(resolve_cell("loveda-da", method=picky))
    assert (adapter(tuned).rank, adapter(tuned).frequency_layers) == (4, (22, 23))
    assert tuned.method.tuned.to_dict() == {"rank": 4, "frequency_layers": "last 2"}
    others = [
        resolve_cell("loveda-da", method=picky, tuned=False),
        resolve_cell("loveda-dg", method=picky),
        resolve_cell("loveda-u2r-da", method=picky),
    ]
    for cell in others:
        plain = compose(cell)
        assert (adapter(plain).rank, adapter(plain).frequency_layers) == (8, (0, 1))
        assert plain.method.tuned.to_dict() == {}


def test_a_tuned_key_must_be_one_of_the_adapter(own_configs: Path, picky: str) -> None:
    (own_configs / "method" / "picky.py").write_text(PICKY.replace("rank=4", "ranc=4"))
    with pytest.raises(ConfigError, match=r"picky\.py tunes 'ranc' for da on loveda_r2u.*Known: .*rank"):
        compose(resolve_cell("loveda-da", method=picky))


def test_overrides_before_the_wiring_reach_dependent_values(picky: str) -> None:
    cfg = compose(
        resolve_cell("loveda-da", method=picky),
        overrides=["bench.schedule.iters=100", "model.backbone.adapter.rank=2", "bench.crop_px=256", "optim.lr=1e-3"],
    )
    assert (cfg.train_cfg.max_iters, cfg.param_scheduler[0].end, cfg.model.warmup_iters) == (100, 100, 20)
    assert adapter(cfg).rank == 2
    assert cfg.train_dataloader.dataset.labelled.pipeline[3].crop_size == (256, 256)
    assert cfg.optim_wrapper.optimizer.lr == 1e-3


def test_overrides_of_wired_values_are_applied_after_the_wiring() -> None:
    cfg = compose(
        resolve_cell("loveda-da"),
        overrides=["param_scheduler.0.power=1.0", "model.segmentor.decode_head.num_queries=7"],
    )
    assert cfg.param_scheduler[0].power == 1.0
    assert cfg.model.segmentor.decode_head.num_queries == 7


def test_an_unknown_override_names_the_nearest_key() -> None:
    with pytest.raises(ConfigError, match=r"train_cfg\.max_iter: there is no such key. Nearest: train_cfg\.max_iters"):
        compose(resolve_cell("loveda-da"), overrides=["train_cfg.max_iter=10"])


def test_options_of_a_run(tmp_path: Path) -> None:
    cfg = compose(
        resolve_cell("loveda-dg", seed=5),
        data_root=tmp_path / "d",
        work_dir=tmp_path / "w",
        iters=30,
        batch_size=3,
        precision="bf16",
        weights="random",
        num_workers=0,
    )
    assert (cfg.train_cfg.max_iters, cfg.train_cfg.val_interval) == (30, 30)
    assert (cfg.train_dataloader.batch_size, cfg.train_dataloader.num_workers) == (3, 0)
    assert not cfg.train_dataloader.persistent_workers
    assert (cfg.optim_wrapper.precision, cfg.val_cfg.precision, cfg.test_cfg.precision) == ("bf16",) * 3
    assert cfg.model.backbone.weights == "random"
    assert (cfg.data_root, cfg.work_dir) == (str(tmp_path / "d"), str(tmp_path / "w"))
    assert cfg.randomness.seed == cfg.train_dataloader.dataset.seed == cfg.cell.seed == 5


def test_options_are_overrides_in_words() -> None:
    cell = resolve_cell("loveda-dg")
    texts = option_texts(cell, iters=30, batch_size=3, precision="bf16")
    assert texts == ["bench.schedule.iters=30", "bench.schedule.batch_size.dg=3", "runtime.precision=bf16"]
    assert compose(cell, overrides=texts).to_dict() == compose(cell, iters=30, batch_size=3, precision="bf16").to_dict()
    assert option_texts(cell) == []


def test_default_folders_are_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cfg = compose(resolve_cell("loveda-dg"))
    assert cfg.work_dir == str(
        tmp_path / "work_dirs/loveda_r2u/dg/dinov2_l-mask2former/earth_adapter/source_only/seed0"
    )
    assert cfg.train_dataloader.dataset.labelled.img_dir == str(tmp_path / "data/loveda/rural/train/img_dir")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"iters": 0}, r"schedule\.iters is 0; it must be 1"),
        ({"batch_size": 0}, r"batch_size\.da is 0"),
        ({"num_workers": -1}, "num_workers is -1"),
        ({"precision": "fp8"}, r"precision is 'fp8'. Allowed: fp32 or bf16"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        compose(resolve_cell("loveda-da"), **options)


def test_two_compositions_share_nothing() -> None:
    first, second = compose(resolve_cell("loveda-da")), compose(resolve_cell("loveda-da"))
    first.model.segmentor.decode_head.num_classes = 3
    first.bench.classes.append("snow")
    assert second.to_dict() == compose(resolve_cell("loveda-da")).to_dict()
    assert second.bench.classes == second.val_evaluator.classes


def test_loaders_and_evaluators_are_separate_objects() -> None:
    tree = compose(resolve_cell("loveda-da")).to_dict()
    tree["val_evaluator"]["classes"].append("snow")
    assert "snow" not in tree["test_evaluator"]["classes"] + tree["bench"]["classes"]
