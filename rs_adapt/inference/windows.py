"""The side of the windows that a model is evaluated with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rs_adapt.config.segmentor import segmentor_config

if TYPE_CHECKING:
    from rs_adapt.config.resolved import ResolvedConfig


def window_px(cfg: ResolvedConfig) -> int:
    """Return the side in pixels of the windows of a sliding evaluation, else of a tile of the bench."""
    test_cfg = segmentor_config(cfg).test_cfg
    return int(test_cfg.crop_size[0]) if test_cfg.mode == "slide" else int(cfg.bench.tile_px)
