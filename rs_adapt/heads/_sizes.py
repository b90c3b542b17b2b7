"""The pixel size that a head's prediction must have, read from mmsegmentation's meta data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NotRequired, TypedDict

from torch import Tensor

from rs_adapt.config.facts import ConfigNode

FINEST_STRIDE_PX = 4


class ImageMeta(TypedDict):
    """The part of mmsegmentation's image meta data that heads read."""

    # Height and width before padding, pixels; channels may follow.
    img_shape: Sequence[int]
    # Left, right, top and bottom, pixels; which of the two names is used depends on the data preprocessor's mode.
    img_padding_size: NotRequired[Sequence[int]]
    padding_size: NotRequired[Sequence[int]]


def prediction_size(
    features: Sequence[Tensor], batch_img_metas: Sequence[ImageMeta], test_cfg: ConfigNode | None
) -> tuple[int, int]:
    """Return (height, width) in pixels of the images that `features` were computed from.

    A backbone of this package says it (`Features.image_hw`). For other maps mmsegmentation has the size before padding
    (`img_shape`) and the padding (left, right, top, bottom); `pad_shape` cannot be used: it is None for samples without
    labels. While sliding, mmsegmentation overwrites `img_shape` with the window's size but leaves the padding of the
    whole image in place, so there the padded size is used only if it fits the feature maps better.

    Args:
        features: Feature maps (B, C, h, w), finest first; without `image_hw`, nominally a quarter of the image.
        batch_img_metas: One mapping per image; only the first is read, as all images of a batch have one size.
        test_cfg: Mmsegmentation's test settings; only `mode` is read.
    """
    image_hw: tuple[int, int] | None = getattr(features, "image_hw", None)
    if image_hw is not None:
        return image_hw
    meta = batch_img_metas[0]
    # Not through int(), which would fix sides that an exported graph leaves free.
    height_px, width_px = meta["img_shape"][:2]
    padding = meta.get("img_padding_size", meta.get("padding_size")) or (0, 0, 0, 0)
    pad_left, pad_right, pad_top, pad_bottom = (int(side) for side in padding)
    unpadded = (height_px, width_px)
    padded = (height_px + pad_top + pad_bottom, width_px + pad_left + pad_right)
    if not (test_cfg and test_cfg.get("mode") == "slide"):
        return padded
    expected = [side * FINEST_STRIDE_PX for side in features[0].shape[-2:]]
    return min(unpadded, padded, key=lambda size: abs(size[0] - expected[0]) + abs(size[1] - expected[1]))
