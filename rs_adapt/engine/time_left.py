"""Time that a run still takes: iterations, evaluations and the final scores, each at its own measured speed."""

from __future__ import annotations

import math
import time


class TimeLeft:
    """An estimate of the seconds that are left.

    A batch that has not been scored yet is taken to need half an iteration.

    Args:
        first: Iterations done at the start, which is not 0 for a resumed run.
        iters: Iterations in all.
        eval_every: Iterations between evaluations; 0 for none.
        batches: Batches of an evaluation.
        final_batches: Batches that are scored after the training.
    """

    def __init__(self, *, first: int, iters: int, eval_every: int, batches: int, final_batches: int) -> None:
        self._first, self._done, self._iters = first, first, iters
        self._eval_every, self._batches, self._final = eval_every, batches, final_batches
        self._batch = 0
        self._train_s = self._score_s = 0.0
        self._scored = 0
        self._last_s = time.perf_counter()

    @property
    def iteration_s(self) -> float | None:
        """Mean seconds of an iteration, without those of evaluations; None before the first."""
        return self._train_s / (self._done - self._first) if self._done > self._first else None

    def add_iteration(self, iteration: int) -> None:
        """Count the time since the last event as that of a training iteration."""
        self._train_s += self._lap()
        self._done, self._batch = iteration, 0

    def add_batch(self, batch: int) -> None:
        """Count the time since the last event as that of a batch of an evaluation, counted from 1."""
        self._score_s += self._lap()
        self._scored += 1
        self._batch = batch

    def end_evaluation(self) -> None:
        """Count the time since the last event as that of the evaluation, which is complete."""
        self._score_s += self._lap()
        self._batch = self._batches

    def seconds(self) -> float | None:
        """Return the seconds left; None before the first iteration."""
        if self.iteration_s is None:
            return None
        batch_s = self._score_s / self._scored if self._scored else self.iteration_s / 2
        return (self._iters - self._done) * self.iteration_s + self._batches_left() * batch_s

    def _batches_left(self) -> int:
        if not self._eval_every:
            return self._final
        later = 0
        if self._done < self._iters:
            # The last one is at the end, also between two others.
            later = math.ceil(self._iters / self._eval_every) - self._done // self._eval_every
        is_due = self._done > self._first and (self._done % self._eval_every == 0 or self._done == self._iters)
        return later * self._batches + (self._batches - self._batch if is_due else 0) + self._final

    def _lap(self) -> float:
        now_s = time.perf_counter()
        lap_s, self._last_s = now_s - self._last_s, now_s
        return lap_s


def format_seconds(seconds: float | None) -> str:
    """Return a duration as `0:00:42`; `-:--:--` where it is not known."""
    if seconds is None:
        return "-:--:--"
    whole = math.ceil(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
