"""Times of jobs that take turns, so that a slow moment of the machine affects all of them and not just one."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rs_adapt.progress import OnProgress, no_progress


def _do_nothing() -> None:
    pass


@dataclass(frozen=True, kw_only=True)
class TimedJob:
    """A function to time.

    Attributes:
        name: Name of the job, unique among those timed together.
        prepare: Called with the number of the round (from 0) before each run; not timed.
        run: The function that is timed.
    """

    name: str
    prepare: Callable[[int], None]
    run: Callable[[], object]


def take_turns(
    jobs: Sequence[TimedJob],
    *,
    rounds: int,
    warmup: int = 0,
    clock: Callable[[], float] = time.perf_counter,
    settle: Callable[[], None] = _do_nothing,
    stage: str = "rounds",
    on_progress: OnProgress = no_progress,
) -> dict[str, list[float]]:
    """Run every job once per round and return the time of each run.

    Every second round runs the jobs in reverse order, and after two rounds the next job is first: a machine that slows
    down evenly then costs all jobs the same, and no job always follows the same other job.

    Args:
        jobs: The jobs, at least one.
        rounds: Number of rounds that are timed.
        warmup: Number of rounds before them that are run and not timed.
        clock: Clock in seconds, read right before and after each run.
        settle: Called before each reading of the clock, to wait for work that continues beside the program (a GPU's).
        stage: Name of the work in progress reports.
        on_progress: Called after each round, warm-up included.

    Returns:
        Seconds by name of the job, one for each of the `rounds` in order.
    """
    seconds: dict[str, list[float]] = {job.name: [] for job in jobs}
    for number in range(warmup + rounds):
        shift = number // 2 % len(jobs)
        order = [*jobs[shift:], *jobs[:shift]]
        for job in order if number % 2 == 0 else reversed(order):
            job.prepare(number)
            settle()
            start_s = clock()
            job.run()
            settle()
            duration_s = clock() - start_s
            if number >= warmup:
                seconds[job.name].append(duration_s)
        on_progress(stage, number + 1, warmup + rounds)
    return seconds
