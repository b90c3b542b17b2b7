"""Training steps of a small model by the number of threads, and by how they wait for each other.

    python benchmarks/waiting_threads.py --at-once 1 2 --steps 10

Processes train the nano backbone on a CPU, alone or side by side, with the threads of torch that `OMP_NUM_THREADS`
sets, which spin (torch's default) or sleep (`OMP_WAIT_POLICY=PASSIVE`, as `rs-adapt` sets it) while they wait. A few
steps of each come first. Printed are wall and CPU seconds of a step, medians over all processes, and whether the losses
of all forms with one number of threads are equal in all digits.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from typing import Any

WARMUP_STEPS = 2
FORMS = [(1, ""), (1, "PASSIVE"), (2, "PASSIVE"), (2, "")]


def _measure(case: str, steps: int) -> dict[str, Any]:
    """Train in this process."""
    from recomputed_blocks import Step

    step = Step(case, "normal", 2)
    wall_s, cpu_s, losses = [], [], []
    for _ in range(steps + WARMUP_STEPS):
        began = time.perf_counter(), time.process_time()
        losses.append(step.run())
        wall_s.append(time.perf_counter() - began[0])
        cpu_s.append(time.process_time() - began[1])
    return {"wall_s": wall_s[WARMUP_STEPS:], "cpu_s": cpu_s[WARMUP_STEPS:], "losses": losses}


def main() -> None:
    """Print one line a form, or the JSON of one process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", default="nano-128")
    parser.add_argument("--at-once", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        print(json.dumps(_measure(args.case, args.steps)))
        return
    losses: dict[int, list[Any]] = {}
    for at_once in args.at_once:
        for threads, policy in FORMS:
            env = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
            env |= {"OMP_NUM_THREADS": str(threads)} | ({"OMP_WAIT_POLICY": policy} if policy else {})
            command = [sys.executable, __file__, "--child", "--case", args.case, "--steps", str(args.steps)]
            load = os.getloadavg()[0]
            children = [subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) for _ in range(at_once)]
            runs = [json.loads(child.communicate()[0].splitlines()[-1]) for child in children]
            losses.setdefault(threads, []).extend(run["losses"] for run in runs)
            wall, cpu = ([value for run in runs for value in run[key]] for key in ("wall_s", "cpu_s"))
            print(
                f"{at_once} at once, {threads} threads, {'sleep' if policy else 'spin'}: wall "
                f"{statistics.median(wall):.2f} s ({min(wall):.2f} to {max(wall):.2f}), CPU "
                f"{statistics.median(cpu):.3f} s, load {load:.0f}",
                flush=True,
            )
    for threads, of_threads in losses.items():
        print(f"{threads} threads: losses {'equal' if all(of == of_threads[0] for of in of_threads) else 'DIFFERENT'}")
    if len(losses) > 1:
        same = losses[1][0] == losses[2][0]
        print(f"1 and 2 threads: losses {'equal' if same else 'differ in the last digits'}")


if __name__ == "__main__":
    main()
