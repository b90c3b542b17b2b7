"""The outcome of `rs-adapt verify`, as lines for people and as plain values for JSON."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from rs_adapt.audit.verify.configuration import ConfigurationCheck
from rs_adapt.audit.verify.scores import ScoreCheck
from rs_adapt.audit.verify.verdict import describe_difference, describe_selection
from rs_adapt.audit.verify.verification import Verification
from rs_adapt.render.document import format_interval

_SHOWN_KEYS = 12
_SHOWN_ITERATIONS = 10


def format_lines(verification: Verification) -> Iterator[str]:
    """Yield lines of text, the verdict first.

    Args:
        verification: The outcome.
    """
    yield verification.verdict
    yield f"here: {verification.run}; there: {verification.reference}"
    for score in verification.scores:
        yield from _score_lines(score, verification.score_title)
    yield from _configuration_lines(verification.configuration)
    yield from _curve_lines(verification)
    for row in verification.also_published:
        seeds = f", {row.num_seeds} seed(s)" if row.num_seeds else ""
        yield (
            f"also published: {row.miou_pct:.2f} ({describe_selection(row.selection)}{seeds}, protocol "
            f"{row.protocol}; {row.source})"
        )
    for contradiction in verification.contradictions:
        yield f"contradiction: {contradiction}"
    for remark in verification.remarks:
        yield f"note: {remark}"


def plain_values(value: Any) -> Any:
    """Return a value as JSON holds it: NaN becomes None, tuples become lists."""
    if isinstance(value, dict):
        return {str(key): plain_values(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_values(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def signed(points: float) -> str:
    """Return a difference with its sign and two decimals; a difference that rounds to zero has no sign."""
    text = f"{points:+.2f}"
    return "0.00" if text in ("+0.00", "-0.00") else text


def _score_lines(score: ScoreCheck, title: str) -> Iterator[str]:
    label = {"last": "last", "oracle": "best*", "unknown": "last"}[score.selection]
    yield (
        f"{title}, {label}: {score.here_pct:.2f}{_at(score.here_iteration)} here, {score.there_pct:.2f}"
        f"{_at(score.there_iteration)} there, {signed(score.points)}; "
        f"{'within' if score.within else 'outside'} {format_interval(score.spread.low, score.spread.high)}: "
        f"{score.spread.basis}"
    )
    if score.selection == "oracle":
        yield "  *chosen with target labels on both sides, so not a result of adaptation"
    if score.selection == "unknown":
        yield "  the source does not state which checkpoint its score belongs to"


def _at(iteration: int | None) -> str:
    return "" if iteration is None else f" at iteration {iteration}"


def _configuration_lines(check: ConfigurationCheck | None) -> Iterator[str]:
    if check is None:
        yield "configuration: one side states none"
        return
    yield f"configuration: {len(check.equal)} keys agree, {len(check.differences)} differ"
    for difference in check.differences:
        yield f"  {describe_difference(difference)}"
    yield from _names("stated here only", check.only_here)
    yield from _names("stated there only", check.only_there)
    yield from _names("keys there without a counterpart here, not compared", check.not_compared)


def _names(what: str, names: Sequence[str]) -> Iterator[str]:
    if names:
        more = f" and {len(names) - _SHOWN_KEYS} more (--json has all)" if len(names) > _SHOWN_KEYS else ""
        yield f"  {what}, {len(names)}: {', '.join(names[:_SHOWN_KEYS])}{more}"


def _curve_lines(verification: Verification) -> Iterator[str]:
    if (length := verification.length) and not length.equal:
        yield f"iterations: {length.here} here, {length.there} there; the curves are compared where both have lines"
    if schedule := verification.schedule:
        where = f"{schedule.num_equal} equal iterations, largest relative difference {schedule.max_relative:.1e}"
        if schedule.first_iteration is None:
            yield f"learning rate: equal within the printed digits at {where}"
        else:
            yield (
                f"learning rate: {schedule.here:.4e} here and {schedule.there:.4e} there at iteration "
                f"{schedule.first_iteration}, the first that differs; {where}"
            )
    else:
        yield "learning rate: no iteration is in both logs"
    if loss := verification.loss:
        yield (
            f"loss, here / there: median {loss.median_ratio:.3f} over {loss.num_equal} equal iterations, "
            f"{loss.median_ratio_end:.3f} over the last quarter; here a {loss.windows[0]}, there a {loss.windows[1]}"
        )
    for iteration, here, there in verification.curve.points[-_SHOWN_ITERATIONS:]:
        where = f"{verification.score_title} at iteration {iteration}"
        yield f"{where}: {here:.2f} here, {there:.2f} there, {signed(here - there)}"
