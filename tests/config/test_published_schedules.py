"""Schedules, thresholds and sizes of every shipped strategy, at the lengths and sizes of the publications."""

from __future__ import annotations

from typing import Any

import pytest

from rs_adapt.config import axes, compose, resolve_cell

# DAFormer (lhoyer/DAFormer @e6f6e04) and MIC (lhoyer/MIC @2f932a9) train for 40 000 iterations, Earth-Adapter
# (VisionXLab/Earth-Adapter @49a8ff8) for 20 000; crops have 512 x 512 px in all three.
CROP_PX = 512
RARE = {"temperature": 0.01, "min_pixels": 3000, "min_crop_ratio": 0.5, "max_tries": 10, "drawn_share": 1.0}
MIXED: dict[str, Any] = {"mix_weight": 1.0, "jitter": 0.2, "jitter_prob": 0.8, "blur_prob": 0.5}
DAFORMER = {
    **MIXED,
    **{"warmup_iters": 0, "rise_iters": 1500, "ema_decay": 0.999, "confidence": 0.968, "rare": RARE},
    **{"feature_weight": 0.005, "feature_min_share": 0.75},
}
VFM_UDA = DAFORMER | {
    **{"feature_weight": 0.0, "teacher_mirror": True, "mask_weight": 1.0, "mask_ratio": 0.7, "mask_block_px": 16},
}
DACS = {
    **{"warmup_iters": 4000, "rise_iters": None, "ema_decay": 0.99, "confidence": None, "rare": None},
    **{"mix_weight": 0.5, "jitter_prob": 0.0, "blur_prob": 0.0, "feature_weight": 0.0, "mask_weight": 0.0},
}
PUBLISHED: dict[str, tuple[int, dict[str, Any]]] = {
    "source_only": (20_000, {"rise_iters": None, "rare": None}),
    "source_styled": (20_000, {"rise_iters": None, "rare": None}),
    "source_randconv": (20_000, {"rise_iters": None, "rare": None}),
    "source_mixstyle": (
        20_000,
        {"rise_iters": None, "rare": None, "mixstyle_prob": 0.5, "mixstyle_beta": 0.1},
    ),
    "average": (20_000, {"rise_iters": None, "rare": None}),
    "dacs": (20_000, DACS),
    # The schedule is that of `dacs`; temperature, exponent and weight are its own.
    "dacs_balanced": (20_000, DACS | {"mix_weight": 1.0, "rare": RARE | {"temperature": 0.05}, "align": 0.5}),
    # The same with what it adds.
    "dacs_two_way": (20_000, DACS | {"back_weight": 0.5}),
    "dacs_gsd": (20_000, DACS),
    "dacs_matched": (20_000, DACS | {"rare": RARE | {"temperature": "auto", "drawn_share": 0.5}}),
    # CoTTA's decay; the weights are its own.
    "source_free": (20_000, {"rise_iters": None, "ema_decay": 0.999, "confidence": None, "mix_weight": 1.0}),
    # Ours; 5 % of the schedule for the rate to rise.
    "distill": (20_000, {"rise_iters": 1000, "feature_iters": 10_000, "rare": None}),
    "dacs_conf": (
        40_000,
        MIXED | {"warmup_iters": 0, "rise_iters": None, "ema_decay": 0.99, "confidence": 0.968, "rare": None},
    ),
    "daformer": (40_000, DAFORMER | {"mask_weight": 0.0}),
    "mrm": (40_000, DAFORMER | {"mask_weight": 0.0, "rebuild_weight": 1.0}),
    # VFM-UDA's decay, threshold and share of hidden tokens (16 px each).
    "vfm_uda": (40_000, VFM_UDA),
    "vfm_uda_plus": (40_000, VFM_UDA | {"distill_weight": 1.0}),
    "mic": (40_000, DAFORMER | {"mask_weight": 1.0, "mask_ratio": 0.7, "mask_block_px": 64}),
}


def resolved(strategy: str, iters: int) -> dict[str, Any]:
    """Return the numbers of a resolved configuration, shares of the crop in pixels."""
    cell = resolve_cell("loveda-da", strategy=strategy)
    cfg = compose(cell, overrides=[f"bench.schedule.iters={iters}", f"bench.crop_px={CROP_PX}"])
    rises = [step for step in cfg.param_scheduler if step["type"] == "LinearLR"]
    sampling = cfg.train_dataloader.dataset.class_sampling
    numbers = dict(cfg.model.items())
    if "mask_block_share" in numbers:
        numbers["mask_block_px"] = numbers["mask_block_share"] * CROP_PX
    return {
        **numbers,
        # mmengine reaches the full rate one iteration before the end.
        "rise_iters": rises[0]["end"] - 1 if rises else None,
        "rare": sampling
        and {key: value for key, value in sampling.items() if key != "min_share"}
        | {"min_pixels": sampling["min_share"] * CROP_PX**2},
    }


@pytest.mark.parametrize("strategy", axes.values_of_task("strategy", "segmentation"))
def test_at_the_published_length_and_size_the_constants_are_the_published_ones(strategy: str) -> None:
    iters, published = PUBLISHED[strategy]
    numbers = resolved(strategy, iters)
    assert {key: numbers[key] for key in published} == published


@pytest.mark.parametrize("strategy", [name for name, (_, numbers) in PUBLISHED.items() if "ema_decay" in numbers])
def test_between_20_000_and_40_000_iterations_only_the_durations_follow_the_length(strategy: str) -> None:
    short, long = (resolved(strategy, iters) for iters in (20_000, 40_000))
    for numbers in (short, long):
        assert numbers["ema_decay"] == PUBLISHED[strategy][1]["ema_decay"]
    for key in ("warmup_iters", "rise_iters"):
        assert (long.get(key) or 0) == 2 * (short.get(key) or 0)
    durations = ("warmup_iters", "rise_iters", "segmentor")
    assert {k: v for k, v in short.items() if k not in durations} == {
        k: v for k, v in long.items() if k not in durations
    }
