"""Time of a training iteration by the number of threads: what `rs-adapt sweep` gives a cell on a CPU.

    python benchmarks/threads.py --backbones dinov2-nano dinov2-s dinov2-b --threads 1 2 --repeats 3

Each measurement is a real run of the synthetic bench in a process of its own (`rs_adapt.sweeps.probe`: four iterations,
the median of the last three), in turns over the numbers of threads, so that the load of the machine hits all alike.
Printed are the median seconds of an iteration, and the load of the machine before each turn.
"""

from __future__ import annotations

import argparse
import os
import statistics

from rs_adapt.config import resolve_cell
from rs_adapt.sweeps.probe import Measured, probe


def main() -> None:
    """Measure and print one line a backbone and number of threads."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", default="synthetic-dg")
    parser.add_argument("--backbones", nargs="+", default=["dinov2-nano", "dinov2-s", "dinov2-b"])
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    for backbone in options.backbones:
        cell = resolve_cell(options.bench, backbone=backbone)
        weights = None if "nano" in backbone else "random"
        seconds: dict[int, list[float]] = {count: [] for count in options.threads}
        loads = []
        for _ in range(options.repeats):
            loads.append(os.getloadavg()[0])
            for count in options.threads:
                env = os.environ | {"OMP_NUM_THREADS": str(count)}
                outcome = probe(cell, overrides=(), data_root=None, weights=weights, env=env)
                if not isinstance(outcome, Measured):
                    raise SystemExit(f"{backbone}, {count} threads: {outcome}")
                seconds[count].append(outcome.iter_s)
        for count, values in seconds.items():
            print(
                f"{backbone} {count} threads: {statistics.median(values):.3f} s "
                f"({min(values):.3f} to {max(values):.3f}), load {min(loads):.0f} to {max(loads):.0f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
