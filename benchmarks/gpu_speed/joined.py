"""Self-training with one pass of the backbone for source and mixture, to be measured beside the shipped order.

The labels of the mixture come from the teacher, so the teacher is first; then source and mixed images are one batch of
the student's backbone. Losses are taken of each half. Numbers differ in their last digits, since sums of a larger batch
are split differently, and draws come in a different order: classes to mix before the points of the source's loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from rs_adapt.backbones.features import Features
from rs_adapt.strategies import SelfTraining
from rs_adapt.strategies.class_mix import Labelled, class_mix, paste_labelled
from rs_adapt.strategies.pair import Batch, head_losses, scale_losses


class JoinedSelfTraining(SelfTraining):
    """Self-training on source and mixture alone, without terms on the frozen features."""

    def loss(self, source: Batch, target: Batch) -> dict[str, Tensor]:
        """Return the losses `source.*` and `mix.*` of an iteration after the warm-up."""
        iteration = self._count.take(self.iteration)
        self.ema.update(self.segmentor, iteration, self.ema_decay)
        labels_BHW = torch.stack([sample.gt_sem_seg.data[0] for sample in source["data_samples"]])
        self.labeler.observe_source(labels_BHW)
        images = target["inputs"]
        plain = target.get("plain", images)
        pseudo = self.label_target(plain, target["data_samples"])
        self._observe(iteration, labels_BHW, pseudo, plain)
        of_source = Labelled(source["inputs"], labels_BHW, torch.ones_like(pseudo.weights_BHW))
        of_target = Labelled(images, pseudo.labels_BHW, pseudo.weights_BHW)
        mixed = paste_labelled(class_mix(labels_BHW, classes_of=self.mix_classes), of_source, of_target)
        mixed_images = self._augment_images(mixed.images_B3HW)
        features = self.segmentor.extract_feat(torch.cat([source["inputs"], mixed_images]))
        of_first, of_second = split(features, (len(labels_BHW), len(mixed_images)))
        losses = self.segmentor.decode_head.loss(of_first, source["data_samples"], self.segmentor.train_cfg)
        named = {f"source.decode.{name}": value for name, value in losses.items()}
        second = head_losses(self.segmentor, of_second, mixed.labels_BHW, mixed.weights_BHW)
        return named | scale_losses({f"mix.{name}": value for name, value in second.items()}, self.mix_weight)


def split(features: Any, sizes: Sequence[int]) -> list[Features]:
    """Return the features of the parts of a batch; the adapter's queries belong to each."""
    parts = zip(*(level.split(list(sizes)) for level in features), strict=True)
    queries = features.queries
    each = queries.split(list(sizes)) if queries is not None and queries.ndim == 3 else [queries] * len(sizes)
    pairs = zip(parts, each, strict=True)
    return [Features(maps, own, features.image_hw, None, features.text_side) for maps, own in pairs]
