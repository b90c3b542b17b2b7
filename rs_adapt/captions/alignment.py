"""Training of CLIP on captions: contrast, hard negatives, and distillation from its own average.

DeGLA: arXiv 2504.16801. Shapes: B pairs, K negatives a pair, N tokens, C dimensions of the space.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from mmengine.model import BaseModel
from torch import Tensor, nn
from torch.func import functional_call

from rs_adapt.captions.objectives import (
    TEXT_SCALE,
    NegativePool,
    caption_contrast,
    embedding_distance,
    grounded_contrast,
)
from rs_adapt.config.facts import ConfigNode
from rs_adapt.errors import ConfigError
from rs_adapt.ranges import NOT_NEGATIVE, SHARE_BELOW_1, check_ranges
from rs_adapt.registry import MODELS
from rs_adapt.strategies.ema import EmaWeights
from rs_adapt.strategies.pair import PairPreprocessor

if TYPE_CHECKING:
    from mmseg.structures import SegDataSample


@dataclass(frozen=True, kw_only=True, eq=False)
class CaptionBatch:
    """Pairs of an image and a caption, on one device.

    Attributes:
        images: Normalised images (B, 3, H, W).
        text: Tokens of their captions, int64 (B, N).
        neg_text: Tokens of the negatives of each caption, int64 (B, K, N); K may be 0.
    """

    images: Tensor
    text: Tensor
    neg_text: Tensor


@MODELS.register_module()
class CaptionAlignment(BaseModel):  # type: ignore[misc]
    """CLIP with the objectives of DeGLA, of which any can be left out.

    `L = L_base + igc_weight * IGC + tgc_weight * TGC + distill_weight * distance`, with `L_base` of `caption_contrast`.
    The teacher is an average of every tensor that trains, the scale among them; it starts at the given weights (the
    pretrained CLIP) and moves by `teacher <- decay * teacher + (1 - decay) * student` once an iteration. It runs on the
    student's modules, so what is frozen is in memory once. Plain CLIP: no negatives, all weights 0. NegCLIP's kind of
    training (Yuksekgonul et al., ICLR 2023): negatives, all weights 0.

    Departs from the paper in: with an adapter, only its tensors and the scale are averaged, as nothing else moves; the
    average moves before an iteration's loss, not after its step, which gives the same losses.

    Attributes:
        needs_negatives: Whether a batch without negatives is refused.

    Args:
        segmentor: The towers with their pretrained weights, a `CaptionModel`, or its config. The name is that of every
            strategy's model.
        use_negatives: Whether negatives stand in the denominator of `L_base`.
        igc_weight: Weight of the image-grounded contrast, >= 0; 0.1 in the paper.
        tgc_weight: Weight of the text-grounded contrast, >= 0; 0.1 in the paper.
        distill_weight: Weight of the distance to the teacher, >= 0; 0.005 in the paper, for batches of 256.
        ema_decay: Share that the teacher keeps in each step, in [0, 1); 0.9996 in the paper.
        pool: See `caption_contrast`.

    Raises:
        ConfigError: A value is out of its range.
    """

    def __init__(
        self,
        *,
        segmentor: ConfigNode | nn.Module,
        use_negatives: bool = True,
        igc_weight: float = 0.1,
        tgc_weight: float = 0.1,
        distill_weight: float = 0.005,
        ema_decay: float = 0.9996,
        pool: NegativePool = "own",
    ) -> None:
        module: Any = MODELS.build(segmentor) if isinstance(segmentor, dict) else segmentor
        super().__init__(data_preprocessor=PairPreprocessor(module.data_preprocessor))
        check_ranges(
            "strategy.",
            igc_weight=(igc_weight, NOT_NEGATIVE),
            tgc_weight=(tgc_weight, NOT_NEGATIVE),
            distill_weight=(distill_weight, NOT_NEGATIVE),
            ema_decay=(ema_decay, SHARE_BELOW_1),
        )
        if pool not in ("own", "batch"):
            raise ConfigError(f"strategy.pool is {pool!r}. Allowed: own, batch.")
        self.segmentor = module
        self.use_negatives, self.pool, self.ema_decay = use_negatives, pool, ema_decay
        self.igc_weight, self.tgc_weight, self.distill_weight = igc_weight, tgc_weight, distill_weight
        # Only these two look at the teacher.
        self.ema = EmaWeights(module) if tgc_weight or distill_weight else None

    @property
    def needs_negatives(self) -> bool:
        """Whether an objective in use compares with negatives."""
        return self.use_negatives or self.igc_weight > 0 or self.tgc_weight > 0

    def forward(
        self,
        inputs: Tensor | None = None,
        data_samples: Sequence[SegDataSample] | None = None,
        mode: str = "tensor",
    ) -> Any:
        """Run one of mmengine's modes.

        Args:
            inputs: Normalised images (B, 3, H, W).
            data_samples: For "loss", samples of `CaptionDataset`.
            mode: "loss"; the others are those of `CaptionModel`.
        """
        if mode != "loss":
            return self.segmentor(inputs, data_samples, mode=mode)
        assert inputs is not None
        assert data_samples is not None
        text, neg_text = (
            torch.stack([getattr(sample, name) for sample in data_samples]).to(inputs.device)
            for name in ("text", "neg_text")
        )
        return self.loss(CaptionBatch(images=inputs, text=text, neg_text=neg_text))

    def loss(self, batch: CaptionBatch) -> dict[str, Tensor]:
        """Return the weighted losses by name; their sum is what is minimised. `scale` is no loss.

        Raises:
            ConfigError: The batch has no negatives and an objective needs them.
        """
        if self.ema is not None:
            # Before the first iteration both are equal, so nothing moves.
            self.ema.blend(self.segmentor, self.ema_decay)
        num_negatives = batch.neg_text.shape[1]
        if self.needs_negatives and not num_negatives:
            raise ConfigError(
                "This strategy compares each caption with negatives, and the batch has none: set captions.negatives to "
                "1 or more, or use --strategy clip."
            )
        with_negatives = num_negatives > 0 and (self.needs_negatives or self.distill_weight > 0)
        ids_TN = _texts_of(batch, with_negatives)
        image_BC, texts_TC = self.segmentor(batch.images, ids_TN=ids_TN)
        teacher = None if self.ema is None else self._run_teacher(self.ema, batch.images, ids_TN)
        # Rounding to bfloat16 times the scale would be a third of a logit.
        with torch.autocast(image_BC.device.type, enabled=False):
            losses = self._losses(image_BC, texts_TC, teacher)
        return losses | {"scale": self.segmentor.decode_head.scale.detach()}

    def _losses(self, image_BC: Tensor, texts_TC: Tensor, teacher: tuple[Tensor, Tensor] | None) -> dict[str, Tensor]:
        text_BC, negative_BKC = _split(texts_TC, len(image_BC))
        scale = self.segmentor.decode_head.scale
        used_BKC = negative_BKC if self.use_negatives else None
        losses = {"loss_contrast": caption_contrast(image_BC, text_BC, scale, negative_BKC=used_BKC, pool=self.pool)}
        if self.igc_weight:
            losses["loss_igc"] = self.igc_weight * grounded_contrast(image_BC, text_BC, negative_BKC, scale)
        if teacher is not None:
            teacher_image_BC, teacher_texts_TC = teacher
            if self.tgc_weight:
                teacher_text_BC, _ = _split(teacher_texts_TC, len(image_BC))
                contrast = grounded_contrast(text_BC, teacher_text_BC, negative_BKC, TEXT_SCALE)
                losses["loss_tgc"] = self.tgc_weight * contrast
            if self.distill_weight:
                distance = embedding_distance([(image_BC, teacher_image_BC), (texts_TC, teacher_texts_TC)])
                losses["loss_distill"] = self.distill_weight * distance
        return losses

    @torch.no_grad()
    def _run_teacher(self, ema: EmaWeights, images: Tensor, ids_TN: Tensor) -> tuple[Tensor, Tensor]:
        """Return the teacher's vectors of images (B, C) and texts (T, C), without the dropout of adapters."""
        student = self.segmentor
        was_training = student.training
        student.eval()
        vectors: tuple[Tensor, Tensor] = functional_call(student, ema.weights(), (images,), {"ids_TN": ids_TN})
        student.train(was_training)
        return vectors


def _texts_of(batch: CaptionBatch, with_negatives: bool) -> Tensor:
    """Return the captions' tokens, then those of the negatives pair by pair (B or B (1 + K), N)."""
    return torch.cat([batch.text, batch.neg_text.flatten(0, 1)]) if with_negatives else batch.text


def _split(texts_TC: Tensor, num_pairs: int) -> tuple[Tensor, Tensor]:
    """Return the captions' vectors (B, C), and those of the negatives (B, K, C)."""
    negative_XC = texts_TC[num_pairs:]
    return texts_TC[:num_pairs], negative_XC.reshape(num_pairs, -1, texts_TC.shape[1])
