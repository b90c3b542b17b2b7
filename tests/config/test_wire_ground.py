"""Pixel sizes of regions: which images are enlarged, by how much, in which setting."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rs_adapt.config import compose, resolve_cell
from rs_adapt.config.wire_ground import describe_match, describe_positions, matched_sizes, pixel_sizes
from rs_adapt.errors import ConfigError

if TYPE_CHECKING:
    from mmengine.config import Config


def composed(bench: str, *overrides: str, **names: Any) -> Config:
    return compose(resolve_cell(bench, **names), overrides=list(overrides))


def ratios(cfg: Config) -> dict[str, tuple[float, float]]:
    data = cfg.train_dataloader.dataset
    steps = {name: data[name].pipeline for name in ("labelled", "unlabelled") if data[name] is not None}
    return {
        name: next(tuple(step.ratio_range) for step in pipeline if step.type == "RandomResize")
        for name, pipeline in steps.items()
    }


def sides(cfg: Config) -> dict[str, int]:
    """Return the side at which tiles are predicted, by region."""
    loaders: dict[str, Any] = {"target": cfg.test_dataloader, "source": cfg.source_val_dataloader}
    loaders |= {"monitor target": cfg.monitor.label_free, "monitor source": cfg.monitor.source_val}
    found = {
        name: next(step.scale[0] for step in loader.dataset.pipeline if step.type == "Resize")
        for name, loader in loaders.items()
        if loader is not None
    }
    assert found["target"] == found.pop("monitor target")
    assert found["source"] == found.pop("monitor source", found["source"])
    return found


def test_a_coarser_target_is_enlarged_in_training_and_in_prediction() -> None:
    # 0.34 m and 0.58 m, patches of 8 px.
    cfg = composed("shifts-da", strategy="dacs_matched", direction="dev1")
    enlarged = ratios(cfg)
    assert enlarged["labelled"] == (0.75, 1.5)
    assert enlarged["unlabelled"] == pytest.approx((0.75 * 0.58 / 0.34, 1.5 * 0.58 / 0.34))
    assert sides(cfg) == {"target": 216, "source": 128}
    assert cfg.val_dataloader.dataset.pipeline == cfg.test_dataloader.dataset.pipeline
    (note,) = describe_match(cfg.bench, cfg.strategy, setting="da")
    assert note.startswith("Images of the target are enlarged 1.71 times, from pixels of 0.58 m to")


def test_a_coarser_source_is_enlarged_in_adaptation_alone() -> None:
    # 0.41 m and 0.26 m.
    cfg = composed("shifts-da", strategy="dacs_matched", direction="dev4")
    assert ratios(cfg)["labelled"] == pytest.approx((0.75 * 0.41 / 0.26, 1.5 * 0.41 / 0.26))
    assert ratios(cfg)["unlabelled"] == (0.75, 1.5)
    assert sides(cfg) == {"target": 128, "source": 200}
    other = composed("shifts-dg", "strategy.match_gsd=True", direction="dev4")
    assert (ratios(other), sides(other)) == ({"labelled": (0.75, 1.5)}, {"target": 128, "source": 128})
    assert describe_match(other.bench, other.strategy, setting="dg") == ()


def test_generalization_enlarges_a_coarser_target_where_it_is_predicted() -> None:
    cfg = composed("shifts-dg", "strategy.match_gsd=True", direction="dev1")
    assert (ratios(cfg), sides(cfg)) == ({"labelled": (0.75, 1.5)}, {"target": 216, "source": 128})


@pytest.mark.parametrize(
    ("bench", "names", "overrides"),
    [
        # Off by default, one region, equal sizes, sizes that nobody states.
        ("shifts-da", {"strategy": "dacs", "direction": "dev1"}, []),
        ("shifts-dg", {"strategy": "source_only", "direction": "dev1"}, []),
        ("shifts-ss", {"strategy": "source_only", "direction": "dev1"}, ["strategy.match_gsd=True"]),
        ("shifts-da", {"strategy": "dacs_matched", "direction": "dev3"}, []),
        ("loveda-da", {"strategy": "dacs_matched"}, []),
        ("dubai-da", {"strategy": "dacs_matched"}, []),
    ],
)
def test_images_stay_as_they_are_elsewhere(bench: str, names: dict[str, str], overrides: list[str]) -> None:
    cfg, plain = composed(bench, *overrides, **names), composed(bench, **names | {"strategy": "source_only"})
    assert ratios(cfg)["labelled"] == ratios(plain)["labelled"]
    assert cfg.test_dataloader.dataset.pipeline == plain.test_dataloader.dataset.pipeline
    assert matched_sizes(cfg.bench, cfg.strategy, setting=cfg.cell.setting) is None
    silent = "dubai" not in bench
    assert (describe_match(cfg.bench, cfg.strategy, setting=cfg.cell.setting) == ()) is silent


def test_a_bench_of_your_own_states_sizes_in_its_regions() -> None:
    regions = {"source": {"gsd_m": 0.3}, "target": {"gsd_m": 0.5}}
    bench: dict[str, Any] = {"source": {}, "target": {}, "gsd_m": 0.5, "prepare": {"kind": "scenes", **regions}}
    sizes = pixel_sizes(bench)
    assert sizes is not None
    assert (sizes.source_m, sizes.target_m, sizes.finer_m) == (0.3, 0.5, 0.3)
    assert sizes.factor("target") == pytest.approx(5 / 3)
    bench["prepare"]["source"] = {"gsd_m": None}
    # What the file states as a whole is the size of the target.
    assert pixel_sizes(bench) is None
    bench["prepare"] = {"kind": "scenes", "source": {"gsd_m": 0.3}, "target": {"gsd_m": None}}
    assert pixel_sizes(bench) == sizes


def test_sizes_that_nobody_states_are_named_where_tiles_have_them() -> None:
    bench: dict[str, Any] = {"source": {}, "target": {}, "gsd_m": None}
    (note,) = describe_match(bench, {"match_gsd": True}, setting="da", measured_m={"source": 0.25, "target": 0.5})
    assert note.endswith(
        "Their tiles have gsd_m = 0.25 in [source], gsd_m = 0.5 in [target]: write that into the bench's file."
    )
    same = describe_match(bench, {"match_gsd": True}, setting="da", measured_m={"source": 0.5, "target": 0.5})
    assert same == ()
    (note,) = describe_match(bench, {"match_gsd": True}, setting="da")
    assert note.endswith("so their images are taken as they are.")


@pytest.mark.parametrize(
    ("bench", "options", "gsd_m"),
    [
        ("loveda-da", {}, 0.3),
        ("isprs-p2v-da", {}, 0.09),
        # Brought to the finer of both regions.
        ("isprs-p2v-da", {"strategy": "dacs_gsd"}, 0.05),
        # Neither the bench as a whole nor its target states one, its source does.
        ("roads-d2m-da", {}, 0.5),
        ("casid-da", {}, 1.0),
    ],
)
def test_positions_in_metres_get_the_benchs_pixel_size(
    bench: str, options: dict[str, str], gsd_m: float | None
) -> None:
    cfg = composed(bench, backbone="scale_mae_l", method="frozen", **options)
    model = cfg.model.get("segmentor", cfg.model)
    assert model.backbone.gsd_m == gsd_m
    notes = describe_positions(cfg.bench, cfg.strategy, cfg.model, setting=cfg.cell.setting)
    assert bool(notes) == (bench == "casid-da")
    assert all("does not state the size of a pixel (gsd_m): 1 m is used" in note for note in notes)


def test_positions_in_metres_can_be_set_and_others_have_no_size() -> None:
    cfg = composed("casid-da", "model.backbone.gsd_m=2.0", backbone="scale_mae_l", method="frozen")
    assert cfg.model.get("segmentor", cfg.model).backbone.gsd_m == 2.0
    other = composed("casid-da", method="frozen")
    assert "gsd_m" not in other.model.get("segmentor", other.model).backbone
    assert describe_positions(other.bench, other.strategy, other.model, setting="da") == ()


def kinds(dataset: Any) -> list[str]:
    return [step.type.rpartition(".")[2] for step in dataset.pipeline]


def test_a_model_of_super_resolution_enlarges_the_coarser_region_wherever_it_is_read() -> None:
    cfg = composed("synthetic-half-da", "bench.resolve=model")
    assert cfg.bench.resolve == str(Path("model").resolve())
    matched = composed("synthetic-half-da", "strategy.match_gsd=True")
    # Sizes are those of interpolation: only what enlarges is another.
    assert (ratios(cfg), sides(cfg)) == (ratios(matched), sides(matched))
    assert kinds(cfg.train_dataloader.dataset.unlabelled)[:3] == ["LoadImageFromFile", "ResolveImage", "RandomResize"]
    for loader in (cfg.val_dataloader, cfg.test_dataloader, cfg.monitor.label_free):
        assert kinds(loader.dataset)[:3] == ["LoadImageFromFile", "ResolveImage", "Resize"]
    for dataset in (cfg.train_dataloader.dataset.labelled, cfg.source_val_dataloader.dataset):
        assert "ResolveImage" not in kinds(dataset)
    (note,) = describe_match(cfg.bench, cfg.strategy, setting="da")
    assert note.endswith("enlarged 2.00 times, from pixels of 1 m to the other region's 0.5 m (bench.resolve).")


def test_a_coarser_source_is_enlarged_with_its_labels() -> None:
    sizes = ["bench.source.gsd_m=1.0", "bench.target.gsd_m=0.5"]
    cfg = composed("synthetic-half-da", "bench.resolve=model", *sizes)
    steps = kinds(cfg.train_dataloader.dataset.labelled)
    assert steps[:4] == ["LoadImageFromFile", "LoadAnnotations", "ResolveImage", "RandomResize"]
    assert "ResolveImage" not in kinds(cfg.test_dataloader.dataset)
    with pytest.raises(ConfigError, match="in the setting dg training knows nothing of the target"):
        composed("synthetic-half-dg", "bench.resolve=model", *sizes)


@pytest.mark.parametrize(
    ("bench", "message"),
    [
        ("synthetic-half-ss", "in the setting ss one region is both learnt and predicted. Leave bench.resolve out."),
        ("loveda-da", "pixels of both regions are 0.3 m: nothing is enlarged"),
        ("dubai-da", r"does not state the ground size of the pixels of both regions .gsd_m; stated: none."),
        ("images-sr", "bench.resolve: there is no such key"),
    ],
)
def test_a_model_that_would_enlarge_nothing_is_refused(bench: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        composed(bench, "bench.resolve=model")
