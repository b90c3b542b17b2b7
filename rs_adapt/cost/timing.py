"""Times of jobs that take turns, so that a slow moment of the machine falls on all of them and not on one."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rs_adapt.progress import OnProgress, no_progress


def _nothing() -> None:
    pass


@dataclass(frozen=True, kw_only=True)
class Job:
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
    jobs: Sequence[Job],
    *,
    rounds: int,
    warmup: int = 0,
    clock: Callable[[], float] = time.perf_counter,
    settle: Callable[[], None] = _nothing,
    stage: str = "rounds",
    on_progress: OnProgress = no_progress,
) -> dict[str, list[float]]:
    """Run every job once per round and return the time of each run.

    Every second round goes through the jobs backwards, and the first place moves on by one job after two rounds: a
    machine that slows down evenly then costs all jobs the same, and no job always follows the same other job.

    Args:
        jobs: The jobs, at least one.
        rounds: Number of rounds that are timed.
        warmup: Number of rounds before them that are run and not timed.
        clock: Clock in seconds, read right before and after each run.
        settle: Called before each reading of the clock, to wait for work that continues beside the program (a GPU's).
        stage: Name of the work in progress reports.
        on_progress: Called after each round, those of the warm-up included.

    Returns:
        Seconds by name of the job, one for each of the `rounds` in order.
    """
    seconds: dict[str, list[float]] = {job.name: [] for job in jobs}
    for number in range(warmup + rounds):
        first = number // 2 % len(jobs)
        order = [*jobs[first:], *jobs[:first]]
        for job in order if number % 2 == 0 else reversed(order):
            job.prepare(number)
            settle()
            began = clock()
            job.run()
            settle()
            spent = clock() - began
            if number >= warmup:
                seconds[job.name].append(spent)
        on_progress(stage, number + 1, warmup + rounds)
    return seconds
