"""Records of training runs, whichever program logged them: facts of the configuration, and curves."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from rs_adapt.audit.verify.config_tree import Facts
from rs_adapt.runs.records import CellNames


@dataclass(frozen=True, kw_only=True)
class TrainLine:
    """One line of a training log.

    Attributes:
        iteration: The number of iterations done, from 1.
        lr: The learning rate of that iteration; None if the line has none.
        loss: The loss, smoothed as the log does; None if the line has none.
    """

    iteration: int
    lr: float | None
    loss: float | None


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Scores of the target during training, in percent.

    Attributes:
        iteration: The number of iterations done.
        miou_pct: Mean IoU, or of other tasks their score.
        iou_pct: IoU by class, empty if not known; NaN for an absent class.
    """

    iteration: int
    miou_pct: float
    iou_pct: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Record:
    """A training run.

    Attributes:
        name: The run's name in a sentence.
        facts: Values of its configuration, under the keys of a resolved configuration; None if unknown.
        others: Further values of its configuration, by their own paths.
        ours: Whether rs-adapt wrote it; the paths in `others` of two such records are comparable.
        mmcv: Whether mmcv wrote it; its polynomial learning rate reaches its end one iteration later.
        train: The training lines, oldest first.
        evaluations: The evaluations, oldest first.
        lr_digits: Decimals of the mantissa of printed learning rates; None for full precision.
        loss_window: The iterations that each logged loss is averaged over, in words.
        last_pct: The score of the last weights, if scored apart from `evaluations`.
        best_given: The score and iteration of the best evaluation, if a result states it.
        tested_apart: Whether `last_pct` is on test tiles and `evaluations` on validation tiles.
        interval_pct: The bootstrap interval of the result `interval_of_pct`.
        interval_of_pct: The score of the result, whichever checkpoint that is.
        score_title: The name of the score.
        cell: The names of the cell; None for a foreign log.
        remarks: Notes for the reader.
        contradictions: Scores of a result that its matrices do not give, as sentences.
    """

    name: str
    facts: Facts | None = None
    others: Facts = field(default_factory=dict)
    ours: bool = False
    mmcv: bool = False
    train: tuple[TrainLine, ...] = ()
    evaluations: tuple[Evaluation, ...] = ()
    lr_digits: int | None = None
    loss_window: str = "not known"
    last_pct: float | None = None
    best_given: tuple[float, int] | None = None
    tested_apart: bool = False
    interval_pct: tuple[float, float] | None = None
    interval_of_pct: float | None = None
    score_title: str = "mIoU"
    cell: CellNames | None = None
    remarks: tuple[str, ...] = ()
    contradictions: tuple[str, ...] = ()

    @property
    def last(self) -> tuple[float, int | None] | None:
        """Score of the last weights and their iteration; None if it was never scored."""
        iteration = self.evaluations[-1].iteration if self.evaluations else None
        if self.last_pct is not None:
            return self.last_pct, self.train[-1].iteration if self.train else iteration
        return (self.evaluations[-1].miou_pct, iteration) if self.evaluations else None

    @property
    def best(self) -> tuple[float, int] | None:
        """Score and iteration of the best evaluation, chosen by the target's labels; None if there is none."""
        if self.best_given or not self.evaluations:
            return self.best_given
        # Not a number is larger than nothing and smaller than nothing.
        scores = [one for one in self.evaluations if not math.isnan(one.miou_pct)] or self.evaluations
        best = max(scores, key=lambda evaluation: evaluation.miou_pct)
        return best.miou_pct, best.iteration
