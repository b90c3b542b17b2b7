"""Decode head that aggregates costs: cosines of places with class names, refined in space and over classes.

CAT-Seg: Cho et al., CVPR 2024, arXiv 2303.11797. Shapes: B batch, C dimensions of the space, D channels of a level, E
channels of a cost map, K classes, R of them, h/w grid, H/W pixels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rs_adapt.backbones.clip import Activation
from rs_adapt.config.facts import ConfigNode
from rs_adapt.errors import ConfigError
from rs_adapt.heads._sizes import ImageMeta
from rs_adapt.heads.cost_parts import CostLayer, DecoderStage
from rs_adapt.heads.named import NamedHead, last_values
from rs_adapt.heads.pixel_head import resize
from rs_adapt.processes import global_mean_denominator
from rs_adapt.ranges import COUNT, check_numbers, check_ranges
from rs_adapt.registry import MODELS

# Side of the convolution that embeds a cost map (the paper's).
_EMBED_SIDE = 7


@MODELS.register_module()
class CostHead(NamedHead):
    """Cost aggregation (CAT-Seg, arXiv 2303.11797, section 3): class scores from maps of cosines, one map a class.

    1. Cost: `c_k = cos(P LN(x), t_k)` of the last level with the vector of the class, the mean over sentences.
    2. Embedding: `f_k = conv7x7(c_k)`, the same for all classes (E channels).
    3. Aggregation, `num_layers` times: in space, two blocks of attention in windows (the second shifted), map by map,
       with image features next to queries and keys; over classes, attention of the R embeddings of each place, with the
       classes' vectors next to queries and keys, and no positions.
    4. Decoder: as many times as there are `decoder_channels`, twice the size, next to features of an earlier level;
       then one score a class.

    No weight belongs to a class, so classes may be left out, added and reordered when the model is used.

    The loss is the mean of binary cross entropies over labelled pixels and classes. Pixels without label take no part:
    in the setting `ov` those of unseen classes are among them, and as all-zero targets (which the released code of
    CAT-Seg makes of them) they would tell the model where no class of its training is.

    With CLIP as backbone (`value_path`), norm and projection are CLIP's own and frozen, and its last block passes
    values alone, as in the head `text`. On other ViTs both train.

    Departs from the paper: sentences are averaged before the cost, which has one channel; attention over classes is
    softmax, not linear; windows have no position bias; places of the decoder's guides are resized, not upsampled by
    transposed convolutions. Where the text gives no number (heads, MLP, channels of the guides), the value is ours.

    Args:
        in_channels: Channels of each level: one or more that guide the decoder, finest first, and the last, which is
            compared with the texts.
        num_classes: Number of classes K.
        class_texts: The wording of each class; several are separated by `|`.
        templates: Sentences with `{}` in place of the class.
        text_dim: Dimensions C of the space.
        text_weights: A file of CLIP with its text tower; `random` for vectors without meaning; None where the vectors
            will be loaded.
        text_activation: Activation of the text tower, "quick_gelu" or "gelu"; see `rs_adapt.backbones.Clip`.
        value_path: Whether the backbone is CLIP and has left its last block to the head.
        seen_classes: Numbers of the classes with labels in training; None for all.
        predicted_classes: Numbers of the classes that predictions choose among; None for all.
        text_tower: Sizes of the text tower that a method sits in; see `NamedHead.start_texts`.
        channels: Channels E.
        guide_channels: Channels of image features and of class vectors that guide the aggregation.
        num_layers: Rounds of aggregation.
        num_heads: Attention heads; divides E.
        mlp_ratio: Hidden channels of the MLPs, as a multiple of E.
        window: Side of a window, places of the grid.
        decoder_channels: Channels after each stage of the decoder.
        decoder_guide_channels: Channels of the guide of each stage; the first reads the last of the guiding levels.
        ignore_index: Label value that takes no part in the loss, 0 to 255.
        align_corners: How mmsegmentation resizes the scores to the original image size.

    Raises:
        ConfigError: If a number is out of its range, there are too few levels, or the texts are not as many as the
            classes.
        WeightsError: If the text weights are missing, damaged, or do not fit.
    """

    # The sigmoid of each class; they do not add up to 1.
    score_kind: ClassVar[Literal["logits", "scores"]] = "scores"

    def __init__(
        self,
        *,
        in_channels: Sequence[int],
        num_classes: int,
        class_texts: Sequence[str],
        templates: Sequence[str],
        text_dim: int = 512,
        text_weights: str | Path | None = None,
        text_activation: Activation = "quick_gelu",
        value_path: bool = False,
        seen_classes: Sequence[int] | None = None,
        predicted_classes: Sequence[int] | None = None,
        text_tower: Mapping[str, int] | None = None,
        channels: int = 128,
        guide_channels: int = 128,
        num_layers: int = 2,
        num_heads: int = 4,
        mlp_ratio: int = 4,
        window: int = 12,
        decoder_channels: Sequence[int] = (64, 32),
        decoder_guide_channels: Sequence[int] = (32, 16),
        ignore_index: int = 255,
        align_corners: bool = False,
    ) -> None:
        """Build the aggregation, and embed the class names."""
        super().__init__(
            in_channels=in_channels,
            num_classes=num_classes,
            class_texts=class_texts,
            templates=templates,
            text_dim=text_dim,
            seen_classes=seen_classes,
            predicted_classes=predicted_classes,
            ignore_index=ignore_index,
            align_corners=align_corners,
        )
        counts = {"channels": channels, "guide_channels": guide_channels, "num_layers": num_layers}
        counts |= {"num_heads": num_heads, "mlp_ratio": mlp_ratio, "window": window}
        check_ranges("CostHead", **{name: (value, COUNT) for name, value in counts.items()})
        lists = {"decoder_channels": decoder_channels, "decoder_guide_channels": decoder_guide_channels}
        check_numbers("CostHead", COUNT, lists, length=len(decoder_channels))
        if channels % num_heads:
            raise ConfigError(f"CostHead: num_heads is {num_heads}; it must divide channels, {channels}.")
        if not decoder_channels or len(in_channels) < 1 + len(decoder_channels):
            raise ConfigError(
                f"CostHead got {len(in_channels)} levels in `in_channels` for {len(decoder_channels)} stages of its "
                "decoder; give one stage or more, each a level of its own, and the level that is compared with the "
                "texts."
            )
        self.value_path = value_path
        self.into_space = IntoSpace(in_channels[-1], text_dim, frozen=value_path)
        self.embed = nn.Conv2d(1, channels, _EMBED_SIDE, padding=_EMBED_SIDE // 2)
        self.image_guide = nn.Linear(text_dim, guide_channels)
        self.text_guide = nn.Linear(text_dim, guide_channels)
        self.layers = nn.ModuleList(
            CostLayer(channels, guide_channels, guide_channels, window=window, num_heads=num_heads, mlp_ratio=mlp_ratio)
            for _ in range(num_layers)
        )
        widths = [channels, *decoder_channels]
        # From the level next to the last to the first ones.
        self.guides = [len(decoder_channels) - 1 - stage for stage in range(len(decoder_channels))]
        self.decoder = nn.ModuleList(
            DecoderStage(widths[stage], in_channels[level], decoder_guide_channels[stage], widths[stage + 1])
            for stage, level in enumerate(self.guides)
        )
        self.score = nn.Conv2d(widths[-1], 1, 3, padding=1)
        if text_weights is not None:
            image_dim = in_channels[-1] if value_path else None
            content = self.start_texts(text_weights, activation=text_activation, image_dim=image_dim, tower=text_tower)
            if value_path and content is not None and content.image is not None:
                image = content.image
                self.into_space.fill(image.norm_weight, image.norm_bias, image.weight)

    def logits(self, features: Sequence[Tensor], rows: Sequence[int] | None) -> Tensor:
        """Return class logits (B, R, h, w) on a grid that each stage of the decoder doubles.

        Args:
            features: One map (B, D_i, h_i, w_i) a level; with `value_path`, `Features` of a CLIP that has left its last
                block to the head.
            rows: Numbers of the classes; None for all.

        Raises:
            ConfigError: The backbone has left a different number of blocks.
        """
        last_BDhw = last_values(features, "CostHead") if self.value_path else features[-1]
        text_RC = self.vectors(features, rows)
        image_BhwC = self.into_space(last_BDhw.permute(0, 2, 3, 1))
        with torch.autocast(image_BhwC.device.type, enabled=False):
            image_BhwC = F.normalize(image_BhwC.float(), dim=-1)
            cost_BRhw = torch.einsum("bhwc,rc->brhw", image_BhwC, text_RC.float())
        maps_MEhw = self.embed(cost_BRhw.flatten(0, 1)[:, None])
        x_BRhwE = maps_MEhw.permute(0, 2, 3, 1).reshape(*cost_BRhw.shape, -1)
        image_BhwG, text_RG = self.image_guide(image_BhwC), self.text_guide(text_RC)
        for layer in self.layers:
            x_BRhwE = layer(x_BRhwE, image_BhwG, text_RG)
        maps_MEhw = x_BRhwE.flatten(0, 1).permute(0, 3, 1, 2)
        for stage, level in zip(self.decoder, self.guides, strict=True):
            maps_MEhw = stage(maps_MEhw, features[level])
        scores_M1hw: Tensor = self.score(maps_MEhw)
        return scores_M1hw.reshape(*cost_BRhw.shape[:2], *scores_M1hw.shape[-2:])

    def loss(self, features: Sequence[Tensor], data_samples: Sequence[Any], train_cfg: object) -> dict[str, Tensor]:
        """Return `{"loss_bce": ...}`: the mean over labelled pixels of the batch and classes, zero if there are none.

        Args:
            features: As in `logits`.
            data_samples: See `PixelHead.loss`.
            train_cfg: Not read; part of mmsegmentation's interface.
        """
        labels_BHW = self.training_labels(data_samples)
        logits_BRHW = resize(self.training_logits(features).float(), labels_BHW.shape[-2:])
        labelled_BHW = labels_BHW != self.ignore_index
        num_labelled = global_mean_denominator(labelled_BHW.sum(), least=1)
        numbers_R = torch.arange(logits_BRHW.shape[1], device=labels_BHW.device)
        target_BRHW = (labels_BHW[:, None] == numbers_R[:, None, None]).float()
        weight_BHW = labelled_BHW.float()
        if "gt_weight" in data_samples[0]:
            weight_BHW = weight_BHW * torch.stack([sample.gt_weight.data.squeeze(0) for sample in data_samples])
        loss_BRHW = F.binary_cross_entropy_with_logits(logits_BRHW, target_BRHW, reduction="none")
        return {"loss_bce": (loss_BRHW.mean(dim=1) * weight_BHW).sum() / num_labelled}

    def predict(
        self, features: Sequence[Tensor], batch_img_metas: Sequence[ImageMeta], test_cfg: ConfigNode | None
    ) -> Tensor:
        """Return a score (B, K, H, W) from 0 to 1 for each class, float32: the sigmoid of its logit."""
        return super().predict(features, batch_img_metas, test_cfg).sigmoid()


class IntoSpace(nn.Module):
    """Norm and projection of image features into the space of texts.

    Args:
        channels: Channels D of the features.
        text_dim: Dimensions C of the space.
        frozen: Whether they stay as they are filled; they are saved with what trains, so that no file of CLIP's is
            needed to use a model.
    """

    norm_weight: Tensor
    norm_bias: Tensor
    weight: Tensor

    def __init__(self, channels: int, text_dim: int, *, frozen: bool) -> None:
        super().__init__()
        linear = nn.Linear(channels, text_dim, bias=False)
        for name, value in {
            "norm_weight": torch.ones(channels),
            "norm_bias": torch.zeros(channels),
            "weight": linear.weight.detach(),
        }.items():
            if frozen:
                self.register_buffer(name, value)
            else:
                self.register_parameter(name, nn.Parameter(value))

    @torch.no_grad()
    def fill(self, norm_weight: Tensor, norm_bias: Tensor, weight: Tensor) -> None:
        """Take the values of a file."""
        self.norm_weight.copy_(norm_weight)
        self.norm_bias.copy_(norm_bias)
        self.weight.copy_(weight)

    def forward(self, x: Tensor) -> Tensor:
        """Return vectors (..., C) of features (..., D), not normalised."""
        return F.linear(F.layer_norm(x, self.norm_weight.shape, self.norm_weight, self.norm_bias), self.weight)
