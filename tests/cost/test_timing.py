"""Turns with a clock that the jobs themselves move: every time is known."""

from __future__ import annotations

import pytest

from rs_adapt.cost.timing import TimedJob, take_turns


class Clock:
    """Seconds that pass only when somebody lets them pass."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def jobs_of(costs_s: dict[str, float], clock: Clock, log: list[str], *, slower_s: float = 0.0) -> list[TimedJob]:
    """Return jobs that take their seconds, and `slower_s` more for each run that any job had before."""

    def job(name: str, cost_s: float) -> TimedJob:
        def run() -> None:
            clock.now_s += cost_s + slower_s * len(log)
            log.append(name)

        return TimedJob(name=name, prepare=lambda number: setattr(clock, "now_s", clock.now_s + 100.0), run=run)

    return [job(name, cost_s) for name, cost_s in costs_s.items()]


def test_each_job_gets_its_own_time_and_preparing_costs_nothing() -> None:
    clock = Clock()
    times = take_turns(jobs_of({"a": 1.0, "b": 5.0}, clock, []), rounds=3, warmup=2, clock=clock)
    assert times == {"a": pytest.approx([1.0] * 3), "b": pytest.approx([5.0] * 3)}


def test_every_round_runs_every_job_once_in_changing_order() -> None:
    clock, log = Clock(), list[str]()
    names = "abc"
    take_turns(jobs_of(dict.fromkeys(names, 1.0), clock, log), rounds=5, warmup=1, clock=clock)
    rounds = ["".join(log[start : start + 3]) for start in range(0, len(log), 3)]
    assert rounds == ["abc", "cba", "bca", "acb", "cab", "bac"]
    for place in range(3):
        assert sorted(order[place] for order in rounds) == sorted(names * 2)


def test_a_machine_that_slows_down_evenly_costs_all_jobs_the_same() -> None:
    clock = Clock()
    times = take_turns(jobs_of(dict.fromkeys("abcd", 1.0), clock, [], slower_s=0.25), rounds=6, clock=clock)
    sums = {name: sum(seconds) for name, seconds in times.items()}
    assert len(set(sums.values())) == 1
    # And it did slow down.
    assert times["a"][-1] > 2 * times["a"][0]


def test_asynchronous_work_is_awaited_before_both_readings() -> None:
    clock, pending_s = Clock(), [0.0]

    def settle() -> None:
        clock.now_s += pending_s[0]
        pending_s[0] = 0.0

    launch = TimedJob(
        name="gpu", prepare=lambda number: pending_s.append(0.0), run=lambda: pending_s.__setitem__(0, 7.0)
    )
    idle = TimedJob(name="idle", prepare=lambda number: pending_s.__setitem__(0, 3.0), run=lambda: None)
    times = take_turns([launch, idle], rounds=2, clock=clock, settle=settle)
    assert times == {"gpu": [7.0, 7.0], "idle": [0.0, 0.0]}


def test_rounds_are_reported_with_the_warm_up_and_numbered_from_0() -> None:
    seen: list[tuple[int, int]] = []
    numbers: list[int] = []
    job = TimedJob(name="a", prepare=numbers.append, run=lambda: None)
    take_turns([job], rounds=2, warmup=1, on_progress=lambda stage, done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert numbers == [0, 1, 2]
