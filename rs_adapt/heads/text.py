"""Decode head whose classes are texts: cosines of image features with vectors of the class names.

Shapes: B batch, C dimensions of the space, D channels of a level, N tokens, K classes, M of them learned, h/w grid.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rs_adapt.backbones.clip import Activation
from rs_adapt.backbones.features import tokens_to_map
from rs_adapt.errors import ConfigError
from rs_adapt.heads.pixel_head import PixelHead, resize
from rs_adapt.heads.text_start import class_vectors, random_vectors, read_start
from rs_adapt.ranges import COUNT, Range, check_numbers, check_ranges
from rs_adapt.registry import MODELS

_RANDOM = "random"
# CLIP's: the scale starts at 1 / 0.07 and stays below 100.
_START_SCALE, _MOST_SCALE = 1 / 0.07, 100.0


@MODELS.register_module()
class TextHead(PixelHead):
    """Class scores are cosines with the vectors of the class names, times a learned scale.

    `logits_k = min(s, 100) cos(sum_i up(W_i LN_i(x_i)), t_k)`, where `t_k` is the mean of the vectors that CLIP's text
    tower gives a class in several sentences (Radford et al., arXiv 2103.00020, sections 2.4 and 3.1.4). The texts are
    embedded once, when the head is built; their vectors are part of what a run saves, so that a trained model needs no
    text tower.

    With CLIP as backbone (`value_path`), there is one level, the last block's, in which each token attends to itself
    alone: the value of its patch, through the output projection (MaskCLIP, Zhou et al., arXiv 2112.01071, section 3.2);
    residual and MLP of the block stay.
    Norm and projection start at CLIP's own, so the untrained head is CLIP's zero-shot segmentation. On other backbones
    all levels are read, resized to the finest, and the projections learn the space.

    Trained: `sum_i (2 D_i + C D_i) + C M + 1` numbers; `K C` of texts are saved besides.

    Ours, and not of these papers: the sentences; that norm and projection train; classes without a thing to name
    (`learned_classes`), whose vectors start at their texts and train; levels summed for backbones other than CLIP.
    Departs from MaskCLIP in the refinements of its scores (key smoothing, prompt denoising), which are left out.

    Attributes:
        no_decay: Parameters without weight decay.

    Args:
        in_channels: Channels of each level, finest first; one with `value_path`.
        num_classes: Number of classes K.
        class_texts: The wording of each class; several are separated by `|`.
        templates: Sentences with `{}` in place of the class.
        text_dim: Dimensions C of the space.
        text_weights: A file of CLIP with its text tower; `random` for vectors without meaning, to try things; None
            where the vectors will be loaded.
        text_activation: Activation of the text tower, "quick_gelu" or "gelu"; see `rs_adapt.backbones.Clip`.
        value_path: Whether the backbone is CLIP and has left its last block to the head.
        learned_classes: Numbers of the classes whose vectors train.
        ignore_index: Label value that takes no part in the loss, 0 to 255.
        align_corners: How mmsegmentation resizes the scores to the original image size.

    Raises:
        ConfigError: If there is no level or no class, a number is out of its range, a wording cannot be used, or their
            number is not that of the classes.
        WeightsError: If the text weights are missing, damaged, or do not fit.
    """

    no_decay = ("log_scale",)
    text_KC: Tensor
    rows_K: Tensor

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
        learned_classes: Sequence[int] = (),
        ignore_index: int = 255,
        align_corners: bool = False,
    ) -> None:
        """Build norms and projections, and embed the class names."""
        super().__init__(
            in_channels=in_channels, num_classes=num_classes, ignore_index=ignore_index, align_corners=align_corners
        )
        check_ranges("TextHead", text_dim=(text_dim, COUNT))
        check_numbers(
            "TextHead", Range(least=0, most=num_classes - 1, whole=True), {"learned_classes": learned_classes}
        )
        if text_activation not in get_args(Activation):
            raise ConfigError(
                f"model.decode_head.text_activation is {text_activation!r}. Allowed: {', '.join(get_args(Activation))}."
            )
        if len(class_texts) != num_classes:
            raise ConfigError(f"TextHead got {len(class_texts)} texts for {num_classes} classes. Give one a class.")
        if value_path and len(in_channels) != 1:
            raise ConfigError(f"TextHead got {len(in_channels)} levels in `in_channels`; CLIP's last block is one.")
        self.value_path = value_path
        self.norms = nn.ModuleList(nn.LayerNorm(channels) for channels in in_channels)
        self.projections = nn.ModuleList(nn.Linear(channels, text_dim, bias=False) for channels in in_channels)
        self.log_scale = nn.Parameter(torch.tensor(math.log(_START_SCALE)))
        self.register_buffer("text_KC", torch.zeros(num_classes, text_dim))
        learned = list(dict.fromkeys(learned_classes))
        self.learned_MC = nn.Parameter(torch.zeros(len(learned), text_dim)) if learned else None
        # Which row of texts and learned vectors is a class.
        rows = [num_classes + learned.index(number) if number in learned else number for number in range(num_classes)]
        self.register_buffer("rows_K", torch.tensor(rows), persistent=False)
        if text_weights is not None:
            self._start(text_weights, class_texts, templates, learned, activation=text_activation)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Return class logits (B, K, h, w) on the grid of the finest level.

        Args:
            features: One map (B, D_i, h_i, w_i) per level, finest first; with `value_path`, `Features` of a CLIP that
                has left its last block to the head.

        Raises:
            ConfigError: The backbone has left a different number of blocks.
        """
        levels = [_last_values(features)] if self.value_path else list(features)
        joint_BChw: Tensor | None = None
        for x_BDhw, norm, projection in zip(levels, self.norms, self.projections, strict=True):
            level_BChw = projection(norm(x_BDhw.permute(0, 2, 3, 1))).permute(0, 3, 1, 2)
            if joint_BChw is None:
                joint_BChw = level_BChw
            elif level_BChw.shape[-2:] == joint_BChw.shape[-2:]:
                joint_BChw = joint_BChw + level_BChw
            else:
                joint_BChw = joint_BChw + resize(level_BChw, joint_BChw.shape[-2:])
        assert joint_BChw is not None
        # Rounding to bfloat16 times the scale would be a third of a logit.
        with torch.autocast(joint_BChw.device.type, enabled=False):
            image_BChw = F.normalize(joint_BChw.float(), dim=1)
            cosines_BKhw = torch.einsum("bchw,kc->bkhw", image_BChw, self._text())
            return cosines_BKhw * self.log_scale.exp().clamp(max=_MOST_SCALE)

    def _text(self) -> Tensor:
        """Return the vectors of the classes, of length 1, fp32 (K, C)."""
        if self.learned_MC is None:
            return self.text_KC
        rows_KC = torch.cat([self.text_KC, self.learned_MC])[self.rows_K]
        return F.normalize(rows_KC.float(), dim=1)

    @torch.no_grad()
    def _start(
        self,
        text_weights: str | Path,
        class_texts: Sequence[str],
        templates: Sequence[str],
        learned: Sequence[int],
        *,
        activation: Activation,
    ) -> None:
        if str(text_weights) == _RANDOM:
            self.text_KC.copy_(random_vectors(*self.text_KC.shape))
        else:
            norm: Any = self.norms[0]
            projection: Any = self.projections[0]
            image_dim = len(norm.weight) if self.value_path else None
            content = read_start(text_weights, text_dim=self.text_KC.shape[1], image_dim=image_dim)
            self.text_KC.copy_(class_vectors(content, class_texts, templates, activation=activation))
            if self.value_path and content.image is not None:
                norm.weight.copy_(content.image.norm_weight)
                norm.bias.copy_(content.image.norm_bias)
                projection.weight.copy_(content.image.weight)
                if content.log_scale is not None:
                    self.log_scale.fill_(min(content.log_scale, math.log(_MOST_SCALE)))
        if self.learned_MC is not None:
            self.learned_MC.copy_(self.text_KC[list(learned)])


def _last_values(features: Sequence[Tensor]) -> Tensor:
    """Return the map (B, D, h, w) after CLIP's last block, in which each patch attends to itself alone.

    The weight of a token on itself is then 1, so attention is the value, through the output projection. Prompts of a
    method, if there are any, are seen by all.
    """
    left = getattr(features, "blocks_left", None)
    count = 0 if left is None else len(left)
    if left is None or count != 1:
        raise ConfigError(
            f"TextHead runs the last block of CLIP itself, but the backbone has left {count} of them: "
            "model.backbone.out_layers must be the one block before it."
        )
    x_BND = left.x_BND
    itself_11NN = torch.eye(x_BND.shape[1], dtype=torch.bool, device=x_BND.device)[None, None]
    x_BND = left.run(0, x_BND, num_queries=0, attend_B1NN=itself_11NN.expand(x_BND.shape[0], -1, -1, -1))
    return tokens_to_map(x_BND, left.grid_hw, num_prefix=left.num_prefix)
