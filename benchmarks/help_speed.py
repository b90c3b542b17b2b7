"""Time of `rs-adapt --help` against a bare `import typer`, in fresh processes that take turns.

    python benchmarks/help_speed.py [ROUNDS]

Prints the median of each in milliseconds, and the ratio of the medians.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

COMMANDS = {"import typer": ["-c", "import typer"], "rs-adapt --help": ["-m", "rs_adapt", "--help"]}


def main() -> None:
    """Measure and print."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 21
    times_ms: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for number in range(rounds + 1):
        for name, arguments in COMMANDS.items():
            start_s = time.perf_counter()
            subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True)
            # The first round fills the caches of files and bytecode.
            if number:
                times_ms[name].append(1000 * (time.perf_counter() - start_s))
    medians_ms = {name: statistics.median(values) for name, values in times_ms.items()}
    for name, median_ms in medians_ms.items():
        print(f"{name}: {median_ms:.0f} ms (median of {rounds})")
    print(f"ratio: {medians_ms['rs-adapt --help'] / medians_ms['import typer']:.2f}")


if __name__ == "__main__":
    main()
