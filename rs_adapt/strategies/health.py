"""Health of the teacher's pseudo-labels: class shares, confidence, weight, agreement, and an alarm before a collapse.

Self-training can starve a class: the teacher predicts it less, so the student sees it less, until it vanishes. No
target label is read for any of these numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from rs_adapt.processes import sum_over_ranks
from rs_adapt.strategies.label_counts import count_classes

# A class that is rarer than this in the source may be missing from the target by chance.
MIN_SOURCE_SHARE = 0.01
# A class counts as starved below this part of its source share: well below what a difference of regions makes usual.
STARVED_RATIO = 0.1
# One class with more of the teacher's labels than this dominates them ...
DOMINANT_SHARE = 0.95
# ... unless a class of the source has more than this of its labels: then one class may well be nearly all.
SKEWED_SOURCE_SHARE = 0.85
# The weight of an image in the alarm is exp(-images since / this). Classes occur in clusters: the few images between
# two lines of a short run miss a class by chance, and an alarm about them would only reflect the draw.
MEMORY_IMAGES = 256
# No alarm while the weights of the images sum to less than this.
ENOUGH_IMAGES = 128


@dataclass(frozen=True, kw_only=True)
class ClassShares:
    """Shares of pixels with a label, in [0, 1]; the K shares of each tuple add up to 1.

    Attributes:
        source_share: Share of each class in the source labels.
        teacher_share: Share of each class in the teacher's labels of the target.
    """

    source_share: tuple[float, ...]
    teacher_share: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class HealthSummary(ClassShares):
    """A summary of the pseudo-labels since the last reset.

    Attributes:
        confidence: Mean probability of the teacher's label, in [0, 1].
        weight: Mean weight of a pixel with a label in the loss, in [0, 1]; None if it is not known.
        agreement: Share of target pixels with equal labels from student and teacher; None without a student's label.
    """

    confidence: float
    weight: float | None
    agreement: float | None


class PseudoLabelHealth(nn.Module):
    """Running sums behind `HealthSummary` and the alarm, in buffers, so that a resumed run has them in its state.

    Args:
        num_classes: K.
        ignore_index: Label value of pixels without label; they count nowhere.
    """

    source_pixels: Tensor
    teacher_pixels: Tensor
    confidence_sum: Tensor
    weight_sum: Tensor
    weighted_pixels: Tensor
    compared_pixels: Tensor
    agreeing_pixels: Tensor
    images: Tensor
    recent: Tensor

    def __init__(self, *, num_classes: int, ignore_index: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.ignore_index = ignore_index
        self.register_buffer("source_pixels", torch.zeros(num_classes, dtype=torch.int64))
        self.register_buffer("teacher_pixels", torch.zeros(num_classes, dtype=torch.int64))
        # Summed over the pixels that `teacher_pixels` counts.
        self.register_buffer("confidence_sum", torch.zeros((), dtype=torch.float64))
        # Summed over `weighted_pixels`: fewer than `teacher_pixels` where an older version began the line.
        self.register_buffer("weight_sum", torch.zeros((), dtype=torch.float64))
        self.register_buffer("weighted_pixels", torch.zeros((), dtype=torch.int64))
        self.register_buffer("compared_pixels", torch.zeros((), dtype=torch.int64))
        self.register_buffer("agreeing_pixels", torch.zeros((), dtype=torch.int64))
        self.register_buffer("images", torch.zeros((), dtype=torch.int64))
        # Source pixels by class, teacher's pixels by class, images: sums that fade over `MEMORY_IMAGES`.
        self.register_buffer("recent", torch.zeros(2 * num_classes + 1, dtype=torch.float64))

    def complete_older_state(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return sums of the weights, which version 0.1.0 did not store, for `rs_adapt.engine.older_state`."""
        return {
            "weight_sum": torch.zeros_like(tensors["confidence_sum"]),
            "weighted_pixels": torch.zeros_like(tensors["images"]),
        }

    @torch.no_grad()
    def observe(
        self,
        *,
        source_labels_BHW: Tensor,
        teacher_labels_BHW: Tensor,
        confidence_BHW: Tensor,
        weights_BHW: Tensor,
        student_labels_BHW: Tensor | None = None,
    ) -> None:
        """Add the images of one iteration from all processes, without waiting for the GPU.

        Args:
            source_labels_BHW: Labels of the source images, integer, any B, H and W.
            teacher_labels_BHW: The teacher's labels of the target images, integer.
            confidence_BHW: Probability of each of these labels, float in [0, 1], same shape; any value without a label.
            weights_BHW: Weight of each of these labels in the loss, in the same form.
            student_labels_BHW: The student's labels of the same images, same shape; None if it did not label them.
        """
        labelled_BHW = teacher_labels_BHW != self.ignore_index
        source_K, teacher_K = self._count(source_labels_BHW), self._count(teacher_labels_BHW)
        compared = agreeing = torch.zeros_like(self.images)
        if student_labels_BHW is not None:
            compared = labelled_BHW.sum()
            agreeing = (labelled_BHW & (student_labels_BHW == teacher_labels_BHW)).sum()
        images = torch.full_like(self.images, len(teacher_labels_BHW))
        # Summed over all processes at once, so that every process has the same state to save.
        counts = sum_over_ranks(torch.cat([source_K, teacher_K, torch.stack([compared, agreeing, images])]))
        self.source_pixels += counts[: self.num_classes]
        self.teacher_pixels += counts[self.num_classes : 2 * self.num_classes]
        self.compared_pixels += counts[-3]
        self.agreeing_pixels += counts[-2]
        self.images += counts[-1]
        values = torch.stack([confidence_BHW, weights_BHW]).masked_fill(~labelled_BHW, 0.0)
        confidence_sum, weight_sum = sum_over_ranks(values.sum(dim=(1, 2, 3), dtype=torch.float64))
        self.confidence_sum += confidence_sum
        self.weight_sum += weight_sum
        self.weighted_pixels += counts[self.num_classes : 2 * self.num_classes].sum()

    def _count(self, labels_BHW: Tensor) -> Tensor:
        return count_classes(labels_BHW, self.num_classes, self.ignore_index)

    def summary(self) -> HealthSummary | None:
        """Return the summary of all iterations since the last reset, over all processes.

        Returns:
            None if the source or the teacher had no labelled pixel since then.
        """
        single = torch.stack([self.compared_pixels, self.agreeing_pixels, self.weighted_pixels])
        *pixels, compared, agreeing, weighted = torch.cat([self.source_pixels, self.teacher_pixels, single]).tolist()
        if (shares := self._shares(pixels)) is None:
            return None
        return HealthSummary(
            source_share=shares.source_share,
            teacher_share=shares.teacher_share,
            confidence=self.confidence_sum.item() / sum(pixels[self.num_classes :]),
            weight=self.weight_sum.item() / weighted if weighted else None,
            agreement=agreeing / compared if compared else None,
        )

    def recent_shares(self) -> ClassShares | None:
        """Return the shares in the last few hundred images before the last reset, for the alarm.

        Returns:
            None with fewer images than `ENOUGH_IMAGES`.
        """
        *pixels, images = self.recent.tolist()
        return self._shares(pixels) if images >= ENOUGH_IMAGES else None

    def _shares(self, pixels: Sequence[float]) -> ClassShares | None:
        source, teacher = pixels[: self.num_classes], pixels[self.num_classes :]
        if not (sum(source) and sum(teacher)):
            return None
        return ClassShares(
            source_share=tuple(count / sum(source) for count in source),
            teacher_share=tuple(count / sum(teacher) for count in teacher),
        )

    def reset(self) -> None:
        """Start a new summary; the sums so far enter the recent shares."""
        self.recent *= torch.exp(-self.images.double() / MEMORY_IMAGES)
        self.recent += torch.cat([self.source_pixels, self.teacher_pixels, self.images[None]])
        for name, buffer in self.named_buffers():
            if name != "recent":
                buffer.zero_()


def collapse_alarm(shares: ClassShares, classes: Sequence[str]) -> str | None:
    """Return a warning text if the teacher's labels look collapsed, else None.

    Two signs: a class that has at least `MIN_SOURCE_SHARE` of the source labels has less than `STARVED_RATIO` of that
    share in the teacher's; or one class has more than `DOMINANT_SHARE` of the teacher's labels, and none has more than
    `SKEWED_SOURCE_SHARE` of the source's. Neither is a proof, because regions differ in their class shares.

    Args:
        shares: Shares of K classes over enough images; see `PseudoLabelHealth.recent_shares`.
        classes: K names.
    """
    starved, dominant = _starved_classes(shares), _dominant_class(shares)
    parts = []
    if dominant is not None:
        parts.append(
            f"The teacher calls {_percent(shares.teacher_share[dominant])} of target pixels {classes[dominant]}, "
            f"while no class has more than {_percent(max(shares.source_share))} of the source labels."
        )
    if starved:
        parts.append(
            f"The teacher has almost stopped predicting {_join_words([classes[k] for k in starved])}: "
            f"{_join_words([_percent(shares.teacher_share[k]) for k in starved])} of target pixels against "
            f"{_join_words([_percent(shares.source_share[k]) for k in starved])} in the source labels. "
            f"Its pseudo-labels starve {'this class' if len(starved) == 1 else 'these classes'}; "
            "try --set strategy.class_sampling.temperature=0.05, which samples rare classes more often."
        )
    elif dominant is not None:
        parts.append("Try --strategy dacs-conf, which gives unsure pseudo-labels less weight.")
    return " ".join([*parts, "Regions do differ in class shares, so this is no proof."]) if parts else None


def alarm_subjects(shares: ClassShares, classes: Sequence[str]) -> frozenset[str]:
    """Return the subjects of `collapse_alarm`, to distinguish a new alarm from an old one with changed shares.

    Args:
        shares: Shares of K classes.
        classes: K names.

    Returns:
        The names of the starved classes, and "mostly NAME" for a class that dominates.
    """
    dominant = _dominant_class(shares)
    mostly = [] if dominant is None else [f"mostly {classes[dominant]}"]
    return frozenset([*(classes[k] for k in _starved_classes(shares)), *mostly])


def _starved_classes(shares: ClassShares) -> list[int]:
    pairs = zip(shares.source_share, shares.teacher_share, strict=True)
    return [
        k
        for k, (source, teacher) in enumerate(pairs)
        if source >= MIN_SOURCE_SHARE and teacher < STARVED_RATIO * source
    ]


def _dominant_class(shares: ClassShares) -> int | None:
    largest = max(shares.teacher_share)
    if largest <= DOMINANT_SHARE or max(shares.source_share) > SKEWED_SOURCE_SHARE:
        return None
    return shares.teacher_share.index(largest)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _join_words(words: Sequence[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last
