"""Batches of two domains: their form, the preprocessor that normalises, pads and stacks them, samples and losses."""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict

from mmengine.model import BaseDataPreprocessor
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from rs_adapt.processes import sum_over_ranks


class Batch(TypedDict):
    """A batch of one domain, as the data preprocessor gives it to the model."""

    # (B, 3, H, W), normalised.
    inputs: Tensor
    data_samples: list[SegDataSample]
    # The same images as the teacher is to see them, where `inputs` is the student's distorted view.
    plain: NotRequired[Tensor]


class PairPreprocessor(BaseDataPreprocessor):  # type: ignore[misc]
    """A segmentor's preprocessor, applied to `{"source": batch, "target": batch}`, one of them, or a plain batch."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, data: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """Normalise, pad and stack each domain's batch; a plain batch is processed as in the segmentor itself."""
        if "source" not in data and "target" not in data:
            return dict(self.inner(data, training))
        return {domain: self._views(batch, training) for domain, batch in data.items()}

    def _views(self, batch: dict[str, Any], training: bool) -> dict[str, Any]:
        views: dict[str, Any] = self.inner(batch, training)
        if "plain" in batch:
            # Samples of their own: the padding of the first view is recorded already.
            samples = [SegDataSample() for _ in batch["plain"]]
            views["plain"] = self.inner({"inputs": batch["plain"], "data_samples": samples}, training)["inputs"]
        return views


def samples_of(labels_BHW: Tensor, weights_BHW: Tensor | None = None) -> list[SegDataSample]:
    """Return samples of labels (B, H, W) and, if given, of pixel weights of the same shape."""
    samples = []
    for position, label in enumerate(labels_BHW):
        sample = SegDataSample(metainfo={"img_shape": tuple(label.shape), "ori_shape": tuple(label.shape)})
        sample.gt_sem_seg = PixelData(data=label[None])
        if weights_BHW is not None:
            sample.gt_weight = PixelData(data=weights_BHW[position][None])
        samples.append(sample)
    return samples


def scale_losses(losses: dict[str, Tensor], factor: float | Tensor) -> dict[str, Tensor]:
    """Multiply the losses among the values of a head's loss; accuracies stay."""
    return {name: value * factor if "loss" in name else value for name, value in losses.items()}


def head_losses(segmentor: Any, features: Any, labels_BHW: Tensor, weights_BHW: Tensor) -> dict[str, Tensor]:
    """Return the losses of a segmentor's head, by mmsegmentation's names, on images whose pixels have weights.

    Heads that take no pixel weights have their losses multiplied by the mean weight of the labelled pixels.

    Args:
        segmentor: The segmentor.
        features: Of its `extract_feat`.
        labels_BHW: Int64 class indices and the head's ignore value.
        weights_BHW: Float, 0 or larger.
    """
    head = segmentor.decode_head
    takes_weights = getattr(head, "takes_pixel_weights", False)
    samples = samples_of(labels_BHW, weights_BHW if takes_weights else None)
    losses: dict[str, Tensor] = head.loss(features, samples, segmentor.train_cfg)
    if not takes_weights:
        labelled = labels_BHW != head.ignore_index
        mean = sum_over_ranks((weights_BHW * labelled).sum()) / sum_over_ranks(labelled.sum()).clamp_min(1)
        losses = scale_losses(losses, mean)
    return {f"decode.{name}": value for name, value in losses.items()}
