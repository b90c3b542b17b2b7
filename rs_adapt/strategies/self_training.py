"""Self-training for domain adaptation: learn the source, then mixtures of source and self-labelled target."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.model import BaseDataPreprocessor, BaseModel
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from rs_adapt.registry import MODELS
from rs_adapt.strategies.class_mix import class_mix
from rs_adapt.strategies.ema import EmaWeights
from rs_adapt.strategies.pseudo_labels import pseudo_labels, valid_pixels


class PairPreprocessor(BaseDataPreprocessor):  # type: ignore[misc]
    """Applies a segmentor's preprocessor to `{"source": batch, "target": batch}`, or to a plain batch."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, data: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """Normalise, pad and stack each domain's batch; a plain batch passes as in the segmentor itself."""
        if "source" not in data:
            return dict(self.inner(data, training))
        return {domain: self.inner(batch, training) for domain, batch in data.items()}


@MODELS.register_module()
class SelfTraining(BaseModel):  # type: ignore[misc]
    """Wraps a segmentor: source loss, and after a warm-up the loss on class-mixed images with a teacher's labels.

    As Earth-Adapter's release trains for adaptation (arXiv 2504.06220), after DACS (arXiv 2007.08702):
    `loss = loss(source) + mix_weight * q * loss(ClassMix(source, target, argmax teacher(target)))`, q = 1 unless
    `confidence` is given. The teacher is an average of the tensors that train (`EmaWeights`), run on the same frozen
    backbone; the student is what is evaluated.

    Departs from the reference (VisionXLab/Earth-Adapter @ 49a8ff8): the target batch carries no labels at all; padding
    gets no pseudo-label; the teacher survives a resume; no second frozen backbone; mixing starts at iteration
    `warmup_iters` counted from 0, one earlier.

    Args:
        segmentor: A mmsegmentation `EncoderDecoder`, or its config.
        warmup_iters: Iterations on the source alone, >= 0.
        mix_weight: Weight of the loss on mixed images.
        ema_decay: Largest share of the old average, in [0, 1).
        confidence: None for unweighted pseudo-labels, else the threshold of `pseudo_labels`.
    """

    def __init__(
        self,
        *,
        segmentor: dict[str, Any] | nn.Module,
        warmup_iters: int,
        mix_weight: float = 0.5,
        ema_decay: float = 0.99,
        confidence: float | None = None,
    ) -> None:
        module: Any = MODELS.build(segmentor) if isinstance(segmentor, dict) else segmentor
        super().__init__(data_preprocessor=PairPreprocessor(module.data_preprocessor))
        self.segmentor = module
        self.warmup_iters = warmup_iters
        self.mix_weight = mix_weight
        self.ema_decay = ema_decay
        self.confidence = confidence
        self.ema = EmaWeights(module)
        self.iteration: Tensor
        self.register_buffer("iteration", torch.zeros((), dtype=torch.int64))

    def forward(
        self,
        inputs: Tensor | None = None,
        data_samples: list[SegDataSample] | None = None,
        mode: str = "tensor",
        source: dict[str, Any] | None = None,
        target: dict[str, Any] | None = None,
    ) -> Any:
        """Run one of mmengine's three modes; "loss" takes `source` and `target` batches, the others `inputs`.

        Args:
            inputs: (B, 3, H, W) normalised images for "tensor" and "predict".
            data_samples: Their samples.
            mode: "loss", "predict" or "tensor".
            source: `inputs` (B, 3, H, W) and `data_samples` with labels, for "loss".
            target: `inputs` (B, 3, H, W) and `data_samples` without labels, for "loss".
        """
        if mode != "loss":
            return self.segmentor(inputs, data_samples, mode=mode)
        assert source is not None
        assert target is not None
        return self.loss(source, target)

    def loss(self, source: dict[str, Any], target: dict[str, Any]) -> dict[str, Tensor]:
        """Losses of one iteration, `source.*` and, after the warm-up, `mix.*`; both move the teacher one step."""
        iteration = int(self.iteration)
        self.ema.update(self.segmentor, iteration, self.ema_decay)
        self.iteration += 1
        losses = {f"source.{name}": value for name, value in self.segmentor(**source, mode="loss").items()}
        if iteration < self.warmup_iters:
            return losses
        labels_BHW, weight = self.label_target(target["inputs"], target["data_samples"])
        source_labels = torch.stack([sample.gt_sem_seg.data[0] for sample in source["data_samples"]])
        images, mixed_labels = class_mix(source["inputs"], source_labels, target["inputs"], labels_BHW)
        mixed = self.segmentor(images, _samples(mixed_labels), mode="loss")
        for name, value in mixed.items():
            losses[f"mix.{name}"] = value * (self.mix_weight * weight) if "loss" in name else value
        return losses

    @torch.no_grad()
    def label_target(self, inputs: Tensor, data_samples: list[SegDataSample]) -> tuple[Tensor, Tensor]:
        """Pseudo-labels (B, H, W) int64 of the teacher for target images, and their weight.

        The teacher runs in eval mode, without drop-out and with running statistics.
        """
        teacher = _Scores(self.segmentor)
        was_training = self.segmentor.training
        self.segmentor.eval()
        try:
            weights = {f"segmentor.{name}": value for name, value in self.ema.weights().items()}
            scores = torch.func.functional_call(teacher, weights, (inputs, [s.metainfo for s in data_samples]))
        finally:
            self.segmentor.train(was_training)
        head = self.segmentor.decode_head
        return pseudo_labels(
            scores,
            kind=head.score_kind,
            valid_BHW=valid_pixels(data_samples, inputs.shape[-2], inputs.shape[-1], inputs.device),
            ignore_index=head.ignore_index,
            confidence=self.confidence,
        )


class _Scores(nn.Module):
    """Gives a segmentor's per-pixel scores at the size of its input a `forward`, for `functional_call`."""

    def __init__(self, segmentor: nn.Module) -> None:
        super().__init__()
        self.segmentor: Any = segmentor

    def forward(self, inputs: Tensor, metas: list[dict[str, Any]]) -> Tensor:
        features = self.segmentor.extract_feat(inputs)
        scores: Tensor = self.segmentor.decode_head.predict(features, metas, self.segmentor.test_cfg)
        return scores


def _samples(labels_BHW: Tensor) -> list[SegDataSample]:
    samples = []
    for label in labels_BHW:
        sample = SegDataSample(metainfo={"img_shape": tuple(label.shape), "ori_shape": tuple(label.shape)})
        sample.gt_sem_seg = PixelData(data=label[None])
        samples.append(sample)
    return samples
