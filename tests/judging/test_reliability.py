"""How often indicators were right: hand-made runs with known orders."""

from __future__ import annotations

import pytest

from rs_adapt.judging.reliability import ScoredRun, measure_reliability


def run(miou_pct: float, *, bench: str = "a", adapted: bool = True, **indicators: float) -> ScoredRun:
    return ScoredRun(bench=(bench,), adapted=adapted, miou_pct=miou_pct, indicators=indicators)


def test_pairs_are_counted_within_a_bench_and_by_the_direction_of_the_indicator() -> None:
    runs = [
        run(40, entropy=0.3, confidence=0.5, adapted=False),
        run(50, entropy=0.2, confidence=0.6),
        run(60, entropy=0.25, confidence=0.7),
        # Not comparable with the others; and with each other they are equal in entropy.
        run(10, bench="b", entropy=0.9),
        run(90, bench="b", entropy=0.9),
    ]
    found = {each.name: each for each in measure_reliability(runs)}
    assert set(found) == {"entropy", "confidence"}
    # 40 < 50 and 40 < 60 are right, 50 < 60 is wrong, the equal pair counts half.
    entropy = found["entropy"]
    assert (entropy.num_runs, entropy.num_pairs, entropy.right) == (5, 4, 2.5)
    assert entropy.share == 2.5 / 4
    assert (entropy.mixed_pairs, entropy.mixed_right) == (2, 2)
    assert entropy.low is not None
    assert entropy.high is not None
    assert entropy.low <= entropy.share <= entropy.high
    # Three runs are too few for an interval.
    assert (found["confidence"].right, found["confidence"].low, found["confidence"].high) == (3, None, None)


def test_runs_of_equal_score_and_single_runs_make_no_pair() -> None:
    assert measure_reliability([run(50, entropy=0.1), run(50, entropy=0.2), run(60, bench="b", entropy=0.3)]) == ()
    assert measure_reliability([]) == ()


def test_an_indicator_that_is_always_right_has_an_interval_at_1() -> None:
    runs = [run(score, info_max=score / 100) for score in (30, 40, 50, 60, 70, 80)]
    (found,) = measure_reliability(runs)
    assert (found.num_pairs, found.right, found.low, found.high) == (15, 15, 1, 1)


def test_an_indicator_without_relation_has_an_interval_around_chance() -> None:
    import numpy as np

    rng = np.random.default_rng(1)
    (found,) = measure_reliability([run(float(score), density=float(rng.random())) for score in range(30)])
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0.5 < found.high
    # Wider than that of 435 independent pairs, which is 0.09.
    assert found.high - found.low > 0.12
    assert found.share == pytest.approx(0.5, abs=0.2)
