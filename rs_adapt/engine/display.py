"""The interface between training and whatever shows it to a person: a terminal, a log, a notebook."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from rs_adapt.runs.records import Health


class TrainingDisplay(Protocol):
    """Shows how training proceeds. `TrainingProgress` is the one of the command line."""

    def start(self, *, iteration: int, max_iters: int) -> None:
        """Begin at an iteration, which is not 0 for a resumed run."""

    def plan_scoring(self, *, eval_every: int, batches: int, final_batches: int) -> None:
        """Expect evaluations, for the time that is left.

        Args:
            eval_every: Iterations between evaluations.
            batches: Batches of an evaluation.
            final_batches: Batches that are scored after the training.
        """

    def show_scoring(self, done: int, total: int) -> None:
        """Show that so many batches of an evaluation are scored."""

    def show_iteration(self, iteration: int, *, loss: float, lr: float) -> None:
        """Show a training iteration.

        Args:
            iteration: Iterations done, from 1.
            loss: Mean loss of the last 20 iterations.
            lr: Learning rate of the first parameter group.
        """

    def show_health(self, health: Health, *, alarm_subjects: frozenset[str]) -> None:
        """Show the health of the pseudo-labels.

        Args:
            health: `health` of a line of `metrics.jsonl`.
            alarm_subjects: What its alarm is about; see `rs_adapt.strategies.health.alarm_subjects`.
        """

    def show_note(self, text: str) -> None:
        """Show a sentence about the training."""

    def show_evaluation(self, iteration: int, scores: Mapping[str, float], *, loss: float | None) -> None:
        """Show the scores of an evaluation.

        Args:
            iteration: Iterations done.
            scores: By name; `miou_pct` of the target, or `source_val/miou_pct` where the target has no labels.
            loss: Mean loss of the last 20 iterations; None before the first iteration of a resumed run.
        """

    def close(self) -> None:
        """Leave the final state on the screen; safe to call twice."""


class NoDisplay:
    """Shows nothing."""

    def start(self, *, iteration: int, max_iters: int) -> None:
        """Do nothing."""

    def plan_scoring(self, *, eval_every: int, batches: int, final_batches: int) -> None:
        """Do nothing."""

    def show_scoring(self, done: int, total: int) -> None:
        """Do nothing."""

    def show_iteration(self, iteration: int, *, loss: float, lr: float) -> None:
        """Do nothing."""

    def show_health(self, health: Health, *, alarm_subjects: frozenset[str]) -> None:
        """Do nothing."""

    def show_note(self, text: str) -> None:
        """Do nothing."""

    def show_evaluation(self, iteration: int, scores: Mapping[str, float], *, loss: float | None) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""
