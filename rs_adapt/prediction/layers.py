"""What a map can hold of the class probabilities of its pixels (K classes, H/W pixels)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Layer = Literal[
    "classes",
    "confidence",
    "entropy",
    "probabilities",
    "confidence_float",
    "entropy_float",
    "probabilities_float",
]
# The values of a layer: float32 where its name ends in `_float`, else uint8.
Pixels = NDArray[np.uint8 | np.float32]

# Pixels without data, in every layer of 8 bit.
NODATA = 255
# Shares from 0 to 1 are stored in steps of this, as 0 to 200; the files state the scale.
SHARE_STEP = 1 / 200


def layers_of(
    probabilities_KHW: NDArray[np.float32], valid_HW: NDArray[np.bool_], wanted: Sequence[Layer]
) -> Mapping[Layer, Pixels]:
    """Return the layers of some rows of a map.

    Args:
        probabilities_KHW: Class probabilities, float32, which sum to 1; NaN where no tile was predicted.
        valid_HW: Whether a pixel has data; the others become `NODATA`.
        wanted: The layers.

    Returns:
        uint8 arrays: `classes` (H, W), indices; `confidence`, the largest probability, and `entropy`, as a share of
        that of equal probabilities, both (H, W) in steps of `SHARE_STEP`; `probabilities` (K, H, W), in such steps.
        Those whose names end in `_float` are float32, 0 to 1, and NaN without data.
    """
    known_KHW = np.where(valid_HW, probabilities_KHW, 0.0)
    made: dict[Layer, Pixels] = {}
    for layer in wanted:
        if layer == "classes":
            made[layer] = np.where(valid_HW, known_KHW.argmax(axis=0), NODATA).astype(np.uint8)
            continue
        share = known_KHW
        if layer in ("confidence", "confidence_float"):
            share = known_KHW.max(axis=0)
        elif layer in ("entropy", "entropy_float"):
            share = _entropy(known_KHW)
        made[layer] = _as_float(share, valid_HW) if is_float(layer) else _in_steps(share, valid_HW)
    return made


def is_float(layer: Layer) -> bool:
    """Return whether a layer holds floats, not steps of `SHARE_STEP` or class indices."""
    return layer.endswith("_float")


def _entropy(probabilities_KHW: NDArray[np.float32]) -> NDArray[np.float32]:
    positive_KHW = np.maximum(probabilities_KHW, np.float32(1e-12))
    nats_HW: NDArray[np.float32] = -(probabilities_KHW * np.log(positive_KHW)).sum(axis=0)
    return nats_HW / np.float32(math.log(len(probabilities_KHW)))


def _in_steps(share: NDArray[np.float32], valid_HW: NDArray[np.bool_]) -> NDArray[np.uint8]:
    steps = (share.clip(0.0, 1.0) / SHARE_STEP).round()
    return np.where(valid_HW, steps, NODATA).astype(np.uint8)


def _as_float(share: NDArray[np.float32], valid_HW: NDArray[np.bool_]) -> NDArray[np.float32]:
    return np.where(valid_HW, share.clip(0.0, 1.0), np.nan).astype(np.float32)
