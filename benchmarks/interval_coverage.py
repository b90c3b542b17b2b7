"""How often intervals of mIoU hold the true value, where the tiles of a scene are alike.

    python benchmarks/interval_coverage.py [--simulations 300] [--seed 0]

A world of scenes is drawn: each scene has its own class shares and, for each class, its own share of pixels that are
recognised (standard deviation 0.7 in logits); tiles of the scene vary a little around both (0.3). Run B recognises a
little more than run A, how much depends on the scene. The truth is taken from 100 000 scenes. Each simulation draws a
test set of S scenes with T tiles each and asks whether the interval over images and that over scenes hold the true
mIoU of A, and the paired ones the true difference. In the first line each tile comes from a scene of its own, so that
what is called a scene is a mere group of tiles. The standard error of a coverage of 95 % over 300 simulations is 1.3
points.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rs_adapt.scores.intervals import bootstrap, paired_difference
from rs_adapt.scores.resampling import miou_of
from rs_adapt.scores.t_interval import Interval

CLASSES = 6
PIXELS = 10_000
SCENE_SPREAD, TILE_SPREAD = 0.7, 0.3
RESAMPLES = 1000
# What B recognises more than A, in logits, and how much that varies from scene to scene.
GAIN, GAIN_SPREAD = 0.1, 0.2
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


def true_scores(seed: int) -> tuple[float, float]:
    """Return the mIoU of A and of B over very many scenes."""
    rng = np.random.default_rng([seed, 0])
    totals = [draw(rng, 1000, 1) for _ in range(100)]
    true_a, true_b = (miou_of(sum(pair[side].sum(axis=(0, 1)) for pair in totals)[None])[0] for side in (0, 1))
    return float(true_a), float(true_b)


def measure(args: argparse.Namespace, truth: tuple[float, float], scenes: int, tiles: int, alike: bool) -> list[str]:
    """Return the cells of one line of the table."""
    rng = np.random.default_rng([args.seed, scenes, tiles, alike])
    true_a, true_b = truth
    hits, widths = np.zeros(4), np.zeros(4)
    for number in range(args.simulations):
        runs = draw(rng, scenes, tiles) if alike else draw(rng, scenes * tiles, 1)
        flat = [run.reshape(-1, CLASSES, CLASSES) for run in runs]
        whole = [run.reshape(scenes, tiles, CLASSES, CLASSES).sum(axis=1) for run in runs]
        found = [
            (bootstrap(flat[0], resamples=RESAMPLES, seed=number).miou, true_a),
            (bootstrap(whole[0], resamples=RESAMPLES, seed=number).miou, true_a),
            (paired_difference(*flat, resamples=RESAMPLES, seed=number).miou.interval, true_b - true_a),
            (paired_difference(*whole, resamples=RESAMPLES, seed=number).miou.interval, true_b - true_a),
        ]
        for place, (interval, value) in enumerate(found):
            hits[place] += holds(interval, value)
            widths[place] += interval.high - interval.low if interval else 0
    shown = [f"{100 * hit / args.simulations:.0f}" for hit in hits]
    wide = [f"{width / args.simulations:.2f}" for width in widths]
    pairs = [f"{hit} ({width})" for hit, width in zip(shown, wide, strict=True)]
    return [f"{scenes} x {tiles}", "alike" if alike else "independent", *pairs]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--simulations", type=int, default=300, help="Test sets a line.")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    began = time.perf_counter()
    head = ["scenes x tiles", "tiles of a scene", "mIoU: images", "mIoU: scenes", "B - A: images", "B - A: scenes"]
    print(f"| {' | '.join(head)} |\n|{'---|' * len(head)}")
    truth = true_scores(args.seed)
    for scenes, tiles, alike in [(40, 10, False), (40, 10, True), (16, 25, True), (8, 50, True), (4, 100, True)]:
        print(f"| {' | '.join(measure(args, truth, scenes, tiles, alike))} |", flush=True)
    print(f"\nmIoU {truth[0]:.2f} (A) and {truth[1]:.2f} (B)")
    print(f"{args.simulations} simulations a line, {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
