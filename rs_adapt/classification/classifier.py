"""Scene classification as a model of mmengine: images to one class each, by the names of the classes.

Shapes: B images, K classes, C dimensions of the space, F width of the domain feature.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from mmengine.model import BaseModel
from mmengine.structures import PixelData
from torch import Tensor, nn

from rs_adapt.backbones.class_tokens import class_tokens
from rs_adapt.classification.class_names import ClassNames, Names
from rs_adapt.classification.domain_model import DomainModel
from rs_adapt.classification.learners.contract import Conditions, PromptLearner
from rs_adapt.config.facts import ConfigNode
from rs_adapt.registry import MODELS

if TYPE_CHECKING:
    from mmseg.structures import SegDataSample

# A logit that no softmax sees, and that arithmetic does not turn into NaN.
_EXCLUDED = -1e4


@MODELS.register_module()
class SceneClassifier(BaseModel):  # type: ignore[misc]
    """`logits_k = s cos(v(x), t_k)` over the classes of an image's group, with the loss of cross-entropy.

    It has the parts that the engine knows of a segmentor, `backbone` (with the method in the place of its adapter) and
    `decode_head`, and predicts maps of one pixel, so that one image counts once in a confusion matrix.

    What no training changes is computed once a run and kept: vectors of images where the method leaves the visual tower
    alone, and domain features. Each is computed for its image alone, not in a batch, because the last bits of a matrix
    product depend on the batch, and a run that is resumed meets other batches.

    Args:
        backbone: Settings of the visual tower, of class `Clip`.
        decode_head: Settings of `ClassNames`.
        domain: Settings of `DomainModel`; None for methods that need none.
        data_preprocessor: Settings of mmengine's image preprocessor.
        train_cfg: Empty; accepted because segmentors have it.
        test_cfg: `mode="whole"`: images are seen whole.
    """

    def __init__(
        self,
        *,
        backbone: ConfigNode,
        decode_head: ConfigNode,
        domain: ConfigNode | None = None,
        data_preprocessor: ConfigNode | None = None,
        train_cfg: ConfigNode | None = None,
        test_cfg: Any = None,
    ) -> None:
        super().__init__(data_preprocessor=data_preprocessor)
        self.test_cfg = test_cfg
        self.backbone: Any = MODELS.build(backbone)
        self.decode_head: ClassNames = MODELS.build(decode_head)
        adapter = self.backbone.adapter
        learner = self.learner
        leaves_images = adapter is None or (learner is not None and not learner.trains_image)
        self.image_is_frozen = bool(self.backbone.frozen and leaves_images)
        self.domain: DomainModel | None = None
        if domain is not None:
            given = {} if data_preprocessor is None else data_preprocessor
            self.domain = DomainModel(**domain, given_mean=given["mean"], given_std=given["std"])
        # Without a file, and on the meta device, there are no values to start from.
        if learner is not None and next(self.parameters()).device.type != "meta":
            learner.start(self.decode_head)
        self._image_vectors: dict[tuple[str, int], Tensor] = {}
        self._domain_features: dict[tuple[str, int], Tensor] = {}

    @property
    def learner(self) -> PromptLearner | None:
        """The method, where it is one of classification; a property, so that its tensors have one name."""
        adapter = self.backbone.adapter
        return adapter if isinstance(adapter, PromptLearner) else None

    @property
    def frozen_parts(self) -> list[nn.Module]:
        """The parts beside the visual tower in which nothing trains."""
        return [part for part in (self.decode_head, self.domain) if part is not None]

    def forward(
        self, inputs: Tensor, data_samples: Sequence[SegDataSample] | None = None, mode: str = "tensor"
    ) -> dict[str, Tensor] | list[SegDataSample] | Tensor:
        """Return losses, samples with predictions, or logits (B, K) of all scored classes.

        Args:
            inputs: Normalised images (B, 3, H, W).
            data_samples: Labels (1, 1, 1) as `gt_sem_seg`, and the meta facts of `SceneDataset`.
            mode: "loss", "predict" or "tensor".
        """
        samples = list(data_samples or [])
        if mode == "loss":
            labels_B = torch.stack([sample.gt_sem_seg.data.flatten()[0] for sample in samples]).to(inputs.device)
            return {"loss_class": F.cross_entropy(self._logits(inputs, samples, "trained"), labels_B)}
        logits_BK = self._logits(inputs, samples, "scored")
        if mode == "tensor":
            return logits_BK
        groups_K = torch.tensor(self.decode_head.candidates, device=logits_BK.device)
        for sample, logits_K in zip(samples, logits_BK, strict=True):
            logits_K = torch.where(groups_K == sample.group, logits_K, _EXCLUDED)
            sample.seg_logits = PixelData(data=logits_K[:, None, None])
            sample.pred_sem_seg = PixelData(data=logits_K.argmax(dim=0).view(1, 1, 1))
        return samples

    def _logits(self, x_B3HW: Tensor, samples: Sequence[SegDataSample], names: Names) -> Tensor:
        conditions = self._conditions(x_B3HW, samples)
        head, learner = self.decode_head, self.learner
        vectors_BC = self._vectors(x_B3HW, samples, conditions)
        if learner is None:
            texts = head.plain_vectors(names)
        else:
            vectors_BC = learner.image_vectors(vectors_BC, conditions)
            texts = learner.class_vectors(head, names, conditions)
        # Rounding to bfloat16 times the scale would be a third of a logit.
        with torch.autocast(vectors_BC.device.type, enabled=False):
            image_BC = F.normalize(vectors_BC.float(), dim=1)
            pattern = "bc,kc->bk" if texts.ndim == 2 else "bc,bkc->bk"
            return head.scale * torch.einsum(pattern, image_BC, texts.float())

    def _conditions(self, x_B3HW: Tensor, samples: Sequence[SegDataSample]) -> Conditions:
        learner = self.learner
        image_BC = domain_BF = None
        if learner is not None and learner.needs_image:
            image_BC = F.normalize(self._frozen_vectors(x_B3HW, samples), dim=1)
        if learner is not None and learner.needs_domain:
            assert self.domain is not None
            domain_BF = _remember(self._domain_features, self.domain, x_B3HW, samples)
        return Conditions(image_BC=image_BC, domain_BF=domain_BF)

    def _vectors(self, x_B3HW: Tensor, samples: Sequence[SegDataSample], conditions: Conditions) -> Tensor:
        if self.image_is_frozen:
            return self._frozen_vectors(x_B3HW, samples)
        prompts = () if self.learner is None else self.learner.visual_prompts(conditions)
        return self.decode_head.project(class_tokens(self.backbone, x_B3HW, prompts))

    def _frozen_vectors(self, x_B3HW: Tensor, samples: Sequence[SegDataSample]) -> Tensor:
        def compute(x_13HW: Tensor) -> Tensor:
            return self.decode_head.project(class_tokens(self.backbone, x_13HW))

        return _remember(self._image_vectors, compute, x_B3HW, samples)


@torch.no_grad()
def _remember(
    known: dict[tuple[str, int], Tensor],
    compute: Callable[[Tensor], Tensor],
    x_B3HW: Tensor,
    samples: Sequence[SegDataSample],
) -> Tensor:
    """Return what does not change in training for each image, computed where its file and view are new."""
    rows = []
    for index, x_13HW in enumerate(torch.split(x_B3HW, 1)):
        sample = samples[index] if samples else None
        key = None if sample is None else (str(sample.img_path), int(sample.view))
        row_1C = known.get(key) if key is not None else None
        if row_1C is None:
            row_1C = compute(x_13HW).float()
            if key is not None:
                known[key] = row_1C
        rows.append(row_1C)
    return torch.cat(rows)
