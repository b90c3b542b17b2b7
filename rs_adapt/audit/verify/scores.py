"""Scores side by side, and the range within which two scores of the same cell agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rs_adapt.audit.verify.published import PublishedRow, seed_spread
from rs_adapt.audit.verify.record import Record


@dataclass(frozen=True, kw_only=True)
class Spread:
    """A range of mIoU in percent; a score of the run inside it agrees with the reference.

    Attributes:
        low: Lowest score.
        high: Highest score.
        basis: The evidence for the range, in words.
        of_seeds: Whether it is the range over published seeds.
    """

    low: float
    high: float
    basis: str
    of_seeds: bool


@dataclass(frozen=True, kw_only=True)
class ScoreCheck:
    """A score of the run and the reference's score of the same selection; mIoU in percent.

    Attributes:
        selection: How both checkpoints were chosen: "last" or "oracle"; "unknown" where the reference does not state
            it, whose score is then compared with the run's last one.
        here_pct: The run's score.
        here_iteration: The run's iteration, if known.
        there_pct: The reference's score.
        there_iteration: The reference's iteration, if known.
        spread: The range in which the run's score agrees.
        source: Where the reference's score is printed.
    """

    selection: str
    here_pct: float
    here_iteration: int | None
    there_pct: float
    there_iteration: int | None
    spread: Spread
    source: str

    @property
    def points(self) -> float:
        """The run's score minus the reference's."""
        return self.here_pct - self.there_pct

    @property
    def within(self) -> bool:
        """Whether the run's score lies in the spread; both have two decimals at most."""
        return self.spread.low - 0.005 <= self.here_pct <= self.spread.high + 0.005


def find_spread(
    run: Record, reference: Record | None, rows: Sequence[PublishedRow], *, there_pct: float, bench: str
) -> Spread:
    """Return the range around a reference's score: that of the published seeds, if there are any.

    Otherwise it is the widest of the reference's own bootstrap interval, its late evaluations, and the width of the
    run's interval centred on the reference's score, as far as they are known; otherwise as wide as the widest published
    range over seeds for the bench, or for any bench.

    Args:
        run: The run to verify.
        reference: The log to compare with, if any.
        rows: The published score to compare with, if any.
        there_pct: The reference's score.
        bench: The run's bench; empty if it is not known.
    """
    if seeds := [score for row in rows for score in row.seeds_pct]:
        text = f"the {len(seeds)} published seeds"
        return Spread(low=min(seeds), high=max(seeds), basis=text, of_seeds=True)
    ends, bases = [there_pct], []
    if reference and reference.interval_pct and reference.interval_of_pct is not None:
        # The interval may belong to a different selection than the score: its place relative to its own score counts.
        ends += [there_pct + (end - reference.interval_of_pct) for end in reference.interval_pct]
        low, high = reference.interval_pct
        bases.append(f"the reference's interval [{low:.2f}, {high:.2f}]")
    if reference and (late := _late(reference)):
        ends += late
        bases.append(f"the reference's own last {len(late)} evaluations")
    if run.interval_pct:
        # As wide as the run's interval, wherever that lies: a run must not move the window towards itself.
        low, high = run.interval_pct
        ends += [there_pct - (high - low) / 2, there_pct + (high - low) / 2]
        bases.append(f"the run's own bootstrap interval [{low:.2f}, {high:.2f}]")
    if bases:
        text = f"one seed, so the spread is unknown; taken as wide as {' and '.join(bases)}"
        return Spread(low=min(ends), high=max(ends), basis=text, of_seeds=False)
    width, row = seed_spread(bench)
    text = (
        f"one seed, so the spread is unknown; {width:.2f} points to both sides, the range of the "
        f"{len(row.seeds_pct)} published seeds of {row.method} on {row.bench}"
    )
    return Spread(low=there_pct - width, high=there_pct + width, basis=text, of_seeds=False)


def _late(reference: Record) -> list[float]:
    """Return the scores of the last quarter of the evaluations, at least two."""
    scores = [evaluation.miou_pct for evaluation in reference.evaluations]
    return scores[-max(2, len(scores) // 4) :] if len(scores) >= 4 else []
