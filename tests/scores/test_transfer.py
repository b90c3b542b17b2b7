"""Gains over transfer pairs, with numbers known by hand: a run with r of 100 pixels right scores r / (200 - r)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from rs_adapt.runs.collect import collect
from rs_adapt.scores.gains import gains_of
from rs_adapt.scores.groups import score_runs
from rs_adapt.scores.t_interval import t_quantile
from rs_adapt.scores.transfer import TransferGains, summarize_transfer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# Right pixels of 100 by pair: source only, dacs, target supervised (None: not run).
PAIRS = {"alpha": (50, 60, 80), "beta": (40, 60, 70), "gamma": (60, 55, None)}


def iou(right: float) -> float:
    return 100 * right / (200 - right)


@pytest.fixture
def summaries(tmp_path: Path, write_cell: Callable[..., Path]) -> dict[str, TransferGains]:
    """The pairs above; one training, mic, on a single pair only."""
    for bench, rights in PAIRS.items():
        cells = ({"setting": "dg"}, {"setting": "da", "strategy": "dacs"}, {"setting": "ss"})
        for cell, right in zip(cells, rights, strict=True):
            if right is not None:
                name = f"{bench}-{cell['setting']}"
                write_cell(name, right=(right - 1, right + 1) * 3, cell={"bench": bench, "method": "lora"} | cell)
    write_cell("mic", right=(70,) * 6, cell={"bench": "alpha", "method": "lora", "setting": "da", "strategy": "mic"})
    groups = score_runs(collect([tmp_path / "work"]).finished).groups
    return {f"{one.setting} {one.row.strategy}": one for one in summarize_transfer(groups, gains_of(groups))}


def test_each_pair_counts_the_same(summaries: dict[str, TransferGains]) -> None:
    assert summaries.keys() == {"da dacs", "ss source_only"}
    dacs = summaries["da dacs"]
    gains = [iou(60) - iou(50), iou(60) - iou(40), iou(55) - iou(60)]
    assert dacs.benches == ("alpha", "beta", "gamma")
    assert [gain.value for gain in dacs.gains] == pytest.approx(gains, abs=0.01)
    assert dacs.mean == pytest.approx(sum(gains) / 3, abs=0.01)
    assert dacs.worst == ("gamma", pytest.approx(gains[2], abs=0.01))
    assert dacs.num_helped == 2


def test_the_interval_takes_the_pairs_as_units(summaries: dict[str, TransferGains]) -> None:
    dacs = summaries["da dacs"]
    values = [gain.value for gain in dacs.gains]
    mean = sum(values) / 3
    error = math.sqrt(sum((value - mean) ** 2 for value in values) / 2 / 3)
    assert dacs.interval is not None
    assert dacs.interval.high - mean == pytest.approx(t_quantile(0.95, 2) * error)
    assert mean - dacs.interval.low == pytest.approx(t_quantile(0.95, 2) * error)


def test_the_gap_is_that_of_the_pairs_with_both_references(summaries: dict[str, TransferGains]) -> None:
    gains = iou(60) - iou(50) + iou(60) - iou(40)
    gaps = iou(80) - iou(50) + iou(70) - iou(40)
    assert summaries["da dacs"].gap_closed_pct == pytest.approx(100 * gains / gaps, abs=0.05)
    assert summaries["ss source_only"].gap_closed_pct == pytest.approx(100)


def test_a_pair_is_harmed_where_its_whole_interval_lies_below_zero(summaries: dict[str, TransferGains]) -> None:
    # All images lose the same, so the interval is narrow.
    assert summaries["da dacs"].harmed == ("gamma",)
    assert summaries["ss source_only"].harmed == ()
