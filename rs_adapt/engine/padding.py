"""Images with sides that a backbone cannot divide into patches: padded for the forward pass, and cut off after it."""

from __future__ import annotations

import math
from typing import Any

import torch.nn.functional as F
from torch import Tensor


def pad_to_patches(inputs_N3HW: Tensor, segmentor: Any) -> Tensor:
    """Pad normalised images at the bottom and right to sides that the backbone can see.

    In sliding windows a side from the window's on needs nothing: windows are moved inwards at the edge. A shorter side,
    and every side of an image that is predicted whole, is padded to the next multiple of the patch, and to the least
    side that the smallest feature map needs. The padding is 0, the mean colour, as around training crops.

    Args:
        inputs_N3HW: The images.
        segmentor: The segmentor, whose backbone and `test_cfg` are read.

    Returns:
        The images, as they are where no side needs padding.
    """
    test_cfg, backbone = segmentor.test_cfg, segmentor.backbone
    window_px = test_cfg.crop_size if test_cfg.mode == "slide" else (math.inf, math.inf)
    least_px = backbone.patch_px * math.ceil(1 / min(backbone.level_scales))
    bottom, right = (
        0 if side >= window else max(least_px, -(-side // backbone.patch_px) * backbone.patch_px) - side
        for side, window in zip(inputs_N3HW.shape[-2:], window_px, strict=True)
    )
    return F.pad(inputs_N3HW, (0, max(right, 0), 0, max(bottom, 0))) if max(right, bottom) > 0 else inputs_N3HW


def pad_batch(data: dict[str, Any], segmentor: Any) -> dict[str, Any]:
    """Pad the images of a preprocessed batch, and state the padding in its samples for mmsegmentation to cut off.

    Args:
        data: `inputs` (N, 3, H, W) and `data_samples`, from the data preprocessor.
        segmentor: See `pad_to_patches`.
    """
    padded = pad_to_patches(data["inputs"], segmentor)
    if padded is data["inputs"]:
        return data
    bottom, right = (new - old for new, old in zip(padded.shape[-2:], data["inputs"].shape[-2:], strict=True))
    for sample in data["data_samples"]:
        sample.set_metainfo({"img_padding_size": (0, right, 0, bottom)})
    return {**data, "inputs": padded}
