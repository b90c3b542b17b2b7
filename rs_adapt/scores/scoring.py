"""How a score was obtained from stored confusion matrices. Loads no torch.

Shapes: K classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rs_adapt.config.class_means import MIOU
from rs_adapt.config.facts import AbsentClasses
from rs_adapt.scores.class_sets import ClassSet
from rs_adapt.scores.stored import Stored

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import JsonValue


@dataclass(frozen=True, kw_only=True)
class Scoring:
    """How a score was obtained.

    Attributes:
        split: Region and split, such as `south test`; None if the matrices do not state it, as for the fields below.
        bench: Name of the bench.
        protocol: Name and version of the protocol.
        but_for: Options that override the protocol, as they are typed.
        selection: The selection of the checkpoint.
        iter: Iterations done at the checkpoint.
        weights: `student` or `teacher`.
        inference: Mode of the prediction, and sizes in pixels.
        precision: `fp32` or `bf16`.
        ece_pct: Calibration error on these tiles in percent; None where it was not measured.
        classes: The classes in the mean, in words.
        mean_name: `mIoU`; or `hIoU`, the harmonic mean of the mIoU of seen and of unseen classes.
        classes_in_mean: Names of the classes that the mean is over: the scored ones that have a value.
        absent_classes: What a class without true pixels counts: it is left_out, or zero_if_predicted.
        classes_scored: Names of the classes that were asked for.
        classes_ignored: Names of the classes whose true pixels do not count.
    """

    split: str | None
    bench: str | None
    protocol: str | None
    but_for: list[str]
    selection: str | None
    iter: int | None
    weights: str | None
    inference: Mapping[str, JsonValue] | str | None
    precision: str | None
    classes: str
    classes_in_mean: list[str]
    absent_classes: AbsentClasses
    classes_scored: list[str]
    classes_ignored: list[str]
    ece_pct: float | None = None
    mean_name: str = MIOU


def list_given(**options: str | None) -> list[str]:
    """Return the options that were given, as they are typed; with any of them a score deviates from its protocol."""
    return [f"--{name}" for name, value in options.items() if value is not None]


def describe_scoring(stored: Stored, chosen: ClassSet, but_for: list[str], total_KK: NDArray[np.int64]) -> Scoring:
    """Return how matrices are scored.

    Args:
        stored: The matrices.
        chosen: The classes.
        but_for: Options that override the protocol.
        total_KK: Their sum.
    """
    facts = stored.per_image.facts
    return Scoring(
        split=facts.get("split"),
        bench=facts.get("bench"),
        protocol=stored.protocol_label,
        but_for=but_for,
        selection=stored.selection,
        iter=facts.get("iter"),
        weights=facts.get("weights"),
        inference=facts.get("inference"),
        precision=stored.precision,
        classes=chosen.line(total_KK),
        classes_in_mean=[chosen.classes[index] for index in chosen.in_mean(total_KK)],
        absent_classes=chosen.absent,
        classes_scored=chosen.scored_names(),
        classes_ignored=chosen.ignored_names(),
        ece_pct=_stored_error_pct(stored),
        mean_name=chosen.mean_name,
    )


def _stored_error_pct(stored: Stored) -> float | None:
    """Return the calibration error on the tiles of stored matrices; None where their checkpoint has none."""
    result = stored.result
    if result is None or (result.selections and stored.selection != result.headline):
        return None
    split = stored.per_image.facts.get("split")
    return next((each.ece_pct for each in result.reliability.values() if each.split == split), None)
