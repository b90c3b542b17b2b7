"""The classes in a mean and the pixels that count, as `--classes` and `--ignore` choose them.

The two options differ. A class that `--classes` leaves out is missing from the mean only: its pixels still count as
errors of other classes, whose IoU does not change. Pixels whose truth is a class of `--ignore` count nowhere, as if
they had no label; predictions of that class elsewhere still count as errors.

With an open vocabulary the mean is that of two groups, `SEEN | UNSEEN`: the harmonic mean of their mIoU.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rs_adapt.config.class_means import BETWEEN
from rs_adapt.config.facts import AbsentClasses
from rs_adapt.config.names import normalize, unknown_name_message
from rs_adapt.errors import ConfigError, UnknownName
from rs_adapt.scores.means import SeenUnseen
from rs_adapt.scores.measures import MIOU, Measure
from rs_adapt.scores.resampling import sums_of

# The rule for classes without true pixels of results that state none.
UNSTATED: AbsentClasses = "zero_if_predicted"
_WITHOUT = "no_"


@dataclass(frozen=True, kw_only=True)
class ClassSet:
    """A choice among K classes.

    Args:
        classes: K names in index order.
        scored: Indices of the classes in the mean, in index order; at least one.
        ignored: Indices of the classes whose true pixels do not count.
        absent: What a scored class without true pixels counts: nothing, or 0 if it is predicted, as in mmsegmentation.
        measure: The score over these classes; that of an open vocabulary knows which of them are unseen.
    """

    classes: tuple[str, ...]
    scored: tuple[int, ...]
    ignored: tuple[int, ...] = ()
    absent: AbsentClasses = "left_out"
    measure: Measure = MIOU

    def overall(self, totals_BKK: NDArray[Any]) -> NDArray[np.float64]:
        """Return the score in percent, (B,), of matrices that are each the whole of something."""
        every_K = np.ones(totals_BKK.shape[-1], dtype=np.bool_)
        zero_K = every_K if self.absent == "zero_if_predicted" else None
        return self.measure.overall(sums_of(totals_BKK), self.scored, zero_K)

    def by_class(self, totals_BKK: NDArray[Any]) -> NDArray[np.float64]:
        """Return the score of each class in percent, (B, K), of matrices that are each the whole of something."""
        every_K = np.ones(totals_BKK.shape[-1], dtype=np.bool_)
        return self.measure.by_class(sums_of(totals_BKK), every_K if self.absent == "zero_if_predicted" else None)

    @property
    def mean(self) -> tuple[int, ...] | SeenUnseen:
        """What the mean is over: the scored classes, or seen and unseen ones in equal parts."""
        return self.measure.mean_over(self.scored)

    def of_group(self, group: tuple[int, ...]) -> ClassSet:
        """Return the choice with the plain mean over some of its classes."""
        return replace(self, scored=group, measure=MIOU)

    def on_source(self) -> ClassSet:
        """Return the choice for the region of the training, whose labels of unseen classes no training may look at."""
        return self.of_group(self.seen) if self.unseen else self

    @property
    def mean_name(self) -> str:
        """The name of the mean: mIoU, or hIoU for the harmonic mean of the mIoU of seen and of unseen classes."""
        return self.measure.title

    @property
    def unseen(self) -> tuple[int, ...]:
        """Indices of the scored classes without labels in training, of an open vocabulary; empty elsewhere."""
        return self.measure.unseen

    @property
    def seen(self) -> tuple[int, ...]:
        """Indices of the scored classes with labels in training: all of them without an open vocabulary."""
        return tuple(index for index in self.scored if index not in self.unseen)

    def counted(self, matrices_BKK: NDArray[Any]) -> NDArray[Any]:
        """Return copies of the matrices without the pixels whose truth is ignored."""
        if not self.ignored:
            return matrices_BKK
        counted_BKK = np.array(matrices_BKK)
        counted_BKK[:, list(self.ignored)] = 0
        return counted_BKK

    def scored_names(self) -> list[str]:
        """Return the names of the classes in the mean."""
        return [self.classes[index] for index in self.scored]

    def ignored_names(self) -> list[str]:
        """Return the names of the classes whose true pixels do not count."""
        return [self.classes[index] for index in self.ignored]

    def in_mean(self, total_KK: NDArray[Any]) -> tuple[int, ...]:
        """Return the indices of the scored classes that have a value, so that the mean is over them.

        Args:
            total_KK: Pixel counts of the whole split, row = truth, column = prediction.
        """
        counted_KK = self.counted(total_KK[None])[0]
        has_value_K = counted_KK.sum(axis=1) > 0
        if self.absent == "zero_if_predicted":
            has_value_K |= counted_KK.sum(axis=0) > 0
        return tuple(index for index in self.scored if has_value_K[index])

    def line(self, total_KK: NDArray[Any] | None = None) -> str:
        """Describe the classes in the mean: `all 6 classes`, `4 of 6 classes (no clutter; no true pixels: car)`, ...

        Args:
            total_KK: Pixel counts of the whole split; None describes the choice alone.
        """
        if total_KK is None:
            return self._line(self.scored, ())
        truth_K = self.counted(total_KK[None])[0].sum(axis=1)
        in_mean = self.in_mean(total_KK)
        return self._line(in_mean, [index for index in in_mean if not truth_K[index]])

    def line_of_scores(
        self, iou_pct: Mapping[str, float | None], acc_pct: Mapping[str, float | None] | None = None
    ) -> str:
        """Describe the classes in the mean as `line` does, from the scores by class instead of the counts.

        Args:
            iou_pct: IoU by class; None for a class that is in no mean.
            acc_pct: Accuracy by class; None for a class without true pixels. None where it is not known.
        """
        in_mean = [index for index in self.scored if iou_pct.get(self.classes[index]) is not None]
        without_truth = {name for name, accuracy in (acc_pct or {}).items() if accuracy is None}
        zeros = [index for index in in_mean if self.classes[index] in without_truth]
        return self._line(in_mean, zeros)

    def _line(self, in_mean: Sequence[int], zeros: Sequence[int]) -> str:
        """Describe a mean over `in_mean`, in which the classes `zeros` count 0 without true pixels."""
        if self.unseen:
            return self._line_of_groups(in_mean, zeros)
        left_out = [name for index, name in enumerate(self.classes) if index not in {*self.scored, *self.ignored}]
        absent = [self.classes[index] for index in self.scored if index not in in_mean]
        of = f"{len(in_mean)} of {len(self.classes)} classes"
        parts = [f"all {len(self.classes)} classes" if len(in_mean) == len(self.classes) else of]
        reasons = []
        if left_out:
            short = len(left_out) <= len(self.scored)
            reasons.append(f"no {', no '.join(left_out)}" if short else ", ".join(self.scored_names()))
        if absent:
            reasons.append(f"no true pixels: {', '.join(absent)}")
        if zeros:
            names = ", ".join(self.classes[index] for index in zeros)
            reasons.append(f"0 for predictions without true pixels: {names}")
        if reasons:
            parts.append(f"({'; '.join(reasons)})")
        if self.absent == "zero_if_predicted":
            parts.append("by mmsegmentation's rule")
        if self.ignored:
            parts.append(f"without the pixels of {', '.join(self.ignored_names())}")
        return " ".join(parts)

    def _line_of_groups(self, in_mean: Sequence[int], zeros: Sequence[int]) -> str:
        groups = {"seen": self.seen, "unseen": self.unseen}
        texts = []
        for name, group in groups.items():
            texts.append(f"{name} ({', '.join(self.classes[index] for index in group if index in in_mean) or 'none'})")
        line = f"harmonic mean of {texts[0]} and {texts[1]} classes"
        absent = [self.classes[index] for index in self.scored if index not in in_mean]
        line += f", no true pixels: {', '.join(absent)}" if absent else ""
        if zeros:
            line += f", 0 for predictions without true pixels: {', '.join(self.classes[index] for index in zeros)}"
        return line + (f", without the pixels of {', '.join(self.ignored_names())}" if self.ignored else "")


def class_set(
    classes: Sequence[str],
    *,
    chosen: str = "all",
    ignore: str = "",
    absent: AbsentClasses = "left_out",
    measure: Measure = MIOU,
) -> ClassSet:
    """Return the classes that `--classes` and `--ignore` choose.

    Args:
        classes: Names in index order.
        chosen: `all`; comma-separated names; or `no-NAME[,no-NAME]`, all but these. `-`, `_` and a space are the
            same in names, and so are upper and lower case. `NAMES | NAMES` are the seen and the unseen classes of an
            open vocabulary.
        ignore: Comma-separated names; "" for none.
        absent: What a scored class without true pixels counts; see `ClassSet`.
        measure: The score over these classes.

    Raises:
        UnknownName: There is no such class; the text lists the nearest and all names.
        ConfigError: An option names no class, `chosen` mixes names with `no-NAME`, or no class is left for the mean.
    """
    ignored = {_index(word, classes) for word in _words(ignore, "--ignore")} if ignore else set()
    if BETWEEN in chosen and chosen not in classes:
        return _groups(classes, chosen, ignored, absent)
    words = _words(chosen, "--classes")
    without = [word for word in words if _is_without(word, classes)]
    if words == ["all"]:
        scored = set(range(len(classes)))
    elif not without:
        scored = {_index(word, classes) for word in words}
        if both := sorted(classes[index] for index in scored & ignored):
            raise ConfigError(
                f"{', '.join(both)} cannot be both in the mean and ignored. Leave it out of --classes or of --ignore."
            )
    elif len(without) == len(words):
        scored = set(range(len(classes))) - {_index(_name(word), classes) for word in words}
    else:
        raise ConfigError(
            f"--classes {chosen} mixes classes to include with classes to leave out. Name either classes, such as "
            f"{classes[0]}, or no-{classes[0]} for all others."
        )
    if not scored - ignored:
        raise ConfigError(
            f"No class is left for the mean. The classes are {', '.join(classes)}: leave out fewer of them."
        )
    return ClassSet(
        classes=tuple(classes),
        scored=tuple(sorted(scored - ignored)),
        ignored=tuple(sorted(ignored)),
        absent=absent,
        measure=measure,
    )


def _groups(classes: Sequence[str], chosen: str, ignored: set[int], absent: AbsentClasses) -> ClassSet:
    seen, unseen = (
        {_index(word, classes) for word in _words(part, "--classes")} for part in chosen.split(BETWEEN, maxsplit=1)
    )
    if both := sorted(classes[index] for index in seen & unseen):
        raise ConfigError(f"--classes {chosen}: {', '.join(both)} cannot be both seen and unseen.")
    seen, unseen = seen - ignored, unseen - ignored
    if not seen or not unseen:
        raise ConfigError(
            f"--classes {chosen} leaves no {'seen' if not seen else 'unseen'} class for the harmonic mean. Name one on "
            f"each side of {BETWEEN}, or --classes all for the mean of all classes."
        )
    return ClassSet(
        classes=tuple(classes),
        scored=tuple(sorted(seen | unseen)),
        ignored=tuple(sorted(ignored)),
        absent=absent,
        measure=Measure(name="miou", unseen=tuple(sorted(unseen))),
    )


def _words(text: str, option: str) -> list[str]:
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words:
        raise ConfigError(f"{option} {text!r} names no class. Give comma-separated names, such as road,water.")
    return words


def _is_without(word: str, classes: Sequence[str]) -> bool:
    # A class may itself be called no-data.
    return _normalize(word).startswith(_WITHOUT) and _normalize(word) not in _normalize_all(classes)


def _name(word: str) -> str:
    return word[len(_WITHOUT) :]


def _index(name: str, classes: Sequence[str]) -> int:
    if name in classes:
        return classes.index(name)
    normalized = _normalize_all(classes)
    if _normalize(name) not in normalized:
        raise UnknownName(unknown_name_message("class", name, tuple(classes)))
    return normalized.index(_normalize(name))


def _normalize_all(names: Iterable[str]) -> list[str]:
    return [_normalize(name) for name in names]


def _normalize(name: str) -> str:
    return normalize(name).replace(" ", "_")
