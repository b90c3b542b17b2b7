"""Source-free adaptation: a trained model learns from unlabelled target images alone, held near what it started as."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import torch
from mmengine.model import BaseModel
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from rs_adapt.config.facts import ConfigNode
from rs_adapt.errors import ConfigError
from rs_adapt.processes import rank_and_world_size
from rs_adapt.ranges import NOT_NEGATIVE, SHARE_BELOW_1, check_ranges
from rs_adapt.registry import MODELS
from rs_adapt.strategies.class_mix import class_mix, paste
from rs_adapt.strategies.ema import EmaWeights
from rs_adapt.strategies.label_counts import HostCount
from rs_adapt.strategies.pair import Batch, PairPreprocessor, head_losses, scale_losses
from rs_adapt.strategies.pseudo_labels import PseudoLabeler, PseudoLabels, Weighting, probabilities, valid_pixels
from rs_adapt.strategies.scoring import predict_scores, scores_of


@MODELS.register_module()
class SourceFree(BaseModel):  # type: ignore[misc]
    """A segmentor that adapts to unlabelled images without a source, from the weights that it begins with.

    `loss = mix_weight * CE(mixed target images, teacher's labels) + anchor_weight * CE(the same, anchor's
    probabilities)`. The teacher is a moving average of the weights that train (`EmaWeights`; Tarvainen and Valpola,
    arXiv 1703.01780), as CoTTA (arXiv 2203.13591) uses it at test time; a mixed image has half of the classes that the
    teacher sees in the next image of the batch pasted onto it (ClassMix, arXiv 2007.07936). The anchor is the model of
    the first iteration, frozen: without labels nothing else says that a class that fades is still there. SHOT (arXiv
    2002.08546) freezes the classifier and TENT (arXiv 2006.10726) all but the norms for the same end; here everything
    that the method trains still trains.

    Teacher and anchor are tensors of the training state, so a resumed run has both, and needs the weights that it began
    with no longer. Weights that the run starts from have to be in the segmentor before the first iteration.

    Args:
        segmentor: A mmsegmentation `EncoderDecoder`, or its config.
        mix_weight: Weight of the loss on the teacher's labels, >= 0.
        anchor_weight: Weight of the loss on the anchor's probabilities, >= 0; 0 is off.
        ema_decay: Largest share of the old average, in [0, 1).
        weighting: The weight of a label: "none", "share" or "pixel"; see `PseudoLabeler`.
        confidence: Threshold of a sure pixel, or the share of sure pixels such as "60%"; None with weighting "none".
        per_class: Scale the threshold by class, or take the share of each class.
        border_px: Border of the image that gets no label, pixels.

    Raises:
        ConfigError: A value is out of its range, or several processes divide the batch, whose images are mixed.
    """

    def __init__(
        self,
        *,
        segmentor: ConfigNode | nn.Module,
        mix_weight: float = 1.0,
        anchor_weight: float = 1.0,
        ema_decay: float = 0.99,
        weighting: Weighting = "none",
        confidence: float | str | None = None,
        per_class: bool = False,
        border_px: int = 0,
    ) -> None:
        module: Any = MODELS.build(segmentor) if isinstance(segmentor, dict) else segmentor
        super().__init__(data_preprocessor=PairPreprocessor(module.data_preprocessor))
        check_ranges(
            "strategy.",
            mix_weight=(mix_weight, NOT_NEGATIVE),
            anchor_weight=(anchor_weight, NOT_NEGATIVE),
            ema_decay=(ema_decay, SHARE_BELOW_1),
        )
        if rank_and_world_size()[1] > 1:
            raise ConfigError(
                "Source-free adaptation mixes the images of a batch with each other, so it runs in one process. Leave "
                "--processes out."
            )
        head = module.decode_head
        self.segmentor = module
        self.mix_weight = mix_weight
        self.anchor_weight = anchor_weight
        self.ema_decay = ema_decay
        self.labeler = PseudoLabeler(
            num_classes=head.num_classes,
            kind=head.score_kind,
            ignore_index=head.ignore_index,
            weighting=weighting,
            confidence=confidence,
            per_class=per_class,
            border_px=border_px,
        )
        self.ema = EmaWeights(module)
        self.anchor = EmaWeights(module)
        self.iteration: Tensor
        self.register_buffer("iteration", torch.zeros((), dtype=torch.int64))
        self._count = HostCount()

    def forward(
        self,
        inputs: Tensor | None = None,
        data_samples: list[SegDataSample] | None = None,
        mode: str = "tensor",
        target: Batch | None = None,
    ) -> Any:
        """Run one of mmengine's three modes; "loss" takes a `target` batch, the others `inputs`.

        Args:
            inputs: (B, 3, H, W) normalised images for "tensor" and "predict".
            data_samples: Their samples.
            mode: "loss", "predict" or "tensor".
            target: `inputs` (B, 3, H, W) and `data_samples` without labels, with or without a `plain` view, for "loss".
        """
        if mode != "loss":
            return self.segmentor(inputs, data_samples, mode=mode)
        assert target is not None
        return self.loss(target)

    def loss(self, target: Batch) -> dict[str, Tensor]:
        """Return the losses `mix.*` and `anchor.loss`, and two measures of the teacher; updates the teacher.

        `teacher.confidence` is the mean probability of the teacher's labels, `teacher.anchor_agreement` the share of
        pixels with equal labels from teacher and anchor; neither is a loss.
        """
        iteration = self._count.take(self.iteration)
        if iteration == 0:
            # The first average is the weights themselves.
            self.anchor.update(self.segmentor, 0, 0.0)
        self.ema.update(self.segmentor, iteration, self.ema_decay)
        images = target["inputs"]
        plain = target.get("plain", images)
        pseudo = self.label_target(plain, target["data_samples"])
        head = self.segmentor.decode_head
        with torch.no_grad():
            anchor_BKHW = probabilities(predict_scores(self.segmentor, plain, self.anchor.weights()), head.score_kind)
        # The next image of the batch, and the first one for the last.
        paste_BHW = class_mix(pseudo.labels_BHW.roll(1, dims=0))

        def mixed(values: Tensor) -> Tensor:
            return paste(paste_BHW, values.roll(1, dims=0), values)

        labels_BHW = mixed(pseudo.labels_BHW)
        labelled_BHW = labels_BHW != head.ignore_index
        features = self.segmentor.extract_feat(mixed(images))
        losses = head_losses(self.segmentor, features, labels_BHW, mixed(pseudo.weights_BHW))
        named = {f"mix.{name}": value for name, value in scale_losses(losses, self.mix_weight).items()}
        if self.anchor_weight:
            scores_BKHW = scores_of(self.segmentor, features, images)
            logarithms_BKHW = probabilities(scores_BKHW, head.score_kind).clamp_min(1e-8).log()
            surprise_BHW = -(mixed(anchor_BKHW) * logarithms_BKHW).sum(dim=1)
            mean = (surprise_BHW * labelled_BHW).sum() / labelled_BHW.sum().clamp_min(1)
            named["anchor.loss"] = self.anchor_weight * mean
        named["teacher.confidence"] = _mean_over(pseudo.confidence_BHW, pseudo.labels_BHW != head.ignore_index)
        agrees_BHW = anchor_BKHW.argmax(dim=1) == pseudo.labels_BHW
        named["teacher.anchor_agreement"] = _mean_over(agrees_BHW.float(), pseudo.labels_BHW != head.ignore_index)
        return named

    @torch.no_grad()
    def label_target(self, inputs: Tensor, data_samples: list[SegDataSample]) -> PseudoLabels:
        """Return the teacher's labels for target images (B, 3, H, W)."""
        valid_BHW = valid_pixels(data_samples, inputs.shape[-2], inputs.shape[-1], inputs.device)
        pseudo: PseudoLabels = self.labeler(predict_scores(self.segmentor, inputs, self.ema.weights()), valid_BHW)
        return pseudo

    def as_teacher(self) -> AbstractContextManager[None]:
        """Return a context in which the segmentor holds the teacher's weights, and `ema` the student's."""
        return self.ema.swap(self.segmentor)


def _mean_over(values_BHW: Tensor, counts_BHW: Tensor) -> Tensor:
    return (values_BHW * counts_BHW).sum() / counts_BHW.sum().clamp_min(1)
