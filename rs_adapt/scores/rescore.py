"""`rs-adapt score`: scores, intervals and groups from stored confusion matrices. Loads no torch.

Shapes: N images, U units, K classes.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rs_adapt.errors import ConfigError
from rs_adapt.scores.class_sets import ClassSet, class_set
from rs_adapt.scores.content import Ends, GroupScore, ImageScore, LargestError, ScoreContent, ScoredContent
from rs_adapt.scores.intervals import Interval, bootstrap
from rs_adapt.scores.resampling import iou_of, miou_of
from rs_adapt.scores.stored import Stored, check_protocol, classes_of, open_stored, read_protocol
from rs_adapt.scores.units import Units, units_of


def rescore(
    place: Path,
    *,
    classes: str | None = None,
    ignore: str | None = None,
    selection: str | None = None,
    protocol: str | None = None,
    unit: str = "auto",
    group_by: str | None = None,
    worst: int = 0,
) -> ScoreContent:
    """Score stored matrices again.

    Args:
        place: A run folder, a folder that `rs-adapt eval` wrote, or one `.npz` file.
        classes: Words of `class_set`; None is those of the protocol, given or the run's.
        ignore: Words of `class_set`.
        selection: Which checkpoint; None is the protocol's, else the run's headline.
        protocol: Name of a protocol that says selection, classes and weights.
        unit: What is drawn for the intervals: "auto", "image" or "scene".
        group_by: "image", "scene" or "city" for scores by group.
        worst: How many images of the lowest mIoU are listed.

    Returns:
        JSON: `scored` (how), `images`, `miou_pct`, `aacc_pct`, `interval`, `classes`, `groups`, `worst`. Percent with 3
        digits; None where there is no value.

    Raises:
        ScoresError: Nothing is stored, or it cannot answer.
        ConfigError: Names or options are wrong.
    """
    but_for = given(classes=classes, ignore=ignore, selection=selection)
    asked = None if protocol is None else read_protocol(protocol)
    if asked is not None:
        if but_for:
            raise ConfigError(f"--protocol {protocol} says what is scored: leave out {', '.join(but_for)}.")
        classes, selection = classes_of(asked), asked.selection or "last"
    stored = open_stored(place, selection)
    if asked is not None:
        check_protocol(stored, asked)
    chosen = class_set(stored.per_image.classes, chosen=classes or stored.classes, ignore=ignore or "")
    counts_NKK = chosen.counted(stored.per_image.counts_NKK)
    total_KK = counts_NKK.sum(axis=0)
    pixels = int(total_KK.sum())
    by_unit = units_of(stored.per_image, unit)
    estimate = bootstrap(chosen.counted(by_unit.counts_UKK), scored=chosen.scored)
    iou_K = iou_of(total_KK[None])[0]
    scored = scored_facts(stored, chosen, but_for)
    if asked is not None:
        scored["protocol"] = f"{asked.name}-{asked.version}"
    return {
        "place": str(place),
        "file": str(stored.file),
        "scored": scored,
        "images": len(counts_NKK),
        "pixels": pixels,
        "miou_pct": plain(miou_of(total_KK[None], chosen.scored)[0]),
        "aacc_pct": plain(100.0 * np.trace(total_KK) / pixels if pixels else math.nan),
        "interval": {
            **pair(estimate.miou),
            "units": estimate.units,
            "resamples": estimate.resamples,
            "seed": estimate.seed,
            "level": estimate.level,
            "rough": estimate.rough,
            "unit": by_unit.by,
        },
        "classes": {
            name: {"iou_pct": plain(iou_K[index]), **pair(estimate.iou[index]), "in_mean": index in chosen.scored}
            for index, name in enumerate(chosen.classes)
            if index not in chosen.ignored
        },
        "group_by": group_by,
        "groups": None if group_by is None else _groups(units_of(stored.per_image, group_by), chosen),
        "worst": _worst(stored.per_image.tiles, counts_NKK, chosen, worst) if worst else None,
    }


def given(**options: str | None) -> list[str]:
    """Return the options that were given, as they are typed: scores then are not what the run's protocol says."""
    return [f"--{name}" for name, value in options.items() if value is not None]


def scored_facts(stored: Stored, chosen: ClassSet, but_for: list[str]) -> ScoredContent:
    """Describe what was scored: split, protocol, selection, iteration, weights, inference, classes in the mean.

    Args:
        stored: The matrices.
        chosen: The classes.
        but_for: Options that changed what the protocol says.
    """
    facts = stored.per_image.facts
    return {
        "split": facts.get("split"),
        "bench": facts.get("bench"),
        "protocol": stored.protocol_label,
        "but_for": but_for,
        "selection": stored.selection,
        "iter": facts.get("iter"),
        "weights": facts.get("weights"),
        "inference": facts.get("inference"),
        "classes": chosen.line(),
        "classes_scored": chosen.scored_names(),
        "classes_ignored": chosen.ignored_names(),
    }


def plain(value: float) -> float | None:
    """Return a number as JSON: 3 digits, None for NaN."""
    return round(float(value), 3) if math.isfinite(value) else None


def pair(interval: Interval | None) -> Ends:
    """Return an interval as JSON: `low` and `high`, None without one."""
    return {
        "low": None if interval is None else plain(interval.low),
        "high": None if interval is None else plain(interval.high),
    }


def _groups(units: Units, chosen: ClassSet) -> list[GroupScore]:
    counts_UKK = chosen.counted(units.counts_UKK)
    pixels_U = counts_UKK.sum(axis=(1, 2))
    share_U = 100.0 * pixels_U / max(int(pixels_U.sum()), 1)
    return [
        {
            "name": name,
            "miou_pct": plain(miou),
            "images": int(images),
            "pixels": int(pixels),
            "share_pct": plain(share),
        }
        for name, miou, images, pixels, share in zip(
            units.names, miou_of(counts_UKK, chosen.scored), units.images_U, pixels_U, share_U, strict=True
        )
    ]


def _worst(tiles: tuple[str, ...], counts_NKK: NDArray[np.int64], chosen: ClassSet, number: int) -> list[ImageScore]:
    """Return the images of the lowest mIoU, worst first; images without a value are none of them."""
    miou_N = miou_of(counts_NKK, chosen.scored)
    # NaN is sorted behind all numbers; equal scores keep the order of the images.
    order = np.argsort(miou_N, kind="stable")[: min(number, int((~np.isnan(miou_N)).sum()))]
    return [
        {"tile": tiles[index], "miou_pct": plain(miou_N[index]), **_largest_error(counts_NKK[index], chosen)}
        for index in order
    ]


def _largest_error(counts_KK: NDArray[np.int64], chosen: ClassSet) -> LargestError:
    errors = counts_KK - np.diag(np.diag(counts_KK))
    truth, taken = np.unravel_index(int(errors.argmax()), errors.shape)
    if not errors[truth, taken]:
        return {"truth": None, "taken_for": None, "share_pct": 0.0}
    return {
        "truth": chosen.classes[truth],
        "taken_for": chosen.classes[taken],
        "share_pct": plain(100.0 * errors[truth, taken] / counts_KK.sum()),
    }
