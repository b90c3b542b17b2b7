"""Distillation: a small student learns from a trained run, first its features, then its probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.model import BaseModel
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from rs_adapt.config.facts import ConfigNode
from rs_adapt.errors import ConfigError
from rs_adapt.processes import global_mean_denominator
from rs_adapt.ranges import COUNT_OR_0, NOT_NEGATIVE, POSITIVE, check_ranges
from rs_adapt.registry import MODELS
from rs_adapt.strategies.imitation import feature_loss, probability_loss
from rs_adapt.strategies.label_counts import HostCount
from rs_adapt.strategies.pair import Batch, PairPreprocessor, scale_losses
from rs_adapt.strategies.pseudo_labels import probabilities, valid_pixels
from rs_adapt.strategies.scoring import scores_of


@MODELS.register_module()
class Distill(BaseModel):  # type: ignore[misc]
    """A segmentor that learns from a frozen teacher of any architecture, in two phases.

    For `feature_iters` iterations `loss = sum_l FD(projection_l(student_l), teacher_l)` over the four maps
    (`feature_loss`), on all images and without a label; the head waits. Then
    `loss = probability_weight * KL(teacher, student) + label_weight * loss(source, labels)`, with the first term on all
    images (`probability_loss`). The order, features before the task, is that of GKD (arXiv 2603.02554); a frozen
    foundation model with its head as the teacher of a small network under domain shift is LFMDA's (IEEE TIP 34, 2025).
    Departs from both: a projection and a whitened target instead of GKD's queries that attend to the teacher; the
    backbone trains on in the second phase; neither LFMDA's regions nor its prototypes.

    The teacher is no part of the module: it is in no state and no pack, and every start of a run is given it
    (`take_teacher`). The projections are trained and are part of the state, but of no segmentor, so no pack has them.

    Args:
        segmentor: The student: a mmsegmentation `EncoderDecoder`, or its config.
        feature_iters: Iterations of the first phase, >= 0.
        probability_weight: Weight of the loss on the teacher's probabilities, >= 0.
        temperature: See `probability_loss`; above 0.
        label_weight: Weight of the loss on the labels of the source, >= 0.
        teacher_channels: Channels of the teacher's four maps; None where nothing is trained.

    Raises:
        ConfigError: A value is out of its range, both weights of the second phase are 0, or the student's backbone is
            frozen and has features to learn.
    """

    def __init__(
        self,
        *,
        segmentor: ConfigNode | nn.Module,
        feature_iters: int,
        probability_weight: float = 1.0,
        temperature: float = 1.0,
        label_weight: float = 1.0,
        teacher_channels: Sequence[int] | None = None,
    ) -> None:
        module: Any = MODELS.build(segmentor) if isinstance(segmentor, dict) else segmentor
        super().__init__(data_preprocessor=PairPreprocessor(module.data_preprocessor))
        check_ranges(
            "strategy.",
            feature_iters=(feature_iters, COUNT_OR_0),
            probability_weight=(probability_weight, NOT_NEGATIVE),
            temperature=(temperature, POSITIVE),
            label_weight=(label_weight, NOT_NEGATIVE),
        )
        if not probability_weight and not label_weight:
            raise ConfigError(
                "strategy.probability_weight and strategy.label_weight are both 0, so the head would learn nothing. "
                "Give one of them a weight above 0."
            )
        if feature_iters and not any(value.requires_grad for value in module.backbone.parameters()):
            raise ConfigError(
                f"strategy.feature_iters is {feature_iters}, but the student's backbone is frozen and learns no "
                "features. Use --method full or one that adapts the backbone, or set strategy.feature_iters=0."
            )
        self.segmentor = module
        self.feature_iters = feature_iters
        self.probability_weight = probability_weight
        self.temperature = temperature
        self.label_weight = label_weight
        own = module.backbone.level_channels
        # None of them where nothing is trained, or where no features are compared because a head runs blocks itself.
        comparable = teacher_channels is not None and (feature_iters or len(own) == len(teacher_channels))
        pairs = zip(own, teacher_channels or (), strict=True) if comparable else ()
        self.projections = nn.ModuleList(nn.Conv2d(given, wanted, kernel_size=1) for given, wanted in pairs)
        # In a tuple, because torch would make the module a part of this one.
        self._teacher: tuple[Any, ...] = ()
        self.iteration: Tensor
        self.register_buffer("iteration", torch.zeros((), dtype=torch.int64))
        self._count = HostCount()

    def take_teacher(self, teacher: nn.Module) -> None:
        """Learn from a segmentor, which stays as it is.

        Args:
            teacher: A trained segmentor on this model's device, with the same classes.
        """
        self._teacher = (teacher.eval().requires_grad_(False),)

    def forward(
        self,
        inputs: Tensor | None = None,
        data_samples: list[SegDataSample] | None = None,
        mode: str = "tensor",
        source: Batch | None = None,
        target: Batch | None = None,
    ) -> Any:
        """Run one of mmengine's three modes.

        Args:
            inputs: (B, 3, H, W) normalised images; for "loss" those of the source where the run sees no target.
            data_samples: Their samples; for "loss" with labels.
            mode: "loss", "predict" or "tensor".
            source: A labelled batch, for "loss".
            target: A batch without labels, for "loss".
        """
        if mode != "loss":
            return self.segmentor(inputs, data_samples, mode=mode)
        if source is None:
            assert inputs is not None
            assert data_samples is not None
            source = Batch(inputs=inputs, data_samples=data_samples)
        return self.loss(source, target)

    def loss(self, source: Batch, target: Batch | None) -> dict[str, Tensor]:
        """Return the losses of an iteration, by region: `loss_features`, or `loss_probabilities` and the head's own.

        `agreement` is the share of pixels to which student and teacher give the same class; it is no loss.
        """
        iteration = self._count.take(self.iteration)
        imitate = self._imitate_features if iteration < self.feature_iters else self._imitate_probabilities
        regions = {"source": source, **({} if target is None else {"target": target})}
        return {
            f"{region}.{name}": value for region, batch in regions.items() for name, value in imitate(batch).items()
        }

    def _imitate_features(self, batch: Batch) -> dict[str, Tensor]:
        valid_BHW = _valid(batch)
        with torch.no_grad():
            wanted = self._teacher[0].extract_feat(self._as_teacher_sees(batch))
        losses = []
        for projection, own, map_BDhw in zip(
            self.projections, self.segmentor.extract_feat(batch["inputs"]), wanted, strict=True
        ):
            # Before the projection, with which it commutes, because the student's map has fewer channels.
            fitted = own if own.shape[-2:] == map_BDhw.shape[-2:] else _resize(own, map_BDhw)
            losses.append(feature_loss(projection(fitted), map_BDhw, valid_BHW))
        return {"loss_features": torch.stack(losses).sum()}

    def _imitate_probabilities(self, batch: Batch) -> dict[str, Tensor]:
        images, valid_BHW, head = batch["inputs"], _valid(batch), self.segmentor.decode_head
        with torch.no_grad():
            teacher, seen = self._teacher[0], self._as_teacher_sees(batch)
            scores_BKHW = scores_of(teacher, teacher.extract_feat(seen), seen)
            wanted_BKHW = probabilities(scores_BKHW, teacher.decode_head.score_kind)
        features = self.segmentor.extract_feat(images)
        own_BKHW = probabilities(scores_of(self.segmentor, features, images), head.score_kind)
        with torch.no_grad():
            same_BHW = (own_BKHW.argmax(dim=1) == wanted_BKHW.argmax(dim=1)) & valid_BHW
        named = {"agreement": same_BHW.sum() / global_mean_denominator(valid_BHW.sum(), least=1)}
        if self.probability_weight:
            loss = probability_loss(own_BKHW, wanted_BKHW, valid_BHW, temperature=self.temperature)
            named["loss_probabilities"] = self.probability_weight * loss
        if self.label_weight and "gt_sem_seg" in batch["data_samples"][0]:
            losses = head.loss(features, batch["data_samples"], self.segmentor.train_cfg)
            named |= {f"decode.{name}": value for name, value in scale_losses(losses, self.label_weight).items()}
        return named

    def _as_teacher_sees(self, batch: Batch) -> Tensor:
        """Return a batch's images (B, 3, H, W) without the student's distortion, normalised as the teacher's."""
        images: Tensor = batch.get("plain", batch["inputs"])
        own: Any = self.data_preprocessor.inner
        other = self._teacher[0].data_preprocessor
        if torch.equal(own.mean, other.mean) and torch.equal(own.std, other.std):
            return images
        renormalised: Tensor = (images * own.std + own.mean - other.mean) / other.std
        return renormalised


def _valid(batch: Batch) -> Tensor:
    height_px, width_px = batch["inputs"].shape[-2:]
    return valid_pixels(batch["data_samples"], height_px, width_px, batch["inputs"].device)


def _resize(map_BChw: Tensor, like_BDhw: Tensor) -> Tensor:
    return F.interpolate(map_BChw, size=like_BDhw.shape[-2:], mode="bilinear", align_corners=False)
