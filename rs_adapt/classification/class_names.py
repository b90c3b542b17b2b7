"""The head of scene classification: class names, CLIP's text tower, and the way of image features into its space.

CLIP: Radford et al., arXiv 2103.00020, sections 2.4 and 3.1. Shapes: B images, K classes, n places in a prompt, N
tokens, D width of the visual tower, C dimensions of the space.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from rs_adapt.backbones.clip import Activation
from rs_adapt.backbones.filling import fill_random
from rs_adapt.backbones.weights import RANDOM
from rs_adapt.errors import ConfigError, WeightsError
from rs_adapt.language.clip_files import PROJECTION, ClipFile, read_clip
from rs_adapt.language.prompted import encode_prompts, prompt_tokens
from rs_adapt.language.prompts import embed_classes
from rs_adapt.language.text_tower import TextTower
from rs_adapt.ranges import COUNT, check_ranges
from rs_adapt.registry import MODELS

# Whose classes the vectors are of: those of the training images, or the scored ones.
Names = Literal["trained", "scored"]
# CLIP's scale before it was trained.
_START_SCALE = 1 / 0.07


@MODELS.register_module()
class ClassNames(nn.Module):
    """Frozen parts around a method's prompts: the text tower, the image projection and the scale of cosines.

    Attributes:
        text: The text tower.
        score_kind: `logits`, as calibration reads it.
        num_classes: Number of scored classes.
        trained_rows: By scored class, its index among the trained classes; None for one that is not trained.

    Args:
        num_classes: Number of scored classes K.
        class_texts: Names of the scored classes.
        trained_texts: Names of the classes of the training images.
        candidates: By scored class, the number of its group; an image is decided among the classes of its group.
        templates: Sentences with `{}` for hand-written prompts.
        in_channels: Width D of the visual tower, as the one entry of a list.
        text_dim: Dimensions C of the space.
        text_width: Width of the text tower.
        text_depth: Its number of blocks.
        text_heads: Its number of attention heads.
        clip_weights: A file of CLIP with both towers; `random` or None for random weights.
        activation: Activation of the text tower; see `rs_adapt.backbones.Clip`.

    Raises:
        ConfigError: A number is out of its range, or the lists of classes do not agree.
        WeightsError: The weights are missing, damaged, or do not fit.
    """

    score_kind = "logits"

    def __init__(
        self,
        *,
        num_classes: int,
        class_texts: Sequence[str],
        trained_texts: Sequence[str],
        candidates: Sequence[int],
        templates: Sequence[str],
        in_channels: Sequence[int],
        text_dim: int,
        text_width: int,
        text_depth: int,
        text_heads: int,
        clip_weights: str | Path | None = None,
        activation: Activation = "quick_gelu",
    ) -> None:
        super().__init__()
        (image_dim,) = in_channels
        check_ranges("ClassNames", num_classes=(num_classes, COUNT), image_dim=(image_dim, COUNT))
        if not num_classes == len(class_texts) == len(candidates):
            raise ConfigError(
                f"ClassNames got {len(class_texts)} texts and {len(candidates)} groups for {num_classes} classes."
            )
        self.num_classes, self.candidates = num_classes, tuple(candidates)
        self.texts: dict[Names, tuple[str, ...]] = {"trained": tuple(trained_texts), "scored": tuple(class_texts)}
        self.templates = tuple(templates)
        numbers = {name: number for number, name in enumerate(self.texts["trained"])}
        self.trained_rows = tuple(numbers.get(name) for name in self.texts["scored"])
        # Reading a file costs seconds, which a model without values, for counting, need not spend.
        on_meta = torch.empty(0).device.type == "meta"
        is_random = clip_weights is None or str(clip_weights) == RANDOM or on_meta
        content = None if is_random else _read_whole(Path(str(clip_weights)), text_dim=text_dim, image_dim=image_dim)
        self.text = (
            TextTower(
                embed_dim=text_width,
                depth=text_depth,
                num_heads=text_heads,
                text_dim=text_dim,
                activation=activation,
            )
            if content is None
            else TextTower.from_file(content, activation=activation)
        )
        if content is not None and (self.text.embed_dim, self.text.depth) != (text_width, text_depth):
            raise WeightsError(
                f"{clip_weights} holds a text tower of width {self.text.embed_dim} and {self.text.depth} blocks, but "
                f"the configuration states {text_width} and {text_depth}. Use --set "
                f"model.decode_head.text_width={self.text.embed_dim} --set "
                f"model.decode_head.text_depth={self.text.depth}."
            )
        self.norm, self.projection = nn.LayerNorm(image_dim), nn.Linear(image_dim, text_dim, bias=False)
        self.scale = _START_SCALE if on_meta else self._fill(content)
        self.requires_grad_(False)
        self._places = 0
        self._tokens: dict[tuple[Names, int], Tensor] = {}
        self._plain: dict[Names, Tensor] = {}

    def project(self, cls_BD: Tensor) -> Tensor:
        """Return the vectors (B, C) of images from the last class tokens, not normalised."""
        vectors_BC: Tensor = self.projection(self.norm(cls_BD))
        return vectors_BC

    def encode(self, names: Names, context: Tensor, *, deep: Sequence[Tensor] = ()) -> Tensor:
        """Return the vectors of prompts with a context before each name; see `encode_prompts`."""
        places = context.shape[-2]
        key = (names, places)
        if key not in self._tokens:
            self._tokens[key] = prompt_tokens(self.texts[names], places)
        return encode_prompts(self.text, self._tokens[key].to(context.device), context, deep=deep)

    def plain_vectors(self, names: Names) -> Tensor:
        """Return the vectors of the names in hand-written sentences, of length 1, fp32 (K, C); computed once."""
        device = self.projection.weight.device
        if names not in self._plain:
            prompt_tokens(self.texts[names], 0)
            self._plain[names] = embed_classes(self.text, self.texts[names], self.templates)
        return self._plain[names].to(device)

    @torch.no_grad()
    def _fill(self, content: ClipFile | None) -> float:
        """Fill projection and norm, and return the scale of cosines."""
        if content is None or content.image is None:
            fill_random({f"head.{name}": value for name, value in self.projection.named_parameters()}, ())
            return _START_SCALE
        self.norm.weight.copy_(content.image.norm_weight)
        self.norm.bias.copy_(content.image.norm_bias)
        self.projection.weight.copy_(content.image.weight)
        return _START_SCALE if content.log_scale is None else math.exp(content.log_scale)


def _read_whole(path: Path, *, text_dim: int, image_dim: int) -> ClipFile:
    content = read_clip(path)
    if content.image is None:
        raise WeightsError(
            f"{path} has a text tower, but no projection of image features. Name a file of the whole CLIP."
        )
    shape = tuple(content.image.weight.shape)
    if shape != (text_dim, image_dim) or len(content.text[PROJECTION]) != text_dim:
        raise WeightsError(
            f"{path}: its projection of image features has shape {shape}, but the configuration needs "
            f"{(text_dim, image_dim)}. Name the file of the backbone's own model, or --set "
            f"model.decode_head.text_dim={shape[0]}."
        )
    return content
