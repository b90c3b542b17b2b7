"""The measures that a task is judged by, from the sums of confusion matrices. Pure numpy.

Segmentation is judged by the mean IoU, classification by its accuracy, and base-to-novel by the harmonic mean of the
accuracy of base classes among base classes and that of novel ones among novel ones. All three need the same sums of
each class (`resampling.sums_of`), so intervals, paired differences and rankings are one code. B matrices, K classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rs_adapt.config.class_means import HIOU
from rs_adapt.scores.means import SeenUnseen
from rs_adapt.scores.resampling import iou_of_sums, mean_iou, sums_of

MeasureName = Literal["miou", "accuracy", "harmonic_mean"]
_TITLES: dict[MeasureName, str] = {"miou": "mIoU", "accuracy": "accuracy", "harmonic_mean": "harmonic mean"}


@dataclass(frozen=True, kw_only=True)
class MeasuredClasses:
    """The scores of one matrix: the means by name, such as `accuracy_pct`, and by class; percent, NaN without value."""

    means: dict[str, float]
    by_class: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A measure.

    Args:
        name: `miou`, `accuracy` or `harmonic_mean`.
        base: Of the harmonic mean, the indices of the base classes.
        unseen: Of an open vocabulary, the indices of the classes without labels in training: `miou` is then hIoU, the
            harmonic mean of the mIoU of the other classes and of theirs.
    """

    name: MeasureName
    base: tuple[int, ...] = ()
    unseen: tuple[int, ...] = ()

    @property
    def key(self) -> str:
        """The name of the score in files: `miou_pct`, `accuracy_pct` or `harmonic_mean_pct`."""
        return f"{self.name}_pct"

    @property
    def class_key(self) -> str:
        """The name of the table of scores by class in files."""
        return "iou_pct" if self.name == "miou" else "acc_pct"

    @property
    def title(self) -> str:
        """The name of the score for people."""
        return HIOU if self.unseen else _TITLES[self.name]

    @property
    def class_title(self) -> str:
        """The name of the score of a class for people."""
        return "IoU" if self.name == "miou" else "accuracy"

    def by_class(self, sums_B3K: NDArray[np.float64], zero_K: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
        """Return the score of each class in percent, (B, K); NaN where a class has no value.

        Args:
            sums_B3K: Sums of `sums_of`.
            zero_K: See `iou_of_sums`; of no meaning for accuracy.
        """
        return iou_of_sums(sums_B3K, zero_K) if self.name == "miou" else _share(sums_B3K[:, 0], sums_B3K[:, 1])

    def mean_over(self, scored: tuple[int, ...]) -> tuple[int, ...] | SeenUnseen:
        """Return what a mean over the scored classes is over: seen and unseen ones in equal parts, where some are."""
        if not self.unseen:
            return scored
        return SeenUnseen(
            seen=tuple(index for index in scored if index not in self.unseen),
            unseen=tuple(index for index in scored if index in self.unseen),
        )

    def overall(
        self,
        sums_B3K: NDArray[np.float64],
        scored: Sequence[int] | None = None,
        zero_K: NDArray[np.bool_] | None = None,
    ) -> NDArray[np.float64]:
        """Return the score in percent, (B,); NaN where there is none.

        Args:
            sums_B3K: Sums of `sums_of`.
            scored: Indices of the classes that count; None for all.
            zero_K: See `by_class`.
        """
        every = tuple(range(sums_B3K.shape[2]) if scored is None else scored)
        if self.name == "miou":
            return mean_iou(iou_of_sums(sums_B3K, zero_K), self.mean_over(every))
        if self.name == "accuracy":
            return _accuracy(sums_B3K, every)
        base_B, novel_B = self._sides(sums_B3K, every)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean_B = 2 * base_B * novel_B / (base_B + novel_B)
        # Two accuracies of 0 have a harmonic mean of 0.
        return np.where(base_B + novel_B == 0, 0.0, mean_B)

    def scores(
        self, total_KK: NDArray[Any], classes: Sequence[str], scored: Sequence[int] | None = None
    ) -> MeasuredClasses:
        """Return the scores of accuracy or harmonic mean of a matrix.

        Args:
            total_KK: Counts of images, row = truth, column = prediction.
            classes: K names.
            scored: Indices of the classes that count; None for all.
        """
        sums_13K = sums_of(total_KK[None])
        every = list(range(len(classes)) if scored is None else scored)
        means = {"accuracy_pct": float(_accuracy(sums_13K, every)[0])}
        if self.name == "harmonic_mean":
            base_1, novel_1 = self._sides(sums_13K, every)
            sides = {"base_pct": float(base_1[0]), "novel_pct": float(novel_1[0])}
            means = {"harmonic_mean_pct": float(self.overall(sums_13K, scored)[0]), **sides, **means}
        by_class = dict(zip(classes, self.by_class(sums_13K)[0].tolist(), strict=True))
        return MeasuredClasses(means=means, by_class=by_class)

    def facts(self, classes: Sequence[str]) -> dict[str, object]:
        """Return what files of matrices state of the measure; nothing for segmentation's."""
        if self.name == "miou":
            return {}
        base = [classes[index] for index in self.base]
        return {"measure": {"name": self.name, **({"base": base} if self.base else {})}}

    def _sides(
        self, sums_B3K: NDArray[np.float64], scored: Sequence[int]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        base = [index for index in scored if index in self.base]
        return _accuracy(sums_B3K, base), _accuracy(sums_B3K, [index for index in scored if index not in self.base])


MIOU = Measure(name="miou")


def accuracy_measure(base: Sequence[int] | None) -> Measure:
    """Return the measure of a classification: the harmonic mean where there are base classes, else accuracy."""
    return Measure(name="accuracy") if base is None else Measure(name="harmonic_mean", base=tuple(base))


def stated_measure(facts: Mapping[str, Any], classes: Sequence[str]) -> Measure:
    """Return the measure that a file of matrices states; that of segmentation where it states none that can be read."""
    stated = facts.get("measure")
    name = stated.get("name") if isinstance(stated, dict) else None
    if name == "accuracy":
        return Measure(name="accuracy")
    if name == "harmonic_mean":
        base = stated.get("base") if isinstance(stated, dict) else None
        return Measure(name="harmonic_mean", base=tuple(k for k, one in enumerate(classes) if one in (base or ())))
    return MIOU


def rename_keys(content: Any, measure: Measure) -> Any:
    """Return JSON content in which the keys of segmentation's scores have the names of a measure, at any depth."""
    if measure.name == "miou":
        return content
    names = {"miou_pct": measure.key, "iou_pct": measure.class_key, "miou": measure.name}
    if isinstance(content, dict):
        return {names.get(key, key): rename_keys(value, measure) for key, value in content.items()}
    return [rename_keys(value, measure) for value in content] if isinstance(content, list) else content


def _accuracy(sums_B3K: NDArray[np.float64], classes: Sequence[int]) -> NDArray[np.float64]:
    part_B3K = sums_B3K[:, :, list(classes)]
    return _share(part_B3K[:, 0].sum(axis=1), part_B3K[:, 1].sum(axis=1))


def _share(hit: NDArray[np.float64], truth: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(truth > 0, 100.0 * hit / truth, np.nan)
