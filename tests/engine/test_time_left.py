from __future__ import annotations

import io

import pytest
from rich.console import Console

from rs_adapt.engine import progress, time_left
from rs_adapt.engine.progress import TrainingProgress
from rs_adapt.engine.time_left import TimeLeft, format_seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the seconds that have passed, to be changed by the test."""
    now = [0.0]
    for module in (time_left, progress):
        monkeypatch.setattr(module.time, "perf_counter", lambda: now[0])
    return now


# 10 iterations of 2 s, evaluations of 3 batches of 1 s after 4, 8 and 10, and 5 batches at the end.
EVALUATED = (4, 8, 10)


def test_what_is_left_holds_at_every_step(clock: list[float]) -> None:
    left = TimeLeft(first=0, iters=10, eval_every=4, batches=3, final_batches=5)
    assert left.seconds() is None
    whole_s = 10 * 2.0 + 3 * 3 * 1.0 + 5 * 1.0
    for iteration in range(1, 11):
        clock[0] += 2
        left.add_iteration(iteration)
        # A batch counts as half an iteration, one second, before the first is scored.
        assert left.seconds() == pytest.approx(whole_s - clock[0])
        if iteration in EVALUATED:
            for batch in (1, 2, 3):
                clock[0] += 1
                left.add_batch(batch)
                assert left.seconds() == pytest.approx(whole_s - clock[0])
            left.end_evaluation()
    assert left.seconds() == pytest.approx(5.0)


def test_a_resumed_run_counts_what_is_left_of_it(clock: list[float]) -> None:
    left = TimeLeft(first=8, iters=10, eval_every=4, batches=3, final_batches=0)
    # The evaluation that an interruption cut off is repeated first.
    for batch in (1, 2, 3):
        clock[0] += 1
        left.add_batch(batch)
    left.end_evaluation()
    clock[0] += 2
    left.add_iteration(9)
    assert left.seconds() == pytest.approx(2.0 + 3.0)


def test_durations_are_rounded_up() -> None:
    assert [format_seconds(value) for value in (None, 0.0, 41.2, 3661.0)] == [
        "-:--:--",
        "0:00:00",
        "0:00:42",
        "1:01:01",
    ]


def train(display: TrainingProgress, clock: list[float], *, iters: int, eval_every: int, batch_s: float) -> None:
    display.start(iteration=0, max_iters=iters)
    display.plan_scoring(eval_every=eval_every, batches=4, final_batches=0)
    for iteration in range(1, iters + 1):
        clock[0] += 1
        display.show_iteration(iteration, loss=0.5, lr=1e-3)
        if iteration % eval_every == 0 or iteration == iters:
            for batch in range(1, 5):
                clock[0] += batch_s
                display.show_scoring(batch, 4)
            display.show_evaluation(iteration, {"miou_pct": 50.0}, loss=0.5)
    display.close()


def test_a_log_has_a_line_for_each_tenth(clock: list[float]) -> None:
    console = Console(file=io.StringIO(), width=160)
    train(TrainingProgress(console, "cell"), clock, iters=100, eval_every=50, batch_s=1)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert [line.split(" ")[1] for line in lines] == [f"{tenth}0/100" for tenth in range(1, 11)]
    assert lines[0] == "cell: 10/100 iterations, loss 0.500, 0:01:34 left"
    assert lines[4] == "cell: 50/100 iterations, loss 0.500, mIoU 50.00 %"
    # 40 iterations and an evaluation.
    assert lines[5].endswith("0:00:44 left")


def test_a_log_of_a_short_run_has_its_evaluations_only(clock: list[float]) -> None:
    console = Console(file=io.StringIO(), width=160)
    train(TrainingProgress(console, "cell"), clock, iters=10, eval_every=5, batch_s=1)
    assert len(console.file.getvalue().splitlines()) == 2  # type: ignore[attr-defined]


def test_slow_scoring_is_reported(clock: list[float]) -> None:
    console = Console(file=io.StringIO(), width=160)
    train(TrainingProgress(console, "cell"), clock, iters=2, eval_every=2, batch_s=8)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert lines[0] == "cell: scoring 3/4, 0:00:08 left"


def test_a_terminal_shows_the_batches_that_are_scored() -> None:
    console = Console(file=io.StringIO(), width=160, force_terminal=True)
    display = TrainingProgress(console, "cell")
    display.start(iteration=0, max_iters=2)
    display.plan_scoring(eval_every=2, batches=12, final_batches=0)
    display.show_iteration(1, loss=0.5, lr=1e-3)
    display.show_iteration(2, loss=0.5, lr=1e-3)
    display.show_scoring(7, 12)
    display.close()
    assert "scoring 7/12" in console.file.getvalue()  # type: ignore[attr-defined]
