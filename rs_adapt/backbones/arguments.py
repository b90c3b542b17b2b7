"""Checks of a ViT's sizes."""

from __future__ import annotations

from collections.abc import Sequence

from rs_adapt.errors import ConfigError
from rs_adapt.ranges import COUNT, COUNT_OR_0, POSITIVE, check_numbers, check_ranges


def check_arguments(
    embed_dim: int,
    depth: int,
    num_heads: int,
    patch_px: int,
    image_px: int | None,
    out_layers: Sequence[int],
    level_scales: Sequence[float],
) -> None:
    """Refuse sizes of a ViT that are no positive numbers, or contradict each other.

    Raises:
        ConfigError: A size is out of its range, or two values contradict each other; the message says which values
            are allowed.
    """
    check_ranges(
        "model.backbone.",
        embed_dim=(embed_dim, COUNT),
        depth=(depth, COUNT),
        num_heads=(num_heads, COUNT),
        patch_px=(patch_px, COUNT),
        **({} if image_px is None else {"image_px": (image_px, COUNT)}),
    )
    check_numbers("model.backbone.", COUNT_OR_0, {"out_layers": out_layers})
    check_numbers("model.backbone.", POSITIVE, {"level_scales": level_scales})
    if embed_dim % num_heads:
        raise ConfigError(f"embed_dim={embed_dim} is not a multiple of num_heads={num_heads}.")
    if image_px is not None and image_px < patch_px:
        raise ConfigError(f"image_px={image_px} is smaller than one patch (patch_px={patch_px}).")
    layers = list(out_layers)
    if not layers or layers != sorted(set(layers)) or layers[0] < 0 or layers[-1] >= depth:
        raise ConfigError(f"out_layers={layers} must be ascending block numbers from 0 to {depth - 1} (depth={depth}).")
    if len(layers) != len(level_scales):
        raise ConfigError(f"{len(layers)} out_layers but {len(level_scales)} level_scales: give one scale per layer.")
