"""Decode head whose classes are texts: cosines of image features with vectors of the class names.

Shapes: B batch, C dimensions of the space, D channels of a level, N tokens, K classes, M of them learned, h/w grid.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rs_adapt.backbones.clip import Activation
from rs_adapt.errors import ConfigError
from rs_adapt.heads.named import NamedHead, last_values
from rs_adapt.heads.pixel_head import resize
from rs_adapt.ranges import Range, check_numbers
from rs_adapt.registry import MODELS

# CLIP's: the scale starts at 1 / 0.07 and stays below 100.
_START_SCALE, _MOST_SCALE = 1 / 0.07, 100.0


@MODELS.register_module()
class TextHead(NamedHead):
    """Class scores are cosines with the vectors of the class names, times a learned scale.

    `logits_k = min(s, 100) cos(sum_i up(W_i LN_i(x_i)), t_k)`, where `t_k` is the mean of the vectors that CLIP's text
    tower gives a class in several sentences (Radford et al., arXiv 2103.00020, sections 2.4 and 3.1.4). `NamedHead`
    says when the texts are embedded.

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
        seen_classes: Numbers of the classes with labels in training; None for all.
        predicted_classes: Numbers of the classes that predictions choose among; None for all.
        text_tower: Sizes of the text tower that a method sits in; see `NamedHead.start_texts`.
        ignore_index: Label value that takes no part in the loss, 0 to 255.
        align_corners: How mmsegmentation resizes the scores to the original image size.

    Raises:
        ConfigError: If there is no level or no class, a number is out of its range, a wording cannot be used, or their
            number is not that of the classes.
        WeightsError: If the text weights are missing, damaged, or do not fit.
    """

    no_decay = ("log_scale",)
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
        seen_classes: Sequence[int] | None = None,
        predicted_classes: Sequence[int] | None = None,
        text_tower: Mapping[str, int] | None = None,
        ignore_index: int = 255,
        align_corners: bool = False,
    ) -> None:
        """Build norms and projections, and embed the class names."""
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
        check_numbers(
            "TextHead", Range(least=0, most=num_classes - 1, whole=True), {"learned_classes": learned_classes}
        )
        if value_path and len(in_channels) != 1:
            raise ConfigError(f"TextHead got {len(in_channels)} levels in `in_channels`; CLIP's last block is one.")
        self.value_path = value_path
        self.norms = nn.ModuleList(nn.LayerNorm(channels) for channels in in_channels)
        self.projections = nn.ModuleList(nn.Linear(channels, text_dim, bias=False) for channels in in_channels)
        self.log_scale = nn.Parameter(torch.tensor(math.log(_START_SCALE)))
        learned = list(dict.fromkeys(learned_classes))
        self.learned_MC = nn.Parameter(torch.zeros(len(learned), text_dim)) if learned else None
        # Which learned vector is a class; -1 for those that are their texts.
        numbers = [learned.index(number) if number in learned else -1 for number in range(num_classes)]
        self.register_buffer("rows_K", torch.tensor(numbers), persistent=False)
        if text_weights is not None:
            self._start(text_weights, learned, activation=text_activation, tower=text_tower)

    def logits(self, features: Sequence[Tensor], rows: Sequence[int] | None) -> Tensor:
        """Return class logits (B, R, h, w) on the grid of the finest level.

        Args:
            features: One map (B, D_i, h_i, w_i) per level, finest first; with `value_path`, `Features` of a CLIP that
                has left its last block to the head.
            rows: Numbers of the classes; None for all.

        Raises:
            ConfigError: The backbone has left a different number of blocks.
        """
        levels = [last_values(features, "TextHead")] if self.value_path else list(features)
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
        text_RC = self._with_learned(self.vectors(features, rows), rows)
        # Rounding to bfloat16 times the scale would be a third of a logit.
        with torch.autocast(joint_BChw.device.type, enabled=False):
            image_BChw = F.normalize(joint_BChw.float(), dim=1)
            cosines_BRhw = torch.einsum("bchw,rc->brhw", image_BChw, text_RC.float())
            return cosines_BRhw * self.log_scale.exp().clamp(max=_MOST_SCALE)

    def name_classes(self, class_texts: Sequence[str], text_KC: Tensor) -> None:
        """Take other classes; learned vectors belong to classes of the training, and are dropped."""
        super().name_classes(class_texts, text_KC)
        self.learned_MC = None

    def _with_learned(self, text_RC: Tensor, rows: Sequence[int] | None) -> Tensor:
        """Return the vectors of classes, of length 1, fp32 (R, C), with the learned ones in place of their texts."""
        if self.learned_MC is None:
            return text_RC
        number_R = self.rows_K if rows is None else self.rows_K[list(rows)]
        own_R = torch.arange(len(text_RC), device=number_R.device)
        places_R = torch.where(number_R < 0, own_R, len(text_RC) + number_R)
        return F.normalize(torch.cat([text_RC, self.learned_MC])[places_R].float(), dim=1)

    @torch.no_grad()
    def _start(
        self,
        text_weights: str | Path,
        learned: Sequence[int],
        *,
        activation: Activation,
        tower: Mapping[str, int] | None,
    ) -> None:
        norm: Any = self.norms[0]
        projection: Any = self.projections[0]
        image_dim = len(norm.weight) if self.value_path else None
        content = self.start_texts(text_weights, activation=activation, image_dim=image_dim, tower=tower)
        if self.value_path and content is not None and content.image is not None:
            norm.weight.copy_(content.image.norm_weight)
            norm.bias.copy_(content.image.norm_bias)
            projection.weight.copy_(content.image.weight)
            if content.log_scale is not None:
                self.log_scale.fill_(min(content.log_scale, math.log(_MOST_SCALE)))
        if self.learned_MC is not None:
            self.learned_MC.copy_(self.text_KC[list(learned)])
