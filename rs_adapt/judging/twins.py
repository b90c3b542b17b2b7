"""How often an indicator favoured the better one of two runs that differ in adaptation alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any

from rs_adapt.judging.indicators import KINDS, Indicator
from rs_adapt.runs.run import Run

_LEVEL = 0.95
# Overrides that belong to the adaptation.
_TRAINING = ("strategy.", "bench.pipeline.")


@dataclass(frozen=True, kw_only=True)
class JudgedPair:
    """An adapted run and its twin, judged on the same tiles.

    Attributes:
        adapted: Name of the adapted run.
        helped: Whether it has the higher mIoU on the target.
        indicators: The indicators, with the adapted run as RUN.
    """

    adapted: str
    helped: bool
    indicators: tuple[Indicator, ...]


@dataclass(frozen=True, kw_only=True)
class PairReliability:
    """How often an indicator favoured the better run of a pair.

    Attributes:
        name: The indicator.
        num_pairs: Pairs that have it.
        right: Pairs in which it favoured the run with the higher mIoU; one that favours neither counts half.
        undecided: Pairs in which it favoured neither.
        low: Lower end of the 95 % Wilson interval of `right / num_pairs`.
        high: Upper end of it.
    """

    name: str
    num_pairs: int
    right: float
    undecided: int
    low: float
    high: float

    @property
    def share(self) -> float:
        """Share of the pairs in which it was right."""
        return self.right / self.num_pairs

    def to_json(self) -> dict[str, Any]:
        """Return all numbers."""
        return asdict(self)


def find_twins(runs: Sequence[Run]) -> list[tuple[Run, Run]]:
    """Return each adapted run with the run of the same seed, method and bench that was trained on the source alone.

    Overrides are the same too, except for those of the adaptation. Of several such runs the first is taken. Runs of
    equal mIoU make no pair.

    Args:
        runs: Runs with a result.
    """
    plain: dict[tuple[object, ...], list[Run]] = {}
    for run in runs:
        if _is_source_only(run):
            plain.setdefault(_twin_key(run), []).append(run)
    pairs = []
    for run in runs:
        twins = plain.get(_twin_key(run), []) if _is_adapted(run) else []
        if twins and twins[0].miou_pct != run.miou_pct:
            pairs.append((run, twins[0]))
    return pairs


def measure_pairs(pairs: Sequence[JudgedPair]) -> tuple[PairReliability, ...]:
    """Return the reliability of each indicator that a pair has.

    The interval takes pairs as independent, which those of one seed are not quite.
    """
    measured = []
    for name in KINDS:
        decided = [(pair.helped, each.favours) for pair in pairs for each in pair.indicators if each.name == name]
        if not decided:
            continue
        undecided = sum(favours == "neither" for _, favours in decided)
        hits = sum(favours == ("run" if helped else "against") for helped, favours in decided)
        right = hits + undecided / 2
        low, high = wilson_interval(right, len(decided))
        measured.append(
            PairReliability(name=name, num_pairs=len(decided), right=right, undecided=undecided, low=low, high=high)
        )
    return tuple(measured)


def wilson_interval(right: float, total: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson 1927), 0 to 1.

    Args:
        right: Successes, also halves.
        total: Trials, 1 or more.
    """
    z = NormalDist().inv_cdf((1 + _LEVEL) / 2)
    share, scale = right / total, 1 + z**2 / total
    centre = (share + z**2 / (2 * total)) / scale
    half = z / scale * math.sqrt(share * (1 - share) / total + z**2 / (4 * total**2))
    return max(0.0, centre - half), min(1.0, centre + half)


def _is_source_only(run: Run) -> bool:
    return _strategy(run) == "source_only" and not _training(run)


def _is_adapted(run: Run) -> bool:
    # With images changed after the target's, training on the source's labels alone is adaptation too.
    assert run.result is not None
    return run.result.cell.setting == "da" and not _is_source_only(run)


def _strategy(run: Run) -> str:
    assert run.result is not None
    return run.result.cell.strategy


def _training(run: Run) -> tuple[str, ...]:
    return tuple(text for text in run.options.overrides if text.startswith(_TRAINING))


def _twin_key(run: Run) -> tuple[object, ...]:
    assert run.result is not None
    cell, protocol = run.result.cell, run.result.protocol
    names = (cell.bench, cell.method, cell.backbone, cell.head, cell.seed, cell.tuned)
    overrides = tuple(sorted(set(run.options.overrides) - set(_training(run))))
    return (*names, protocol.report_split, tuple(protocol.classes_scored), overrides)
