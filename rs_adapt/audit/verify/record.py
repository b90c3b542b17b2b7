"""What is known of a training run, whatever wrote it down: facts of its configuration, and its curves."""

from __future__ import annotations

from dataclasses import dataclass, field

from rs_adapt.audit.verify.config_tree import Facts


@dataclass(frozen=True, kw_only=True)
class TrainLine:
    """One line of a training log.

    Attributes:
        iteration: Iterations done, from 1.
        lr: Learning rate of that iteration; None where the line has none.
        loss: As the log smooths it; None where the line has none.
    """

    iteration: int
    lr: float | None
    loss: float | None


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Scores of the target during training, in percent.

    Attributes:
        iteration: Iterations done.
        miou_pct: Mean IoU.
        iou_pct: By class, empty where it is not known; NaN for a class that is absent.
    """

    iteration: int
    miou_pct: float
    iou_pct: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Record:
    """A training run.

    Attributes:
        name: How it is called in a sentence.
        facts: What is known of its configuration, under the keys of a resolved configuration of ours; None if nothing.
        others: Values of the configuration that are under no such key, by their own path.
        ours: Whether rs-adapt wrote it, so that `others` of two records have the same paths.
        train: Training lines, oldest first.
        evaluations: Oldest first.
        lr_digits: Decimals of the mantissa with which learning rates are printed; None for full precision.
        loss_window: What a loss is a mean of.
        last_pct: The mIoU of the last weights where it was scored apart from `evaluations`.
        best_given: The mIoU and iteration of the best evaluation where a result says it, which `evaluations` may lack.
        tested_apart: Whether `last_pct` is of other tiles (test) than `evaluations` (validation).
        interval_pct: Bootstrap interval of the run's result, which is `interval_of_pct`.
        interval_of_pct: The mIoU of the result, whichever checkpoint that is.
        cell: Names of the cell, for a run of ours.
        remarks: What a reader should know about the record.
    """

    name: str
    facts: Facts | None = None
    others: Facts = field(default_factory=dict)
    ours: bool = False
    train: tuple[TrainLine, ...] = ()
    evaluations: tuple[Evaluation, ...] = ()
    lr_digits: int | None = None
    loss_window: str = "not known"
    last_pct: float | None = None
    best_given: tuple[float, int] | None = None
    tested_apart: bool = False
    interval_pct: tuple[float, float] | None = None
    interval_of_pct: float | None = None
    cell: Facts | None = None
    remarks: tuple[str, ...] = ()

    @property
    def last(self) -> tuple[float, int | None] | None:
        """MIoU of the last weights and their iteration; None if it was never scored."""
        iteration = self.evaluations[-1].iteration if self.evaluations else None
        if self.last_pct is not None:
            return self.last_pct, self.train[-1].iteration if self.train else iteration
        return (self.evaluations[-1].miou_pct, iteration) if self.evaluations else None

    @property
    def best(self) -> tuple[float, int] | None:
        """MIoU and iteration of the best evaluation, which the target's labels chose; None if there is none."""
        if self.best_given or not self.evaluations:
            return self.best_given
        one = max(self.evaluations, key=lambda evaluation: evaluation.miou_pct)
        return one.miou_pct, one.iteration
