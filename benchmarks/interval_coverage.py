"""How often intervals of mIoU hold the true value, where the tiles of a scene are alike.

    python benchmarks/interval_coverage.py [--simulations 300] [--seed 0]

A world of scenes is drawn: each scene has its own class shares and, for each class, its own share of pixels that are
recognised (standard deviation 0.7 in logits); tiles of the scene vary a little around both (0.3). Run B recognises a
little more than run A, how much depends on the scene. The truth is taken from 100 000 scenes. Each simulation draws a
test set of S scenes with T tiles each and asks whether an interval holds the true mIoU of A, and a paired one the true
difference: percentiles of the resamples, and `value +- t * SE * sqrt(U / (U - 1))`, which rs-adapt uses, both over
scenes, and the latter over tiles too. In the first line each tile comes from a scene of its own, so that what is called
a scene is a mere group of tiles. The second table has several seeds of both runs, each of which recognises a little
more or less everywhere (standard deviation 0.1 in logits), and asks for the mean over seeds. Numbers in parentheses are
mean widths in points. The standard error of a coverage of 95 % over 300 simulations is 1.3 points.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rs_adapt.scores.intervals import bootstrap, paired_difference
from rs_adapt.scores.resampling import drawn_sums, iou_of_sums, mean_iou, miou_of, sums_of
from rs_adapt.scores.t_interval import Interval, t_interval

CLASSES = 6
PIXELS = 10_000
SCENE_SPREAD, TILE_SPREAD = 0.7, 0.3
RESAMPLES = 1000
# What B recognises more than A, in logits, and how much that varies from scene to scene.
GAIN, GAIN_SPREAD = 0.1, 0.2
# How much a seed recognises more or less than others, everywhere, in logits.
SEED_SPREAD = 0.1
MEAN_LOGITS = np.linspace(0.5, 2.5, CLASSES)


def draw(rng: np.random.Generator, scenes: int, tiles: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the matrices (scenes, tiles, K, K) of run A and run B on new scenes."""
    shape = (scenes, tiles, CLASSES)
    shares_SK = rng.dirichlet(np.ones(CLASSES), scenes)
    shares_STK = rng.standard_gamma(20 * shares_SK[:, None].repeat(tiles, axis=1) + 0.05)
    truth_STK = rng.multinomial(PIXELS, shares_STK / shares_STK.sum(axis=-1, keepdims=True))
    logits = MEAN_LOGITS + SCENE_SPREAD * rng.standard_normal((scenes, 1, CLASSES))
    logits = logits + TILE_SPREAD * rng.standard_normal(shape)
    gain = GAIN + GAIN_SPREAD * rng.standard_normal((scenes, 1, CLASSES))
    return matrices(rng, truth_STK, logits), matrices(rng, truth_STK, logits + gain)


def matrices(rng: np.random.Generator, truth_STK: NDArray[np.int64], logits: NDArray[Any]) -> NDArray[np.int64]:
    """Return matrices with the given true pixels; what is not recognised is spread evenly over the other classes."""
    right = 1 / (1 + np.exp(-logits))
    shares = ((1 - right) / (CLASSES - 1))[..., None] * np.ones(CLASSES)
    diagonal = np.arange(CLASSES)
    shares[..., diagonal, diagonal] = right
    counts: NDArray[np.int64] = rng.multinomial(truth_STK, shares)
    return counts


def holds(interval: Interval | None, value: float) -> bool:
    """Return whether the interval holds the value."""
    return interval is not None and interval.low <= value <= interval.high


def percentiles(values_R: NDArray[np.float64]) -> Interval:
    """Return the interval that holds the middle 95 % of the resamples."""
    low, high = np.nanquantile(values_R, [0.025, 0.975])
    return Interval(low=float(low), high=float(high))


def true_scores(seed: int) -> tuple[float, float]:
    """Return the mIoU of A and of B over very many scenes."""
    rng = np.random.default_rng([seed, 0])
    totals = [draw(rng, 1000, 1) for _ in range(100)]
    true_a, true_b = (miou_of(sum(pair[side].sum(axis=(0, 1)) for pair in totals)[None])[0] for side in (0, 1))
    return float(true_a), float(true_b)


def drawn_miou(units: list[NDArray[np.int64]], number: int) -> list[NDArray[np.float64]]:
    """Return the mIoU of each run over the same resamples of units."""
    flat = [sums_of(unit_UKK) for unit_UKK in units]
    chunks = [[mean_iou(iou_of_sums(s)) for s in part] for part in drawn_sums(flat, resamples=RESAMPLES, seed=number)]
    return [np.concatenate([chunk[run] for chunk in chunks]) for run in range(len(flat))]


def measure(args: argparse.Namespace, truth: tuple[float, float], scenes: int, tiles: int, alike: bool) -> list[str]:
    """Return the cells of one line of the first table."""
    rng = np.random.default_rng([args.seed, scenes, tiles, alike])
    true_a, true_b = truth
    tally = Tally(6)
    for number in range(args.simulations):
        runs = draw(rng, scenes, tiles) if alike else draw(rng, scenes * tiles, 1)
        flat = [run.reshape(-1, CLASSES, CLASSES) for run in runs]
        whole = [run.reshape(scenes, tiles, CLASSES, CLASSES).sum(axis=1) for run in runs]
        a_R, b_R = drawn_miou(whole, number)
        tally.add(
            (bootstrap(flat[0], resamples=RESAMPLES, seed=number).miou, true_a),
            (percentiles(a_R), true_a),
            (bootstrap(whole[0], resamples=RESAMPLES, seed=number).miou, true_a),
            (paired_difference(*flat, resamples=RESAMPLES, seed=number).miou.interval, true_b - true_a),
            (percentiles(b_R - a_R), true_b - true_a),
            (paired_difference(*whole, resamples=RESAMPLES, seed=number).miou.interval, true_b - true_a),
        )
    return [f"{scenes} x {tiles}", "alike" if alike else "independent", *tally.cells()]


def measure_seeds(args: argparse.Namespace, truth: tuple[float, float], scenes: int, seeds: int) -> list[str]:
    """Return the cells of one line of the second table: means over seeds of A, and B - A paired by seed."""
    rng = np.random.default_rng([args.seed, scenes, seeds])
    true_a, true_b = truth
    tally = Tally(4)
    for number in range(args.simulations):
        pair = draw_seeds(rng, scenes, seeds)
        whole_S = [np.array([miou_of(run.sum(axis=0)[None])[0] for run in runs]) for runs in pair]
        drawn_RS = np.stack(drawn_miou([run for runs in pair for run in runs], number), axis=1)
        a_RS, b_RS = drawn_RS[:, :seeds], drawn_RS[:, seeds:]
        picked_RS = np.random.default_rng(number).integers(0, seeds, size=(RESAMPLES, seeds))
        for values_RS, values_S, value in (
            (a_RS, whole_S[0], true_a),
            (b_RS - a_RS, whole_S[1] - whole_S[0], true_b - true_a),
        ):
            both = percentiles(np.take_along_axis(values_RS, picked_RS, axis=1).mean(axis=1))
            sources = [(values_RS.mean(axis=1), scenes), (values_S[picked_RS].mean(axis=1), seeds)]
            tally.add((both, value), (t_interval(float(values_S.mean()), sources), value))
    return [str(scenes), str(seeds), *tally.cells()]


def draw_seeds(rng: np.random.Generator, scenes: int, seeds: int) -> list[list[NDArray[np.int64]]]:
    """Return the matrices (scenes, K, K) of every seed of run A and of run B on the same new scenes."""
    shares_SK = rng.dirichlet(np.ones(CLASSES), scenes)
    truth_SK = rng.multinomial(PIXELS * 10, shares_SK)
    logits = MEAN_LOGITS + SCENE_SPREAD * rng.standard_normal((scenes, CLASSES))
    gain = GAIN + GAIN_SPREAD * rng.standard_normal((scenes, CLASSES))
    of_seed = SEED_SPREAD * rng.standard_normal((2, seeds))
    return [
        [matrices(rng, truth_SK, logits + side * gain + of_seed[side, seed]) for seed in range(seeds)]
        for side in (0, 1)
    ]


class Tally:
    """Counts how often intervals hold a value, and adds up their widths."""

    def __init__(self, columns: int) -> None:
        self.hits, self.widths, self.number = np.zeros(columns), np.zeros(columns), 0
        self._place = 0

    def add(self, *pairs: tuple[Interval | None, float]) -> None:
        """Add the next columns of a simulation."""
        for interval, value in pairs:
            self.hits[self._place] += holds(interval, value)
            self.widths[self._place] += interval.high - interval.low if interval else 0
            self._place += 1
            if self._place == len(self.hits):
                self._place, self.number = 0, self.number + 1

    def cells(self) -> list[str]:
        """Return coverage in percent and mean width of each column."""
        pairs = zip(self.hits, self.widths, strict=True)
        return [f"{100 * hit / self.number:.0f} ({wide / self.number:.2f})" for hit, wide in pairs]


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--simulations", type=int, default=300, help="Test sets a line.")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    began = time.perf_counter()
    truth = true_scores(args.seed)
    score, gain = "mIoU", "B - A"
    kinds = ("t, images", "percentiles, scenes", "t, scenes")
    print_row("scenes x tiles", "tiles of a scene", *(f"{what}: {kind}" for what in (score, gain) for kind in kinds))
    print_row(*["---"] * 8)
    for scenes, tiles, alike in [(40, 10, False), (40, 10, True), (16, 25, True), (8, 50, True), (4, 100, True)]:
        print_row(*measure(args, truth, scenes, tiles, alike))
    print()
    print_row("scenes", "seeds", *(f"{what}: {kind}" for what in (score, gain) for kind in ("percentiles", "t")))
    print_row(*["---"] * 6)
    for scenes, seeds in [(40, 5), (40, 3), (40, 2), (8, 3), (4, 3), (4, 2)]:
        print_row(*measure_seeds(args, truth, scenes, seeds))
    print(f"\nmIoU {truth[0]:.2f} (A) and {truth[1]:.2f} (B)")
    print(f"{args.simulations} simulations a line, {time.perf_counter() - began:.0f} s")


def print_row(*cells: str) -> None:
    """Print a row of a table in Markdown."""
    print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
