"""Pairs of an adapted run and its twin: which are found, and how often an indicator was right."""

from __future__ import annotations

from pathlib import Path

import pytest

from rs_adapt.judging.indicators import Indicator
from rs_adapt.judging.twins import JudgedPair, find_twins, measure_pairs, wilson_interval
from rs_adapt.runs.records import CellNames, ProtocolFacts, Result, RunOptions
from rs_adapt.runs.run import Run


def finished(
    folder: str,
    *overrides: str,
    setting: str = "dg",
    strategy: str = "source_only",
    seed: int = 0,
    miou_pct: float = 50,
) -> Run:
    cell = CellNames(
        bench="synthetic",
        setting=setting,
        method="lora",
        backbone="dinov2_nano",
        head="linear",
        strategy=strategy,
        seed=seed,
    )
    result = Result(
        cell=cell,
        options=RunOptions(overrides=overrides),
        protocol=ProtocolFacts(report_split="south test", classes_scored=("road", "water")),
        miou_pct=miou_pct,
    )
    return Run(folder=Path(folder), status="finished", result=result)


def test_twins_share_seed_and_overrides_but_those_of_adaptation() -> None:
    runs = [
        finished("plain", "bench.schedule.iters=9"),
        finished("other_seed", "bench.schedule.iters=9", seed=1),
        finished("longer"),
        finished("dacs", "bench.schedule.iters=9", "strategy.align=0.5", setting="da", strategy="dacs", miou_pct=60),
        finished("matched", "bench.schedule.iters=9", "bench.pipeline.histogram_match=0.5", setting="da", miou_pct=40),
        # Neither adapted nor a twin.
        finished("photometric", "bench.schedule.iters=9", "bench.pipeline.photometric=True"),
        finished("equal", "bench.schedule.iters=9", setting="da", strategy="mic"),
        finished("alone", setting="da", strategy="dacs", seed=2),
    ]
    pairs = [(str(run.folder), str(twin.folder)) for run, twin in find_twins(runs)]
    assert pairs == [("dacs", "plain"), ("matched", "plain")]


def test_an_indicator_is_right_where_it_favours_the_better_run() -> None:
    def pair(*, helped: bool, run: float, against: float) -> JudgedPair:
        indicators = (Indicator(name="entropy", run=run, against=against),)
        return JudgedPair(adapted="", helped=helped, indicators=indicators)

    # Low entropy is taken as better: right, right, wrong, undecided.
    pairs = [
        pair(helped=True, run=0.1, against=0.2),
        pair(helped=False, run=0.3, against=0.2),
        pair(helped=False, run=0.1, against=0.2),
        pair(helped=True, run=0.2, against=0.201),
    ]
    (measured,) = measure_pairs(pairs)
    assert (measured.name, measured.num_pairs, measured.right, measured.undecided) == ("entropy", 4, 2.5, 1)
    assert measured.low < measured.share < measured.high
    assert measure_pairs([]) == ()


def test_the_interval_of_a_share() -> None:
    # Newcombe 1998, Table I: 81 of 263 and 0 of 20 by the score method.
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson_interval(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)
