"""How often `rs-adapt report` prints one of two methods bold that are equally good.

    python benchmarks/bold_rule.py [--simulations 200] [--seed 0]

Two methods of two classes are scored on the same 40 scenes. A scene is hard or easy for both (standard deviation 8
points of the share of right pixels), and each run differs from that by itself (4). Each seed of a method is better or
worse everywhere: by nothing in the first line of a number of seeds, in the second with a standard deviation of 1 point,
about 1.2 points of mIoU. Neither method is better than the other, so that every bold number is wrong. The standard
error of a share of 5 % over 200 simulations is 1.5 points.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rs_adapt.runs.run import Run
from rs_adapt.scores.class_sets import class_set
from rs_adapt.scores.columns import Column, Row
from rs_adapt.scores.groups import Group, RunScore
from rs_adapt.scores.per_image import PerImage
from rs_adapt.scores.ranking import rank
from rs_adapt.scores.resampling import miou_of

SCENES, SCENE_SPREAD, RUN_SPREAD = 40, 8.0, 4.0
MEAN_RIGHT = 70.0
CLASSES = ("a", "b")
COLUMN = Column(setting="dg", facts=(), bench="drawn", split="test", seen="")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--simulations", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    start_s = time.perf_counter()
    print("| seeds | spread of the seeds, mIoU | bold, % |\n|---|---|---|")
    for seeds in (1, 2, 3, 5):
        for spread in (0.0, 1.0):
            rng = np.random.default_rng(args.seed)
            bold = sum(rank(draw(rng, seeds, spread)).best is not None for _ in range(args.simulations))
            print(f"| {seeds} | {1.2 * spread:.1f} | {100 * bold / args.simulations:.0f} |", flush=True)
    print(f"\n{args.simulations} simulations a line, seed {args.seed}, {time.perf_counter() - start_s:.0f} s")


def draw(rng: np.random.Generator, seeds: int, spread: float) -> list[Group]:
    """Return two methods with their seeds, scored on new scenes."""
    hard_S = MEAN_RIGHT + SCENE_SPREAD * rng.standard_normal(SCENES)
    return [
        group(
            name,
            [hard_S + spread * rng.standard_normal() + RUN_SPREAD * rng.standard_normal(SCENES) for _ in range(seeds)],
        )
        for name in ("first", "second")
    ]


def group(name: str, runs: list[NDArray[np.float64]]) -> Group:
    """Return a method whose runs have so many of 100 pixels of each class right, scene by scene."""
    scores = []
    for right_S in runs:
        hits = np.clip(right_S, 1, 99).round().astype(np.int64)
        tiles = tuple(f"t{number}" for number in range(SCENES))
        stored = PerImage(
            tiles=tiles,
            scenes=tiles,
            cities=("",) * SCENES,
            classes=CLASSES,
            counts_NKK=np.array([[[hit, 100 - hit], [100 - hit, hit]] for hit in hits]),
            facts={"split": "test"},
        )
        scores.append(
            RunScore(
                run=Run(folder=Path(name), status="finished"),
                column=COLUMN,
                selection="last",
                miou_pct=float(miou_of(stored.total_KK()[None])[0]),
                iou_pct={},
                by_selection={},
                per_image=stored,
                chosen=class_set(CLASSES),
            )
        )
    row = Row(method=name, strategy="", backbone="", head="", tuned=True, overrides=())
    return Group(column=COLUMN, row=row, scores=tuple(scores))


if __name__ == "__main__":
    main()
