"""How often an indicator without labels ordered two finished runs as their scores on the target's labels did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rs_adapt.judging.indicators import KINDS

RESAMPLES = 2000
# With fewer runs the resamples are nearly all alike.
_FEWEST_RUNS = 4
_LEVEL = 0.95


@dataclass(frozen=True, kw_only=True)
class ScoredRun:
    """A finished run with a score on the target.

    Attributes:
        bench: Bench, scored split and scored classes: only runs that share them are compared.
        adapted: Whether it has seen the target's images.
        miou_pct: Its mIoU on the target in percent.
        indicators: Indicators without labels by name.
    """

    bench: tuple[str, ...]
    adapted: bool
    miou_pct: float
    indicators: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Reliability:
    """How often an indicator was right about which of two runs of one bench has the higher score.

    Attributes:
        name: The indicator.
        num_runs: Runs.
        num_pairs: Pairs of runs of one bench with different scores.
        right: Pairs that the indicator ordered as the scores do; equal values count half.
        low: Lower end of the 95 % interval of `right / num_pairs`; None with fewer than four runs.
        high: Upper end of it.
        mixed_pairs: Pairs of an adapted run and one that has not seen the target.
        mixed_right: How many of these were ordered right.
    """

    name: str
    num_runs: int
    num_pairs: int
    right: float
    low: float | None
    high: float | None
    mixed_pairs: int
    mixed_right: float

    @property
    def share(self) -> float:
        """Share of the pairs that were ordered right; 0.5 is chance."""
        return self.right / self.num_pairs

    def to_json(self) -> dict[str, Any]:
        """Return all numbers."""
        return asdict(self)


def measure_reliability(runs: Sequence[ScoredRun], *, seed: int = 0) -> tuple[Reliability, ...]:
    """Return the reliability of each indicator that at least two comparable runs have.

    The interval is that of a bootstrap over the runs, which are drawn with replacement within their bench: pairs that
    share a run are not independent, and drawing pairs would give intervals that are too narrow.

    Args:
        runs: The runs.
        seed: Seed of the resamples.
    """
    found = (_measure(name, [run for run in runs if name in run.indicators], seed) for name in KINDS)
    return tuple(each for each in found if each is not None)


def _measure(name: str, runs: Sequence[ScoredRun], seed: int) -> Reliability | None:
    sign = 1 if KINDS[name].larger_is_better else -1
    values_N = np.array([sign * run.indicators[name] for run in runs])
    scores_N = np.array([run.miou_pct for run in runs])
    adapted_N = np.array([run.adapted for run in runs], dtype=bool)
    benches = list(dict.fromkeys(run.bench for run in runs))
    bench_N = np.array([benches.index(run.bench) for run in runs], dtype=int)
    upper_NN = np.triu(np.ones((len(runs), len(runs)), dtype=bool), k=1)
    counts_NN = upper_NN & (bench_N[:, None] == bench_N) & (scores_N[:, None] != scores_N)
    if not counts_NN.any():
        return None
    product_NN = np.sign(values_N[:, None] - values_N) * np.sign(scores_N[:, None] - scores_N)
    right_NN = np.where(counts_NN, (product_NN + 1) / 2, 0.0)
    mixed_NN = counts_NN & (adapted_N[:, None] != adapted_N)
    low, high = _interval(right_NN, counts_NN, bench_N, seed) if len(runs) >= _FEWEST_RUNS else (None, None)
    return Reliability(
        name=name,
        num_runs=int((counts_NN | counts_NN.T).any(axis=1).sum()),
        num_pairs=int(counts_NN.sum()),
        right=float(right_NN.sum()),
        low=low,
        high=high,
        mixed_pairs=int(mixed_NN.sum()),
        mixed_right=float(right_NN[mixed_NN].sum()),
    )


def _interval(
    right_NN: NDArray[np.float64], counts_NN: NDArray[np.bool_], bench_N: NDArray[np.int64], seed: int
) -> tuple[float | None, float | None]:
    rng, shares = np.random.default_rng(seed), []
    groups = [np.flatnonzero(bench_N == bench) for bench in np.unique(bench_N)]
    for _ in range(RESAMPLES):
        times_N = np.zeros(len(bench_N))
        for group in groups:
            np.add.at(times_N, rng.choice(group, size=len(group)), 1)
        total = times_N @ counts_NN @ times_N
        if total:
            shares.append(times_N @ right_NN @ times_N / total)
    if not shares:
        return None, None
    low, high = np.quantile(shares, ((1 - _LEVEL) / 2, (1 + _LEVEL) / 2))
    return float(low), float(high)
