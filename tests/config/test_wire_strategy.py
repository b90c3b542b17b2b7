"""Strategies: they compose with every bench, carry the values of their papers, and reach stream and schedule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from rs_adapt.config import axes, compose, resolve_cell
from rs_adapt.errors import ConfigError

if TYPE_CHECKING:
    from mmengine.config import Config

SELF_TRAINING = (
    *("dacs", "dacs_balanced", "dacs_gsd", "dacs_matched", "dacs_two_way", "dacs_conf", "daformer", "mic"),
    *("mrm", "vfm_uda", "vfm_uda_plus"),
)
BENCHES = ("loveda-r2u", "loveda-u2r", "isprs-p2v", "isprs-v2p", "dubai", "synthetic")

# As in Earth-Adapter's release, with everything off that it does not have.
DACS: dict[str, Any] = {
    **{"warmup_iters": 4000, "mix_weight": 0.5, "ema_decay": 0.99, "weighting": "none", "confidence": None},
    **{"per_class": False, "align": 0.0, "border_px": 0, "jitter": 0.2, "jitter_prob": 0.0, "blur_prob": 0.0},
    **{"feature_weight": 0.0, "feature_classes": None, "feature_min_share": 0.75},
    **{"mask_weight": 0.0, "mask_ratio": 0.7, "mask_block_share": 0.125, "mix_classes": "image"},
    **{"back_weight": 0.0, "class_match": 0.0, "teacher_mirror": False, "distill_weight": 0.0},
    **{"rebuild_weight": 0.0, "rebuild_ratio": 0.4},
}
# DAFormer's code for DACS, DAFormer's own values, and MIC's.
DACS_CONF = DACS | {
    **{"warmup_iters": 0, "weighting": "share", "confidence": 0.968, "mix_weight": 1.0},
    **{"jitter_prob": 0.8, "blur_prob": 0.5, "mix_classes": "batch"},
}
DAFORMER = DACS_CONF | {"ema_decay": 0.999, "feature_weight": 0.005}
MIC = DAFORMER | {"mask_weight": 1.0}
BALANCED = DACS | {"align": 0.5, "mix_weight": 1.0}
MATCHED = DACS | {"class_match": 0.5}
TWO_WAY = DACS | {"back_weight": 0.5}
MRM = DAFORMER | {"rebuild_weight": 1.0}
VFM_UDA = MIC | {"feature_weight": 0.0, "mask_block_share": 1 / 32, "teacher_mirror": True}
VFM_UDA_PLUS = VFM_UDA | {"distill_weight": 1.0}
VALUES = dict(
    zip(
        SELF_TRAINING,
        (DACS, BALANCED, DACS, MATCHED, TWO_WAY, DACS_CONF, DAFORMER, MIC, MRM, VFM_UDA, VFM_UDA_PLUS),
        strict=True,
    )
)


def composed(bench: str, *overrides: str, **names: str) -> Config:
    return compose(resolve_cell(bench, **names), overrides=overrides)


def rates(cfg: Config, *iterations: int) -> list[float]:
    """Learning rates in iterations counted from 0, of an optimizer that real schedulers step."""
    from mmengine.optim import LinearLR, PolyLR
    from torch.nn import Parameter
    from torch.optim import AdamW

    kinds = {"PolyLR": PolyLR, "LinearLR": LinearLR}
    optimizer = AdamW([Parameter()], lr=cfg.optim_wrapper.optimizer.lr)
    schedulers = [
        kinds[step.type](optimizer, **{key: value for key, value in step.items() if key != "type"})
        for step in cfg.param_scheduler
    ]
    optimizer.step()
    used = []
    for _ in range(max(iterations) + 1):
        used.append(optimizer.param_groups[0]["lr"])
        for scheduler in schedulers:
            scheduler.step()
    return [used[iteration] for iteration in iterations]


def test_there_is_a_test_for_each_strategy() -> None:
    on_source = {"source_only", "source_styled", "source_randconv", "source_mixstyle"}
    assert set(axes.values_of_task("strategy", "segmentation")) == {
        *SELF_TRAINING,
        *on_source,
        "source_free",
        "distill",
        "average",
    }


@pytest.mark.parametrize("strategy", SELF_TRAINING)
def test_values_are_the_papers(strategy: str) -> None:
    model = composed("loveda-da", strategy=strategy).model
    assert {key: value for key, value in model.items() if key not in ("type", "segmentor")} == VALUES[strategy]


@pytest.mark.parametrize("bench", BENCHES)
@pytest.mark.parametrize("strategy", SELF_TRAINING)
def test_every_strategy_composes_with_every_bench(bench: str, strategy: str) -> None:
    cfg = composed(f"{bench}-da", strategy=strategy)
    assert cfg.model.type == "rs_adapt.SelfTraining"
    assert cfg.strategy.name == cfg.cell.strategy == strategy
    assert cfg.train_dataloader.dataset.unlabelled.ann_dir is None


@pytest.mark.parametrize("bench", BENCHES)
@pytest.mark.parametrize("setting", ["da", "dg", "ss"])
def test_source_only_composes_with_every_bench(bench: str, setting: str) -> None:
    cfg = composed(f"{bench}-{setting}", strategy="source-only")
    assert cfg.model.type == "EncoderDecoder"
    assert cfg.train_dataloader.dataset.class_sampling is None
    assert len(cfg.param_scheduler) == 1


def test_rare_class_sampling_reaches_the_stream() -> None:
    for strategy in ("dacs", "dacs-conf"):
        assert composed("loveda-da", strategy=strategy).train_dataloader.dataset.class_sampling is None
    for strategy, temperature in (("daformer", 0.01), ("mic", 0.01), ("dacs-balanced", 0.05)):
        sampling = composed("loveda-da", strategy=strategy).train_dataloader.dataset.class_sampling
        assert sampling == {
            "temperature": temperature,
            "min_share": 3000 / 512**2,
            "min_crop_ratio": 0.5,
            "max_tries": 10,
            "drawn_share": 1.0,
        }
    on = composed("loveda-da", "strategy.class_sampling.temperature=0.1")
    assert on.train_dataloader.dataset.class_sampling.temperature == 0.1
    off = composed("loveda-da", "strategy.class_sampling.temperature=None", strategy="mic")
    assert off.train_dataloader.dataset.class_sampling is None


def test_words_for_thresholds_and_temperatures_reach_class_and_stream() -> None:
    texts = ("strategy.confidence=60%", "strategy.class_sampling.temperature=auto")
    cfg = composed("loveda-da", *texts, strategy="dacs-conf")
    assert cfg.model.confidence == "60%"
    assert cfg.train_dataloader.dataset.class_sampling.temperature == "auto"
    for text, allowed in (
        ("confidence=high", "60%"),
        ("confidence=0%", "60%"),
        ("class_sampling.temperature=-1", "auto"),
    ):
        with pytest.raises(ConfigError, match=rf"strategy\.{text.split('=')[0]} is .*{allowed}"):
            composed("loveda-da", f"strategy.{text}", strategy="dacs-conf")


@pytest.mark.parametrize(("strategy", "published"), [("dacs", 0.99), ("daformer", 0.999), ("mic", 0.999)])
def test_the_teacher_is_the_published_one_from_20_000_iterations_on_and_scales_below(
    strategy: str, published: float
) -> None:
    for iters, decay in ((40_000, published), (20_000, published), (5_000, published**4)):
        cfg = composed("loveda-da", f"bench.schedule.iters={iters}", strategy=strategy)
        assert cfg.model.ema_decay == pytest.approx(decay)
    for text, decay in (("0.9", 0.9), ("0.9 at 40000", 0.81)):
        assert composed("loveda-da", f"strategy.ema_decay={text}", strategy=strategy).model.ema_decay == decay
    with pytest.raises(ConfigError, match=r"strategy\.ema_decay is 'often'\. Allowed"):
        composed("loveda-da", "strategy.ema_decay=often", strategy=strategy)


@pytest.mark.parametrize("strategy", ["dacs", "dacs-conf"])
def test_without_a_rise_there_is_one_schedule(strategy: str) -> None:
    assert [step.type for step in composed("loveda-da", strategy=strategy).param_scheduler] == ["PolyLR"]


@pytest.mark.parametrize("strategy", ["daformer", "mic"])
def test_the_rate_rises_on_top_of_its_decay(strategy: str) -> None:
    cfg = composed("loveda-da", strategy=strategy)
    assert sorted(step.type for step in cfg.param_scheduler) == ["LinearLR", "PolyLR"]
    # 3.75 % of 20 000, as 1 500 of 40 000. The last iteration has a rate of 0, so the decay takes 19 999 steps.
    rise, steps = 750, 20_000 - 1
    asked = (0, 1, rise // 2, rise - 1, rise, 2 * rise)
    factors = [1e-3 + (1 - 1e-3) * min(iteration / rise, 1) for iteration in asked]
    decays = [(1 - iteration / steps) ** 0.9 for iteration in asked]
    expected = [1e-4 * factor * decay for factor, decay in zip(factors, decays, strict=True)]
    assert rates(cfg, *asked) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("rise", [1, 2, 5])
def test_a_short_rise_ends_at_the_full_rate(rise: int) -> None:
    cfg = composed("loveda-da", f"strategy.lr_warmup_iters={rise}", "bench.schedule.iters=20")
    plain = composed("loveda-da", "bench.schedule.iters=20")
    assert rates(cfg, 0)[0] == pytest.approx(1e-3 * rates(plain, 0)[0])
    assert rates(cfg, rise, 19) == pytest.approx(rates(plain, rise, 19))
    if rise > 1:
        assert rates(cfg, rise - 1)[0] < rates(plain, rise - 1)[0]


@pytest.mark.parametrize("strategy", SELF_TRAINING)
def test_durations_are_iterations_or_percentages_in_every_strategy(strategy: str) -> None:
    for value in ("5%", "1000"):
        overrides = [f"strategy.{key}={value}" for key in ("warmup_iters", "lr_warmup_iters")]
        cfg = composed("loveda-da", *overrides, strategy=strategy)
        assert cfg.model.warmup_iters == 1000
        assert rates(cfg, 0)[0] == pytest.approx(1e-7)
        assert rates(cfg, 1000) == pytest.approx(rates(composed("loveda-da"), 1000))
    with pytest.raises(ConfigError, match=r"strategy\.lr_warmup_iters is 'slow'"):
        composed("loveda-da", "strategy.lr_warmup_iters=slow", strategy=strategy)


@pytest.mark.parametrize("strategy", SELF_TRAINING)
def test_the_class_accepts_the_arguments_of_the_files(strategy: str) -> None:
    from rs_adapt.engine.parameters import build_on_meta
    from rs_adapt.registry import load_libraries

    load_libraries()
    model = build_on_meta(composed("loveda-da", strategy=strategy, backbone="dinov2-nano", head="linear"))
    assert model.labeler.confidence == VALUES[strategy]["confidence"]
    assert model.mask_weight == VALUES[strategy]["mask_weight"]


def test_an_unused_threshold_is_refused_before_data_are_read() -> None:
    from rs_adapt.engine.parameters import build_on_meta
    from rs_adapt.registry import load_libraries

    load_libraries()
    cfg = composed("loveda-da", "strategy.confidence=0.9", backbone="dinov2-nano", head="linear")
    with pytest.raises(ConfigError, match=r"strategy\.weighting is 'none', so .* would have no effect"):
        build_on_meta(cfg)
