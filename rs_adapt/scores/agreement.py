"""Whether an evaluation of stored weights gives the scores that their run stored. Loads no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rs_adapt.errors import RsAdaptError
from rs_adapt.runs.files import PACKS_DIR, RESULT_FILE
from rs_adapt.runs.records import InferenceFacts, Result, read_record
from rs_adapt.scores.class_sets import ClassSet, class_set
from rs_adapt.scores.contradictions import check_result
from rs_adapt.scores.per_image import PerImage
from rs_adapt.scores.stored import absent_of, classes_of, precision_of

if TYPE_CHECKING:
    from rs_adapt.runs.records import SelectedCheckpoint

# Points of mIoU within which another processor's rounding may move pixels between classes.
_ROUNDING_POINTS = 0.05


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """The comparison of an evaluation with the stored result of the same weights.

    Attributes:
        agrees: Whether the scores are equal up to rounding; None where the two were not made in the same way.
        sentence: The comparison in words.
        stored_pct: The mIoU that the stored matrices give; None where they are not compared.
    """

    agrees: bool | None
    sentence: str
    stored_pct: float | None = None


def compare_with_stored(checkpoint: Path, evaluated: Path, result: Result) -> Agreement | None:
    """Compare an evaluation with the matrices that the run of its weights stored.

    Args:
        checkpoint: The run folder, or the folder of the pack of one of its selections.
        evaluated: The folder of the evaluation.
        result: The result of the evaluation.

    Returns:
        None where the folder is no run's, or the run was not scored.
    """
    of_selection = checkpoint.parent.name == PACKS_DIR
    run = checkpoint.parents[1] if of_selection else checkpoint
    try:
        stored = read_record(run / RESULT_FILE, Result)
        point = None if stored is None else _selected(stored, f"{PACKS_DIR}/{checkpoint.name}" if of_selection else ".")
        if stored is None or point is None or point.confusions is None:
            return None
        if reason := _difference(run, stored, result):
            return Agreement(agrees=None, sentence=f"Not compared with the stored result: {reason}.")
        there, here = PerImage.load(run / point.confusions), PerImage.load(evaluated / str(result.confusions))
    except RsAdaptError as error:
        return Agreement(agrees=None, sentence=f"Not compared with the stored result: {error}")
    if there.classes != here.classes or set(there.tiles) != set(here.tiles):
        return Agreement(agrees=None, sentence="Not compared with the stored result: the tiles are not the same.")
    measure = there.measure
    chosen = class_set(
        there.classes, chosen=classes_of(stored.protocol), absent=absent_of(stored.protocol), measure=measure
    )
    agreement = _compare(there, here, chosen)
    contradictions = check_result(run, stored)
    if contradictions:
        text = f"{agreement.sentence} The stored result contradicts its own matrices: {contradictions[0]}"
        return Agreement(agrees=False, sentence=text, stored_pct=agreement.stored_pct)
    return agreement


def _selected(stored: Result, pack: str) -> SelectedCheckpoint | None:
    """Return the selection whose weights lie in a folder of the run."""
    points = {name: point for name, point in stored.selections.items() if point is not None and point.pack == pack}
    return points.get(stored.headline or "") or next(iter(points.values()), None)


def _difference(run: Path, stored: Result, result: Result) -> str:
    """Return why two scores of the same weights need not agree; empty where they should."""
    if stored.cell.bench != result.cell.bench and result.trained_on is not None:
        own = result.trained_on.bench.endswith(".toml")
        if not own:
            return f"it is on {stored.cell.bench}, this one on {result.cell.bench}"
    if tta := isinstance(result.protocol.inference, InferenceFacts) and result.protocol.inference.tta:
        return f"this one averages views ({tta})"
    for key, what in (("report_split", "split"), ("weights", "weights"), ("inference", "inference")):
        then, now = getattr(stored.protocol, key), getattr(result.protocol, key)
        if then != now:
            return f"its {what} is {then}, here {now}"
    if result.precision and precision_of(run, stored) not in (None, result.precision):
        return f"its precision is not {result.precision}"
    return ""


def _compare(there: PerImage, here: PerImage, chosen: ClassSet) -> Agreement:
    place_of = {tile: index for index, tile in enumerate(here.tiles)}
    counts_NKK = here.counts_NKK[[place_of[tile] for tile in there.tiles]]
    if (there.counts_NKK.sum(axis=2) != counts_NKK.sum(axis=2)).any():
        return Agreement(agrees=None, sentence="Not compared with the stored result: the labels are not the same.")
    totals = [counts.sum(axis=0, keepdims=True) for counts in (there.counts_NKK, counts_NKK)]
    stored_pct, now_pct = (float(chosen.overall(total)[0]) for total in totals)
    if (there.counts_NKK == counts_NKK).all():
        title = chosen.measure.title
        text = f"Agrees with the stored result: {title} {stored_pct:.2f}, and the same counts in every tile."
        return Agreement(agrees=True, sentence=text, stored_pct=stored_pct)
    moved = int(np.abs(there.counts_NKK - counts_NKK).sum() // 2)
    points = now_pct - stored_pct
    numbers = (
        f"{chosen.measure.title} {stored_pct:.2f} there, {now_pct:.2f} here ({points:+.2f}); at least {moved} pixels"
    )
    if abs(points) <= _ROUNDING_POINTS:
        text = f"Agrees with the stored result up to rounding: {numbers} are predicted differently."
        return Agreement(agrees=True, sentence=text, stored_pct=stored_pct)
    text = f"Differs from the stored result: {numbers} are predicted differently."
    return Agreement(agrees=False, sentence=text, stored_pct=stored_pct)
