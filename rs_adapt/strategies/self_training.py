"""Self-training for domain adaptation: learn the source, then mixtures of source and self-labelled target."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from mmengine.model import BaseModel
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from rs_adapt.config.facts import ConfigNode
from rs_adapt.registry import MODELS
from rs_adapt.strategies.arguments import check_arguments, check_classes, check_mix_classes
from rs_adapt.strategies.class_match import ClassMatch
from rs_adapt.strategies.class_mix import Labelled, MixClasses, class_mix, paste_labelled
from rs_adapt.strategies.ema import EmaWeights
from rs_adapt.strategies.health import PseudoLabelHealth
from rs_adapt.strategies.label_counts import HostCount
from rs_adapt.strategies.masking import mask_blocks
from rs_adapt.strategies.pair import Batch, PairPreprocessor, head_losses, scale_losses
from rs_adapt.strategies.pseudo_labels import PseudoLabeler, PseudoLabels, Weighting, valid_pixels
from rs_adapt.strategies.rebuilding import FeatureRebuilder
from rs_adapt.strategies.scoring import predict_over_mirrors, predict_scores
from rs_adapt.strategies.source_losses import SourceLosses
from rs_adapt.strategies.strong_augment import strong_augment

# A pass of the student over the target costs time and trains nothing: every tenth iteration is enough.
AGREEMENT_EVERY = 10


@MODELS.register_module()
class SelfTraining(BaseModel):  # type: ignore[misc]
    """A segmentor with a source loss and, after a warm-up, losses on target images with a teacher's labels.

    `loss = loss(source) + feature_weight * FD(source) + distill_weight * distillation(source)
    + mix_weight * loss(ClassMix(source, target, labels)) + mask_weight * loss(masked target, labels)
    + rebuild_weight * loss(rebuilt features of the target, labels)
    + back_weight * loss(ClassMix(target, source, labels))`, with labels and pixel weights from a teacher
    (`PseudoLabeler`). The teacher is an average of the tensors that train (`EmaWeights`), run on the same frozen
    backbone; the student is what is evaluated. The terms that are on define the strategy: DACS
    (arXiv 2007.08702), DAFormer (2111.14887), MIC (2212.01322) and the strategy of Earth-Adapter (2504.06220) are files
    in `configs/strategy/`.

    The term with `back_weight` pastes half of the target's classes, as the teacher labels them, onto source images:
    mixing in both directions (Bidirectional Domain Mixup, Kim et al., arXiv 2303.09779, which pastes patches). Objects
    of either domain are then seen on the other's ground.

    With `class_match`, the classes of a source image are moved towards the colours that the teacher finds for them in
    the target, before any loss (`ClassMatch`).

    A target batch with a `plain` view has that one labelled, while the student learns from `inputs`, the distorted view
    of the same crops (`protocol.teacher_view`).

    Pixel weights reach the loss of a head that takes them (`takes_pixel_weights`); for others the loss of the batch is
    multiplied by their mean over the labelled pixels.

    Departs from the references (VisionXLab/Earth-Adapter @ 49a8ff8, lhoyer/DAFormer @ e6f6e04, lhoyer/MIC @ 2f932a9):
    the target batch carries no labels at all; padding gets no pseudo-label; the teacher survives a resume; no second
    backbone; mixing starts at iteration `warmup_iters` counted from 0, one earlier than in Earth-Adapter.

    Args:
        segmentor: A mmsegmentation `EncoderDecoder`, or its config.
        warmup_iters: Iterations on the source alone, >= 0.
        mix_weight: Weight of the loss on mixed images, >= 0.
        mix_classes: Where half of the classes to paste are drawn from, "image" or "batch"; see `class_mix`.
        ema_decay: Largest share of the old average, in [0, 1).
        weighting: The weight of a pseudo-label: "none", "share" or "pixel"; see `PseudoLabeler`.
        confidence: Threshold of a sure pixel, or the share of sure pixels such as "60%"; None with weighting "none".
        per_class: Scale the threshold by class, or take the share of each class.
        align: Exponent of the alignment of the teacher's class shares with the source's, 0 (off) to 1.
        border_px: Border of the target image that gets no pseudo-label, pixels.
        jitter: Strength of colour jitter on images with pseudo-labels, 0 to 1; see `strong_augment`.
        jitter_prob: Probability of colour jitter, for each image, 0 to 1.
        blur_prob: Probability of blur, for each image, 0 to 1.
        teacher_mirror: The teacher's probabilities are the mean over the image and its mirror image (left to right).
        feature_weight: Weight of the feature distance on source images, >= 0; 0 is off. The backbone must stay frozen.
        feature_classes: Classes whose cells the feature distance covers, each 0 to K - 1; None for all.
        feature_min_share: Least share of a cell that one class must cover, 0 to 1.
        distill_weight: Weight of the feature distillation on source images, >= 0; see `SourceLosses`.
        mask_weight: Weight of the loss on masked target images, >= 0; 0 is off.
        mask_ratio: Probability that a block is hidden, 0 to 1.
        mask_block_share: Side of a block as a share of the crop, above 0 and at most 1.
        rebuild_weight: Weight of the loss on the target's rebuilt features, >= 0; 0 is off; see `FeatureRebuilder`.
        rebuild_ratio: Probability that a cell of the features is hidden, 0 to 1.
        back_weight: Weight of the loss on source images with target classes pasted onto them, >= 0; 0 is off.
        class_match: Chance that the classes of a source image take the target's colours, 0 (off) to 1.

    Raises:
        ConfigError: A value is out of its range, or values contradict each other.
    """

    def __init__(
        self,
        *,
        segmentor: ConfigNode | nn.Module,
        warmup_iters: int,
        mix_weight: float = 0.5,
        mix_classes: MixClasses = "image",
        ema_decay: float = 0.99,
        weighting: Weighting = "none",
        confidence: float | str | None = None,
        per_class: bool = False,
        align: float = 0.0,
        border_px: int = 0,
        teacher_mirror: bool = False,
        jitter: float = 0.2,
        jitter_prob: float = 0.0,
        blur_prob: float = 0.0,
        feature_weight: float = 0.0,
        feature_classes: Sequence[int] | None = None,
        feature_min_share: float = 0.75,
        distill_weight: float = 0.0,
        mask_weight: float = 0.0,
        mask_ratio: float = 0.7,
        mask_block_share: float = 0.125,
        rebuild_weight: float = 0.0,
        rebuild_ratio: float = 0.4,
        back_weight: float = 0.0,
        class_match: float = 0.0,
    ) -> None:
        module: Any = MODELS.build(segmentor) if isinstance(segmentor, dict) else segmentor
        super().__init__(data_preprocessor=PairPreprocessor(module.data_preprocessor))
        check_arguments(
            warmup_iters=warmup_iters,
            mix_weight=mix_weight,
            ema_decay=ema_decay,
            jitter=jitter,
            jitter_prob=jitter_prob,
            blur_prob=blur_prob,
            feature_weight=feature_weight,
            feature_min_share=feature_min_share,
            distill_weight=distill_weight,
            mask_weight=mask_weight,
            mask_ratio=mask_ratio,
            mask_block_share=mask_block_share,
            rebuild_weight=rebuild_weight,
            rebuild_ratio=rebuild_ratio,
            back_weight=back_weight,
            class_match=class_match,
        )
        check_mix_classes(mix_classes)
        check_classes(feature_classes, num_classes=module.decode_head.num_classes)
        self.source_losses = SourceLosses(
            module,
            feature_weight=feature_weight,
            feature_classes=feature_classes,
            feature_min_share=feature_min_share,
            distill_weight=distill_weight,
        )
        self.segmentor = module
        self.warmup_iters = warmup_iters
        self.mix_weight = mix_weight
        self.mix_classes: MixClasses = mix_classes
        self.ema_decay = ema_decay
        self.augment = {"jitter": jitter, "jitter_prob": jitter_prob, "blur_prob": blur_prob}
        self.mask_weight = mask_weight
        self.mask_ratio = mask_ratio
        self.mask_block_share = mask_block_share
        self.rebuild_weight = rebuild_weight
        self.back_weight = back_weight
        self.teacher_mirror = teacher_mirror
        head = module.decode_head
        self.labeler = PseudoLabeler(
            num_classes=head.num_classes,
            kind=head.score_kind,
            ignore_index=head.ignore_index,
            weighting=weighting,
            confidence=confidence,
            per_class=per_class,
            align=align,
            border_px=border_px,
        )
        # Without them, the training state has nothing of them.
        self.rebuilder = (
            FeatureRebuilder(module.backbone.embed_dim, ratio=rebuild_ratio, num_maps=len(module.backbone.out_layers))
            if rebuild_weight
            else None
        )
        self.class_match = ClassMatch(num_classes=head.num_classes, prob=class_match) if class_match else None
        self.health = PseudoLabelHealth(num_classes=head.num_classes, ignore_index=head.ignore_index)
        self.ema = EmaWeights(module)
        self.iteration: Tensor
        self.register_buffer("iteration", torch.zeros((), dtype=torch.int64))
        self._count = HostCount()

    def forward(
        self,
        inputs: Tensor | None = None,
        data_samples: list[SegDataSample] | None = None,
        mode: str = "tensor",
        source: Batch | None = None,
        target: Batch | None = None,
    ) -> Any:
        """Run one of mmengine's three modes; "loss" takes `source` and `target` batches, the others `inputs`.

        Args:
            inputs: (B, 3, H, W) normalised images for "tensor" and "predict".
            data_samples: Their samples.
            mode: "loss", "predict" or "tensor".
            source: `inputs` (B, 3, H, W) and `data_samples` with labels, for "loss".
            target: `inputs` (B, 3, H, W) and `data_samples` without labels, with or without a `plain` view, for "loss".
        """
        if mode != "loss":
            return self.segmentor(inputs, data_samples, mode=mode)
        assert source is not None
        assert target is not None
        return self.loss(source, target)

    def loss(self, source: Batch, target: Batch) -> dict[str, Tensor]:
        """Return the losses `source.*` and, after the warm-up, `mix.*`, `masked.*`, `rebuilt.*`, `back.*`."""
        iteration = self._count.take(self.iteration)
        self.ema.update(self.segmentor, iteration, self.ema_decay)
        source_labels = torch.stack([sample.gt_sem_seg.data[0] for sample in source["data_samples"]])
        images = target["inputs"]
        plain = target.get("plain", images)
        source = self._match_classes(source, source_labels, plain, target["data_samples"])
        losses: dict[str, Tensor] = self.source_losses(self.segmentor, source, source_labels)
        if iteration < self.warmup_iters:
            return losses
        # From the iteration on that the teacher's shares are followed, too.
        self.labeler.observe_source(source_labels)
        pseudo = self.label_target(plain, target["data_samples"])
        self._observe(iteration, source_labels, pseudo, plain)
        if self.class_match is not None:
            self.class_match.observe_target(plain, pseudo.labels_BHW, pseudo.confidence_BHW)
        of_source = Labelled(source["inputs"], source_labels, torch.ones_like(pseudo.weights_BHW))
        of_target = Labelled(images, pseudo.labels_BHW, pseudo.weights_BHW)
        losses |= scale_losses(self._mixed_losses(of_source, of_target, "mix"), self.mix_weight)
        if self.mask_weight:
            hidden = mask_blocks(self._augment_images(images), ratio=self.mask_ratio, block_share=self.mask_block_share)
            masked = self._losses(hidden, pseudo.labels_BHW, pseudo.weights_BHW, "masked")
            losses |= scale_losses(masked, self.mask_weight)
        if self.rebuilder is not None:
            rebuilt = self.rebuilder(self.segmentor.extract_feat(self._augment_images(images)))
            found = head_losses(self.segmentor, rebuilt, pseudo.labels_BHW, pseudo.weights_BHW)
            losses |= scale_losses({f"rebuilt.{name}": value for name, value in found.items()}, self.rebuild_weight)
        # Last, so that it draws nothing before the other terms.
        if self.back_weight:
            losses |= scale_losses(self._mixed_losses(of_target, of_source, "back"), self.back_weight)
        return losses

    @torch.no_grad()
    def label_target(self, inputs: Tensor, data_samples: list[SegDataSample]) -> PseudoLabels:
        """Return the teacher's labels for target images (B, 3, H, W)."""
        valid_BHW = valid_pixels(data_samples, inputs.shape[-2], inputs.shape[-1], inputs.device)
        predict = predict_over_mirrors if self.teacher_mirror else predict_scores
        pseudo: PseudoLabels = self.labeler(predict(self.segmentor, inputs, self.ema.weights()), valid_BHW)
        return pseudo

    def as_teacher(self) -> AbstractContextManager[None]:
        """Return a context in which the segmentor holds the teacher's weights, and `ema` the student's."""
        return self.ema.swap(self.segmentor)

    @torch.no_grad()
    def _observe(self, iteration: int, source_labels: Tensor, pseudo: PseudoLabels, images: Tensor) -> None:
        compare = iteration % AGREEMENT_EVERY == 0
        self.health.observe(
            source_labels_BHW=source_labels,
            teacher_labels_BHW=pseudo.labels_BHW,
            confidence_BHW=pseudo.confidence_BHW,
            weights_BHW=pseudo.weights_BHW,
            student_labels_BHW=predict_scores(self.segmentor, images, {}).argmax(dim=1) if compare else None,
        )

    @torch.no_grad()
    def _match_classes(
        self, source: Batch, labels_BHW: Tensor, target_B3HW: Tensor, target_samples: list[SegDataSample]
    ) -> Batch:
        if self.class_match is None:
            return source
        inner: Any = self.data_preprocessor.inner
        height_px, width_px = target_B3HW.shape[-2:]
        valid_BHW = valid_pixels(target_samples, height_px, width_px, target_B3HW.device)
        self.class_match.observe_region(target_B3HW, valid_BHW)
        self.class_match.observe_source(source["inputs"], labels_BHW)
        moved = self.class_match(source["inputs"], labels_BHW, mean_3=inner.mean, std_3=inner.std)
        return {**source, "inputs": moved}

    def _mixed_losses(self, front: Labelled, ground: Labelled, name: str) -> dict[str, Tensor]:
        """Return the losses on `ground` with half of the classes of `front` pasted onto it."""
        mixed = paste_labelled(class_mix(front.labels_BHW, classes_of=self.mix_classes), front, ground)
        return self._losses(self._augment_images(mixed.images_B3HW), mixed.labels_BHW, mixed.weights_BHW, name)

    def _losses(self, images: Tensor, labels_BHW: Tensor, weights_BHW: Tensor, name: str) -> dict[str, Tensor]:
        losses = head_losses(self.segmentor, self.segmentor.extract_feat(images), labels_BHW, weights_BHW)
        return {f"{name}.{key}": value for key, value in losses.items()}

    @torch.no_grad()
    def _augment_images(self, images: Tensor) -> Tensor:
        if not (self.augment["jitter_prob"] or self.augment["blur_prob"]):
            return images
        inner: Any = self.data_preprocessor.inner
        return strong_augment(images, mean_3=inner.mean, std_3=inner.std, **self.augment)
