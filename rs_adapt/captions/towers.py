"""CLIP's two towers as one model: images and captions to vectors of one space.

CLIP: Radford et al., arXiv 2103.00020. Shapes: B images, T texts, N tokens, D width of the visual tower, C dimensions
of the space.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from mmengine.model import BaseModel
from mmengine.structures import PixelData
from torch import Tensor, nn

from rs_adapt.backbones.class_tokens import class_tokens
from rs_adapt.backbones.clip import Activation
from rs_adapt.backbones.filling import fill_random
from rs_adapt.backbones.vit import Vit
from rs_adapt.backbones.weights import RANDOM
from rs_adapt.config.facts import ConfigNode
from rs_adapt.errors import WeightsError
from rs_adapt.language.clip_files import ClipFile, read_clip
from rs_adapt.language.text_tower import TextTower
from rs_adapt.language.tokenizer import VOCABULARY
from rs_adapt.ranges import COUNT, check_ranges
from rs_adapt.registry import MODELS

if TYPE_CHECKING:
    from mmseg.structures import SegDataSample

    from rs_adapt.adapters import Adapter

# CLIP clips the factor of its cosines at 100, and starts it at a temperature of 0.07.
MAX_LOG_SCALE = math.log(100.0)
# A logit that no softmax sees, and that arithmetic does not turn into NaN.
_EXCLUDED = -1e4
_START_LOG_SCALE = math.log(1 / 0.07)


@MODELS.register_module()
class CaptionHead(nn.Module):
    """What CLIP has besides the visual ViT: its last norm and its map into the space, the text tower, and the scale.

    The scale trains in every case. Norm, map and text tower train where the tower is not frozen; otherwise an adapter
    in the text tower does.

    Attributes:
        text: The text tower.
        log_scale: Logarithm of the scale of cosines, a scalar in [0, ln 100]; CLIP's `logit_scale`.
        num_classes: Number of scored classes, which are kinds of items (see `CaptionModel`).
        score_kind: `logits`.

    Args:
        num_classes: Number of scored classes.
        in_channels: Width D of the visual tower, as every head has its channels.
        text_dim: Dimensions C of the space.
        text_width: Width of the text tower.
        text_depth: Its number of blocks.
        text_heads: Its number of attention heads.
        num_tokens: Size of its vocabulary.
        clip_weights: A file of CLIP with both towers; `random` or None for random weights.
        activation: Activation of the text tower; see `rs_adapt.backbones.Clip`.
        adapter: An adapter for the text tower, or its settings; None for none.
        frozen: Whether norm, map and text tower stay as they are; False allows no adapter.

    Raises:
        ConfigError: A number is out of its range, or a tower that trains has an adapter.
        IncompatibleCell: The adapter acts on the patches of images.
        WeightsError: The weights are missing or damaged, lack a tower, or are of a different size.
    """

    score_kind = "logits"
    # A scalar has no direction that decay could keep short.
    no_decay = ("log_scale",)

    def __init__(
        self,
        *,
        in_channels: Sequence[int],
        text_dim: int,
        text_width: int,
        text_depth: int,
        text_heads: int,
        num_tokens: int = VOCABULARY,
        num_classes: int = 1,
        clip_weights: str | Path | None = None,
        activation: Activation = "quick_gelu",
        adapter: Adapter | ConfigNode | None = None,
        frozen: bool = True,
    ) -> None:
        super().__init__()
        (image_dim,) = in_channels
        check_ranges("CaptionHead", in_channels=(image_dim, COUNT), num_classes=(num_classes, COUNT))
        self.num_classes = num_classes
        # Reading a file costs seconds, which a model without values, for counting, need not spend.
        on_meta = torch.empty(0).device.type == "meta"
        is_random = clip_weights is None or str(clip_weights) == RANDOM or on_meta
        content = None if is_random else _read_whole(Path(str(clip_weights)), text_dim=text_dim, image_dim=image_dim)
        built: Adapter | None = MODELS.build(adapter) if isinstance(adapter, dict) else adapter
        self.text = TextTower(
            embed_dim=text_width,
            depth=text_depth,
            num_heads=text_heads,
            text_dim=text_dim,
            num_tokens=num_tokens,
            activation=activation,
            adapter=built,
            frozen=frozen,
            weights=content,
        )
        self.norm, self.projection = nn.LayerNorm(image_dim), nn.Linear(image_dim, text_dim, bias=False)
        log_scale = None if content is None else content.log_scale
        self.log_scale = nn.Parameter(torch.tensor(_START_LOG_SCALE if log_scale is None else log_scale))
        if not on_meta:
            self._fill(content)
            self.after_step()
        for part in (self.norm, self.projection):
            part.requires_grad_(not frozen)

    @property
    def scale(self) -> Tensor:
        """The factor of the cosines, a scalar in [1, 100]."""
        return self.log_scale.exp()

    @torch.no_grad()
    def after_step(self) -> None:
        """Keep the logarithm of the scale in [0, ln 100], as CLIP does; called after every step of the optimizer."""
        self.log_scale.clamp_(0.0, MAX_LOG_SCALE)

    def project(self, class_BD: Tensor) -> Tensor:
        """Return the vectors of images, of length 1, fp32 (B, C), from the class tokens after the last block."""
        return F.normalize(self.projection(self.norm(class_BD)).float(), dim=1)

    def encode_texts(self, ids_TN: Tensor) -> Tensor:
        """Return the vectors of texts, of length 1, fp32 (T, C); for the tokens see `TextTower.forward`."""
        return F.normalize(self.text(ids_TN).float(), dim=1)

    @torch.no_grad()
    def _fill(self, content: ClipFile | None) -> None:
        if content is None or content.image is None:
            fill_random({f"head.{name}": value for name, value in self.projection.named_parameters()}, ())
            return
        self.norm.weight.copy_(content.image.norm_weight)
        self.norm.bias.copy_(content.image.norm_bias)
        self.projection.weight.copy_(content.image.weight)


@MODELS.register_module()
class CaptionModel(BaseModel):  # type: ignore[misc]
    """CLIP as a model of mmengine: it chooses one of several texts for an image.

    It has the parts that the engine knows of a segmentor, `backbone` (with an adapter or not) and `decode_head`. Items
    of a benchmark are images with candidate texts, of which the first is true; the class of an item is its kind. The
    prediction is a map of one pixel: the kind if the true text scores highest, else the last class, `wrong`, which no
    item has. So one item counts once in a confusion matrix, and the accuracy of a class is that of a kind.

    Args:
        backbone: Settings of the visual tower, of class `Clip`.
        decode_head: Settings of `CaptionHead`.
        data_preprocessor: Settings of mmengine's image preprocessor.
        train_cfg: Empty; accepted because segmentors have it.
        test_cfg: `mode="whole"`: images are seen whole.
    """

    def __init__(
        self,
        *,
        backbone: ConfigNode | Vit,
        decode_head: ConfigNode | CaptionHead,
        data_preprocessor: ConfigNode | None = None,
        train_cfg: ConfigNode | None = None,
        test_cfg: Any = None,
    ) -> None:
        super().__init__(data_preprocessor=data_preprocessor)
        self.test_cfg, self.train_cfg = test_cfg, train_cfg
        self.backbone: Any = MODELS.build(backbone) if isinstance(backbone, dict) else backbone
        self.decode_head: CaptionHead = MODELS.build(decode_head) if isinstance(decode_head, dict) else decode_head

    def forward(
        self,
        inputs: Tensor,
        data_samples: Sequence[SegDataSample] | None = None,
        mode: str = "tensor",
        ids_TN: Tensor | None = None,
    ) -> tuple[Tensor, Tensor] | list[SegDataSample]:
        """Return the vectors of images (B, C) and texts (T, C), of length 1, or samples with predictions.

        Args:
            inputs: Normalised images (B, 3, H, W).
            data_samples: For "predict", samples of `ChoiceDataset`.
            mode: "tensor" for vectors, "predict" for predictions; losses are `CaptionAlignment`'s.
            ids_TN: For "tensor", tokens of texts, int64.
        """
        image_BC = self.decode_head.project(class_tokens(self.backbone, inputs))
        if mode == "predict":
            return self._choose(image_BC, list(data_samples or []))
        assert ids_TN is not None
        return image_BC, self.decode_head.encode_texts(ids_TN)

    def _choose(self, image_BC: Tensor, samples: list[SegDataSample]) -> list[SegDataSample]:
        counts = [len(sample.texts) for sample in samples]
        # Items often share their texts, as those of one list of classes do.
        ids_TN = torch.cat([sample.texts for sample in samples]).to(image_BC.device)
        unique_UN, rows_T = torch.unique(ids_TN, dim=0, return_inverse=True)
        texts_TC = self.decode_head.encode_texts(unique_UN)[rows_T]
        wrong, scale = self.decode_head.num_classes - 1, self.decode_head.scale
        for sample, image_C, texts_XC in zip(samples, image_BC, torch.split(texts_TC, counts), strict=True):
            cosines_X = texts_XC @ image_C
            best_other = cosines_X[1:].max()
            # Equal scores are no choice, so they count as wrong.
            predicted = sample.kind if cosines_X[0] > best_other else wrong
            sample.set_metainfo({"margin": float(cosines_X[0] - best_other)})
            sample.pred_sem_seg = PixelData(data=torch.full((1, 1, 1), predicted, device=image_BC.device))
            # The choice between the true text and the best of the others, as calibration reads it.
            logits_K11 = cosines_X.new_full((wrong + 1, 1, 1), _EXCLUDED)
            logits_K11[sample.kind], logits_K11[wrong] = scale * cosines_X[0], scale * best_other
            sample.seg_logits = PixelData(data=logits_K11)
        return samples


def _read_whole(path: Path, *, text_dim: int, image_dim: int) -> ClipFile:
    content = read_clip(path)
    if content.image is None:
        raise WeightsError(
            f"{path} has no map from image features to the texts' space. Name a file of a whole CLIP with --weights."
        )
    if (shape := tuple(content.image.weight.shape)) != (text_dim, image_dim):
        raise WeightsError(
            f"{path}: its map of image features has shape {shape}, but the configuration needs "
            f"{(text_dim, image_dim)}. Name the file of the backbone's own model."
        )
    return content
