"""What the head `text` starts from: vectors of the class names, and CLIP's own way from image features to them.

Shapes: K classes, C dimensions of the space, D channels of the image features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from rs_adapt.backbones.clip import Activation
from rs_adapt.errors import ConfigError, WeightsError
from rs_adapt.language.clip_files import PROJECTION, TOKENS, ClipFile, read_clip
from rs_adapt.language.prompts import embed_classes
from rs_adapt.language.text_tower import TextTower

RANDOM = "random"
_SEED = 0


def read_start(
    path: str | Path, *, text_dim: int, image_dim: int | None, tower: Mapping[str, int] | None = None
) -> ClipFile:
    """Read a file of text weights and check that it fits a head.

    Args:
        path: A file that `read_clip` reads.
        text_dim: Dimensions C of the space.
        image_dim: Channels D of CLIP's image features, whose projection the file must have; None where the head learns
            a projection of its own.
        tower: `embed_dim` and `depth` of the text tower that a method was built for; None for any.

    Raises:
        ConfigError: If the text tower is not the one that a method was built for.
        WeightsError: If the file is missing or damaged, has no text tower, or does not fit.
    """
    content = read_clip(path)
    own = len(content.text[PROJECTION])
    if own != text_dim:
        raise WeightsError(
            f"{path}: its text tower gives {own} numbers a text, but model.decode_head.text_dim is {text_dim}. "
            f"Use --set model.decode_head.text_dim={own}, or a file of the CLIP that fits."
        )
    for key, size in _sizes(content).items():
        if tower is not None and tower[key] != size:
            raise ConfigError(
                f"{path}: its text tower has {key} {size}, but the method was built for {tower[key]}. Use --set "
                f"model.backbone.adapter.text_{key}={size}, or the file of the backbone's own model."
            )
    if image_dim is None:
        return content
    if content.image is None:
        raise WeightsError(
            f"{path} has a text tower, but no projection of image features, with which CLIP as a backbone starts. Name "
            "a file of the whole CLIP with --set model.decode_head.text_weights=FILE."
        )
    shape = tuple(content.image.weight.shape)
    if shape != (text_dim, image_dim) or len(content.image.norm_weight) != image_dim:
        raise WeightsError(
            f"{path}: its projection of image features has shape {shape}, but the backbone and its texts need "
            f"{(text_dim, image_dim)}. Name the file of the backbone's own model."
        )
    return content


def _sizes(content: ClipFile) -> dict[str, int]:
    """Return width and depth of a file's text tower."""
    numbers = [int(name.split(".")[1]) for name in content.text if name.startswith("layers.")]
    return {"embed_dim": content.text[TOKENS].shape[1], "depth": 1 + max(numbers, default=-1)}


def class_vectors(
    content: ClipFile, class_texts: Sequence[str], templates: Sequence[str], *, activation: Activation
) -> Tensor:
    """Return the vectors of the classes, of length 1, fp32 (K, C), computed on the CPU; see `embed_classes`."""
    with torch.device("cpu"):
        return embed_classes(TextTower.from_file(content, activation=activation), class_texts, templates)


def random_vectors(num_classes: int, text_dim: int) -> Tensor:
    """Return random vectors of length 1, fp32 (K, C), the same in every process, in place of those of class names."""
    # numpy draws the same bits on every processor, torch does not.
    drawn_KC = np.random.default_rng(_SEED).standard_normal((num_classes, text_dim), dtype=np.float32)
    return F.normalize(torch.from_numpy(drawn_KC), dim=1)
