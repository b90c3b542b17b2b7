"""The scores that a `result.json` states, compared with those that its stored matrices give. Loads no torch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rs_adapt.errors import RsAdaptError
from rs_adapt.runs.records.record import SCORES, SIDES
from rs_adapt.scores.calibration_error import calibration_error_pct
from rs_adapt.scores.class_sets import UNSTATED, class_set
from rs_adapt.scores.per_image import PerImage
from rs_adapt.scores.resampling import iou_of, mean_iou, sums_of

if TYPE_CHECKING:
    from rs_adapt.runs.records import Manifest, Result

# Results state three digits.
_TOLERANCE = 0.0011


@dataclass(frozen=True, kw_only=True)
class Contradiction:
    """A score that a result states and its counts do not give; percent, None where there is no value.

    Attributes:
        key: The dotted key in `result.json`, such as `miou_pct` or `selections.oracle.miou_pct`.
        stated: The value in `result.json`.
        recomputed: The value that the matrices give.
        file: The file of the matrices, relative to the folder of the result; empty where the result's own counts by
            confidence give the value.
    """

    key: str
    stated: float | None
    recomputed: float | None
    file: str

    def __str__(self) -> str:
        """Return the contradiction as a sentence."""
        stated, recomputed = (
            "no value" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)
            for value in (self.stated, self.recomputed)
        )
        source = f"its matrices in {self.file}" if self.file else "its bins"
        return f"result.json states {stated} as {self.key}, but {source} give {recomputed}."


def matrix_files(result: Result) -> dict[str, str]:
    """Return the files of matrices that a result names, by the prefix of the keys whose scores they give.

    The prefix is empty for the scores at the top and `selections.NAME.` for those of a selection.
    """
    files = {
        f"selections.{name}.": checkpoint.confusions
        for name, checkpoint in result.selections.items()
        if checkpoint is not None and checkpoint.confusions is not None
    }
    top = files.get(f"selections.{result.headline}.", result.confusions)
    return files if top is None else {"": top} | files


def read_matrices(folder: Path, result: Result) -> dict[str, PerImage]:
    """Read all matrices that a result names, by file relative to its folder.

    Raises:
        ScoresError: A file is missing or damaged.
    """
    return {file: PerImage.load(folder / file) for file in dict.fromkeys(matrix_files(result).values())}


def check_result(folder: Path, result: Result) -> tuple[str, ...]:
    """Return what in a result its stored matrices contradict, or why they cannot be read, as sentences.

    Args:
        folder: The folder of the result.
        result: Content of its `result.json`.
    """
    try:
        return tuple(map(str, find_contradictions(result, read_matrices(folder, result))))
    except RsAdaptError as error:
        return (f"The scores in result.json cannot be recomputed: {error}",)


def check_manifest(manifest: Manifest, result: Result) -> tuple[str, ...]:
    """Return the scores in a pack's manifest that are not those of the run's result, as sentences.

    Args:
        manifest: The manifest of the run's pack, or of the pack of one of its selections.
        result: Content of the run's `result.json`.
    """
    if manifest.metrics is None:
        return ()
    stated, selection = manifest.metrics.content(), manifest.metrics.headline
    if selection == result.headline:
        expected = result.content()
    else:
        checkpoint = result.selections.get(selection or "")
        if checkpoint is None:
            return (f"manifest.json names the selection {selection}, which result.json does not have.",)
        expected = {checkpoint.score_key: checkpoint.score_pct, "iter": checkpoint.iter}
    return tuple(
        f"manifest.json states {stated[key]} as metrics.{key}, but result.json {expected[key]}."
        for key in stated
        if key in expected and stated[key] != expected[key]
    )


def find_contradictions(result: Result, matrices: Mapping[str, PerImage]) -> tuple[Contradiction, ...]:
    """Compare every score that a result states with its matrices, under the rule of the mean that the result states.

    Calibration errors are compared with their bins, and the bins of the scored split with the matrices.

    Args:
        result: Content of `result.json`.
        matrices: The matrices by file, those that are available.
    """
    differing = []
    for prefix, file in matrix_files(result).items():
        if (per_image := matrices.get(file)) is None:
            continue
        recomputed = _recomputed(result, per_image)
        for key, stated in _stated(result, prefix):
            value = recomputed.get(key)
            if not _equal(stated, value):
                differing.append(Contradiction(key=f"{prefix}{key}", stated=stated, recomputed=value, file=file))
    return (*differing, *_reliability_contradictions(result, matrices))


def _reliability_contradictions(result: Result, matrices: Mapping[str, PerImage]) -> Iterator[Contradiction]:
    top = matrices.get(matrix_files(result).get("", ""))
    for name, measured in result.reliability.items():
        error_pct = calibration_error_pct(measured.bins)
        if not _equal(measured.ece_pct, error_pct):
            yield Contradiction(
                key=f"reliability.{name}.ece_pct", stated=measured.ece_pct, recomputed=error_pct, file=""
            )
        if top is None or top.facts.get("split") != measured.split:
            continue
        total_KK = top.total_KK()
        for key, counted in (("pixels", int(total_KK.sum())), ("right", int(np.trace(total_KK)))):
            stated = sum(getattr(each, key) for each in measured.bins)
            if stated != counted:
                yield Contradiction(
                    key=f"reliability.{name}.bins, the sum of {key},",
                    stated=stated,
                    recomputed=counted,
                    file=matrix_files(result)[""],
                )


def _stated(result: Result, prefix: str) -> Iterator[tuple[str, float | None]]:
    """Yield the scores at the top of a result, or of one of its selections, by key; only those that were written."""
    if prefix:
        checkpoint = result.selections[prefix.split(".")[1]]
        assert checkpoint is not None
        if (key := checkpoint.score_key) in checkpoint.model_fields_set:
            yield key, checkpoint.score_pct
        return
    for key in (*SCORES, *SIDES, "aacc_pct", "macc_pct"):
        if key in result.model_fields_set:
            yield key, getattr(result, key)
    for table in ("iou_pct", "acc_pct"):
        for name, value in getattr(result, table).items():
            yield f"{table}.{name}", value


def _recomputed(result: Result, per_image: PerImage) -> dict[str, float | None]:
    classes = result.protocol.classes or "all"
    chosen = class_set(per_image.classes, chosen=classes if isinstance(classes, str) else ",".join(classes))
    total_1KK = per_image.total_KK()[None]
    measure = per_image.measure
    if measure.name != "miou":
        scores = measure.scores(total_1KK[0], chosen.classes, chosen.scored)
        of_class = {f"acc_pct.{name}": value for name, value in scores.by_class.items()}
        stated = {**scores.means, **of_class}
        return {key: value if math.isfinite(value) else None for key, value in stated.items()}
    hit_1K, truth_1K, _ = np.moveaxis(sums_of(total_1KK), 1, 0)
    iou_1K = iou_of(total_1KK, result.protocol.absent_classes or UNSTATED)
    with np.errstate(invalid="ignore", divide="ignore"):
        acc_1K, aacc = 100.0 * hit_1K / truth_1K, 100.0 * hit_1K.sum() / truth_1K.sum()
    means = {"miou_pct": mean_iou(iou_1K, chosen.mean)[0], "macc_pct": mean_iou(acc_1K, chosen.scored)[0]}
    values = {**{key: float(value) for key, value in means.items()}, "aacc_pct": float(aacc)}
    for table, values_1K in (("iou_pct", iou_1K), ("acc_pct", acc_1K)):
        values |= {f"{table}.{name}": float(value) for name, value in zip(chosen.classes, values_1K[0], strict=True)}
    return {key: value if math.isfinite(value) else None for key, value in values.items()}


def _equal(stated: float | None, value: float | None) -> bool:
    if stated is None or value is None:
        return stated is value
    return abs(stated - value) <= _TOLERANCE
