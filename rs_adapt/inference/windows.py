"""The side of the windows and tiles that a model sees."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rs_adapt.config.segmentor import segmentor_config
from rs_adapt.errors import ConfigError

if TYPE_CHECKING:
    from rs_adapt.config.resolved import ResolvedConfig


def window_px(cfg: ResolvedConfig) -> int:
    """Return the side in pixels of the windows of a sliding evaluation, else of a tile of the bench."""
    test_cfg = segmentor_config(cfg).test_cfg
    return int(test_cfg.crop_size[0]) if test_cfg.mode == "slide" else int(cfg.bench.tile_px)


def check_tile_px(tile_px: int, patch_px: int) -> None:
    """Refuse a side of tiles that a backbone cannot see.

    Raises:
        ConfigError: The side is no multiple of the patch.
    """
    if tile_px < 1 or tile_px % patch_px:
        near = max(patch_px, round(tile_px / patch_px) * patch_px)
        raise ConfigError(
            f"--tile-px is {tile_px}. Allowed: multiples of the backbone's patch of {patch_px} px, such as {near}."
        )
