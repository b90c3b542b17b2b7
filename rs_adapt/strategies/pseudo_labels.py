"""The teacher's labels of target images: the most probable class, a weight for each pixel, and pixels without label.

Shapes: B batch, K classes, H/W pixels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rs_adapt.config.words import resolve_sure_share
from rs_adapt.errors import ConfigError
from rs_adapt.processes import sum_over_ranks
from rs_adapt.ranges import COUNT, COUNT_OR_0, SHARE, SHARE_BELOW_1, check_ranges
from rs_adapt.strategies.confidence_quantile import ConfidenceQuantile
from rs_adapt.strategies.label_counts import count_classes
from rs_adapt.strategies.running_mean import update_mean

ScoreKind = Literal["logits", "scores"]
Weighting = Literal["none", "share", "pixel"]
WEIGHTINGS: tuple[Weighting, ...] = ("none", "share", "pixel")


class PseudoLabels(NamedTuple):
    """The teacher's labels of a batch of target images.

    Attributes:
        labels_BHW: Int64 class indices, `ignore_index` where there is no label.
        weights_BHW: Float32 in [0, 1], weight of each pixel in the loss; 0 where there is no label.
        confidence_BHW: Float32 in [0, 1], probability of the label before any alignment.
    """

    labels_BHW: Tensor
    weights_BHW: Tensor
    confidence_BHW: Tensor


class PseudoLabeler(nn.Module):
    """A module that turns the teacher's scores into labels and weights.

    Weighting, with `sure` pixels being those whose confidence reaches their class's threshold, or that belong to the
    surest share of all pixels:

    - "none": every labelled pixel counts 1 (Earth-Adapter's release, arXiv 2504.06220).
    - "share": every pixel counts the share of sure pixels in the whole batch (DACS, arXiv 2007.08702, in the form of
      DAFormer, arXiv 2111.14887, equation 5).
    - "pixel": sure pixels count 1, others 0 (FixMatch, arXiv 2001.07685, per pixel).

    Thresholds are `confidence` for all classes, or with `per_class` scaled by how sure the teacher is of each class:
    `confidence * m_c / max_k m_k`, where `m_c` is a running mean of the confidence of pixels labelled c (FreeMatch,
    arXiv 2205.07246, equation 7, with the mean over the pixels of the class and the maximum over the classes that had
    any). Hard classes keep their labels.

    A text such as "60%" instead of a threshold takes the surest 60 % of the labelled pixels, with `per_class` of those
    of each class (`ConfidenceQuantile`).

    Alignment multiplies probabilities by `(source_c / teacher_c) ** align` before the label is taken, with running
    means of the class shares in the source labels and of the teacher's probabilities (ReMixMatch, arXiv 1911.09785,
    section 3.1; the exponent is added here). It preserves a class that the shift hides, but assumes that both regions
    have similar class shares; with `align` 0 nothing is assumed.

    The n-th batch enters a running mean with the weight `max(1 / n, 1 - momentum)`: first the mean of all batches, then
    an exponential one, so that no start value is left in it. Feed both means of the alignment from the same iteration
    on, for the ratio to compare averages of equal age. The running means and their numbers of batches are buffers, so a
    resumed run continues with them, and they are taken over all processes.

    Args:
        num_classes: K.
        kind: The kind of scores: "logits" or "scores" (non-negative, as Mask2Former's sums over queries); see
            `probabilities`.
        ignore_index: Label value of pixels without label.
        weighting: See above.
        confidence: Probability from which a pixel is sure, in [0, 1], or the share of sure pixels such as "60%"; None
            only for the weighting "none".
        per_class: Scale the threshold by class, or take the share of each class.
        align: Exponent of the alignment, 0 (off) to 1 (mean probabilities of the teacher are scaled to the source's
            class shares; the shares of its labels need not follow exactly).
        border_px: Width of the border without labels, 0 or more: there the teacher sees only half of the surroundings.
        momentum: Largest share of the old value in the running means, in [0, 1).

    Raises:
        ConfigError: A value is out of range, or a threshold is missing or has no effect.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        kind: ScoreKind,
        ignore_index: int = 255,
        weighting: Weighting = "none",
        confidence: float | str | None = None,
        per_class: bool = False,
        align: float = 0.0,
        border_px: int = 0,
        momentum: float = 0.99,
    ) -> None:
        super().__init__()
        _check(weighting, confidence, per_class)
        check_ranges("strategy.", align=(align, SHARE), border_px=(border_px, COUNT_OR_0))
        check_ranges("PseudoLabeler", num_classes=(num_classes, COUNT), momentum=(momentum, SHARE_BELOW_1))
        self.kind: ScoreKind = kind
        self.ignore_index = ignore_index
        self.weighting: Weighting = weighting
        self.confidence = confidence
        self.per_class = per_class
        self.align = align
        self.border_px = border_px
        self.momentum = momentum
        self.class_confidence_K: Tensor
        self.source_share_K: Tensor
        self.teacher_share_K: Tensor
        self.class_batches_K: Tensor
        self.source_batches: Tensor
        self.teacher_batches: Tensor
        self.quantile: ConfidenceQuantile | None = None
        if isinstance(confidence, str):
            share = resolve_sure_share(confidence, key="strategy.confidence")
            self.quantile = ConfidenceQuantile(num_classes=num_classes, share=share, per_class=per_class)
        self.register_buffer("class_confidence_K", torch.ones(num_classes))
        for name in ("source_share_K", "teacher_share_K"):
            self.register_buffer(name, torch.full((num_classes,), 1.0 / num_classes))
        # Batches in each mean.
        self.register_buffer("class_batches_K", torch.zeros(num_classes))
        for name in ("source_batches", "teacher_batches"):
            self.register_buffer(name, torch.zeros(()))

    def complete_older_state(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the numbers of batches that version 0.1.0 did not store, for `rs_adapt.engine.older_state`.

        A mean that has batches keeps its step, `1 - momentum`. Without a batch of the teacher's shares, both shares of
        the alignment start over together.

        Args:
            tensors: Buffers of this module by name.
        """
        # So many that `1 / n` is below every `1 - momentum`.
        many = torch.tensor(torch.finfo(torch.float32).max)
        confidence_K, teacher_K = tensors["class_confidence_K"], tensors["teacher_share_K"]
        fed = (teacher_K != self.teacher_share_K.to(teacher_K)).any() * many
        return {"class_batches_K": (confidence_K != 1) * many, "source_batches": fed, "teacher_batches": fed.clone()}

    @torch.no_grad()
    def observe_source(self, labels_BHW: Tensor) -> None:
        """Add the class shares of a batch of source labels (without ignored pixels) to the running mean."""
        num_classes = len(self.source_share_K)
        counts_K = sum_over_ranks(count_classes(labels_BHW, num_classes, self.ignore_index).float())
        # A batch without any label must not pull the mean to zero.
        new_K, seen = counts_K / counts_K.sum().clamp_min(1), counts_K.sum() > 0
        self._update_mean(self.source_share_K, self.source_batches, new_K, seen)

    @torch.no_grad()
    def forward(self, scores_BKHW: Tensor, valid_BHW: Tensor) -> PseudoLabels:
        """Label a batch, and add it to the running means.

        Args:
            scores_BKHW: Scores from the head's `predict`, float.
            valid_BHW: Bool, False on padding: those pixels get no label and count nowhere.
        """
        probability_BKHW = probabilities(scores_BKHW, self.kind)
        aligned_BKHW = probability_BKHW
        if self.align:
            sums_K = sum_over_ranks((probability_BKHW * valid_BHW[:, None]).sum(dim=(0, 2, 3)))
            # The probabilities of a pixel add up to 1, so the sum over the classes is the number of pixels.
            new_K, seen = sums_K / sums_K.sum().clamp_min(1), sums_K.sum() > 0
            self._update_mean(self.teacher_share_K, self.teacher_batches, new_K, seen)
            ratio_K = (self.source_share_K.clamp_min(1e-4) / self.teacher_share_K.clamp_min(1e-4)) ** self.align
            aligned_BKHW = probability_BKHW * ratio_K[:, None, None]
        label_BHW = aligned_BKHW.argmax(dim=1)
        confidence_BHW = probability_BKHW.gather(1, label_BHW[:, None])[:, 0]
        labelled_BHW = valid_BHW & inside_border(valid_BHW, self.border_px)
        weights_BHW = labelled_BHW.float()
        if self.confidence is not None:
            sure_BHW = self._find_sure(label_BHW, confidence_BHW, labelled_BHW)
            if self.weighting == "pixel":
                weights_BHW = sure_BHW.float()
            else:
                # The share of all pixels of the image, as in DAFormer: a border without labels lowers it.
                weights_BHW = weights_BHW * (
                    sum_over_ranks(sure_BHW.sum()) / sum_over_ranks(valid_BHW.sum()).clamp_min(1)
                )
        return PseudoLabels(label_BHW.masked_fill(~labelled_BHW, self.ignore_index), weights_BHW, confidence_BHW)

    def _find_sure(self, label_BHW: Tensor, confidence_BHW: Tensor, labelled_BHW: Tensor) -> Tensor:
        if self.quantile is not None:
            sure_BHW: Tensor = self.quantile(confidence_BHW, label_BHW, labelled_BHW)
            return sure_BHW
        return (confidence_BHW >= self._thresholds(label_BHW, confidence_BHW, labelled_BHW)) & labelled_BHW

    def _thresholds(self, label_BHW: Tensor, confidence_BHW: Tensor, labelled_BHW: Tensor) -> Tensor:
        assert isinstance(self.confidence, float | int)
        if not self.per_class:
            return torch.full_like(confidence_BHW, self.confidence)
        onehot_BHWK = F.one_hot(label_BHW, len(self.class_confidence_K)) * labelled_BHW[..., None]
        counts_K = sum_over_ranks(onehot_BHWK.sum(dim=(0, 1, 2)))
        sums_K = sum_over_ranks((onehot_BHWK * confidence_BHW[..., None]).sum(dim=(0, 1, 2)))
        self._update_mean(self.class_confidence_K, self.class_batches_K, sums_K / counts_K.clamp_min(1), counts_K > 0)
        # A class without a pixel so far has no mean, and no pixel that its threshold would be for.
        largest = self.class_confidence_K.where(self.class_batches_K > 0, 0.0).max()
        return (self.confidence * self.class_confidence_K / largest.where(largest > 0, 1.0))[label_BHW]

    def _update_mean(self, mean_K: Tensor, batches: Tensor, new_K: Tensor, seen: Tensor) -> None:
        update_mean(mean_K, batches, new_K, seen=seen, momentum=self.momentum)


def probabilities(scores_BKHW: Tensor, kind: ScoreKind) -> Tensor:
    """Return class probabilities (B, K, H, W), float32, from logits or from non-negative scores.

    Scores are divided by their sum over the classes. Where it is below 1, the rest is spread evenly over the classes:
    Mask2Former's sums are near 1 where a query claims the pixel and near 0 where none does, and what no query claims is
    unsure, however unequal the classes' shares in almost nothing are. The order of the classes stays.
    """
    scores = scores_BKHW.float()
    if kind == "logits":
        return scores.softmax(dim=1)
    sum_B1HW = scores.sum(dim=1, keepdim=True)
    rest_B1HW = (1 - sum_B1HW).clamp_min(0)
    return (scores + rest_B1HW / scores.shape[1]) / sum_B1HW.clamp_min(1)


def inside_border(valid_BHW: Tensor, border_px: int) -> Tensor:
    """Return True for valid pixels with at least `border_px` valid pixels of the image on each side, (B, H, W) bool."""
    if not border_px:
        return valid_BHW
    # Outside the tensor counts as not valid, so a padded image loses its own border and not the padding's.
    outside = F.pad((~valid_BHW).float()[:, None], (border_px,) * 4, value=1.0)
    return F.max_pool2d(outside, 2 * border_px + 1, stride=1)[:, 0] == 0


def valid_pixels(data_samples: Sequence[object], height_px: int, width_px: int, device: torch.device) -> Tensor:
    """Return which pixels of a padded batch are image, (B, H, W) bool.

    Padding is each sample's `padding_size` (left, right, top, bottom), pixels; inside it, its `valid` (1, H, W) says
    where a tile shows an image.
    """
    valid = torch.ones(len(data_samples), height_px, width_px, dtype=torch.bool, device=device)
    for mask, sample in zip(valid, data_samples, strict=True):
        left, right, top, bottom = getattr(sample, "padding_size", (0, 0, 0, 0))
        inside = torch.zeros_like(mask)
        image = getattr(sample, "valid", None)
        inside[top : height_px - bottom, left : width_px - right] = True if image is None else image.data[0].to(device)
        mask &= inside
    return valid


def _check(weighting: str, confidence: float | str | None, per_class: bool) -> None:
    if weighting not in WEIGHTINGS:
        raise ConfigError(f"strategy.weighting is {weighting!r}. Allowed: {', '.join(WEIGHTINGS)}.")
    if weighting == "none" and (confidence is not None or per_class):
        raise ConfigError(
            "strategy.weighting is 'none', so strategy.confidence and strategy.per_class would have no effect. "
            "Set weighting to 'share' or 'pixel', or confidence to None and per_class to False."
        )
    # A text is refused where it is resolved.
    if weighting != "none" and not isinstance(confidence, str) and confidence not in SHARE:
        raise ConfigError(
            f"strategy.weighting is {weighting!r} and strategy.confidence is {confidence!r}: "
            "it needs a probability from 0 to 1, such as 0.968, or a share of the pixels such as '60%'."
        )
