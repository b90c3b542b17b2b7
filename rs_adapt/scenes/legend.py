"""Colour legend -> class index: exact colours only, everything else is counted and never guessed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from rs_adapt.errors import ConfigError


def colours_to_classes(
    rgb_HW3: NDArray[np.uint8], legend: Mapping[Sequence[int], int], *, off_legend: int = 255
) -> tuple[NDArray[np.uint8], int]:
    """Turn a label image painted in colours into class values.

    Args:
        rgb_HW3: Label colours, uint8, shape (H, W, 3).
        legend: RGB colour (three values 0-255) -> class value 0-255; several colours may share a value.
        off_legend: The value for pixels whose colour is not in the legend (an ignore value).

    Returns:
        Class values, uint8, shape (H, W), and the number of pixels whose colour is not in the legend.

    Raises:
        ConfigError: The legend is empty, or a colour or value of it is out of range.
    """
    if not legend:
        raise ConfigError("The colour legend is empty: give at least one RGB colour with its class value.")
    packed_HW = _pack(rgb_HW3)
    classes_HW = np.full(packed_HW.shape, off_legend, dtype=np.uint8)
    known_HW = np.zeros(packed_HW.shape, dtype=bool)
    for colour, value in legend.items():
        if len(colour) != 3 or not all(0 <= c <= 255 for c in colour) or not 0 <= value <= 255:
            raise ConfigError(
                f"Legend entry {tuple(colour)} -> {value} is not valid: give three colour values and a class value, "
                "all 0-255."
            )
        hit_HW = packed_HW == (colour[0] << 16 | colour[1] << 8 | colour[2])
        classes_HW[hit_HW] = value
        known_HW |= hit_HW
    return classes_HW, int(known_HW.size - np.count_nonzero(known_HW))


def count_off_legend(
    rgb_HW3: NDArray[np.uint8], legend: Mapping[Sequence[int], int], *, most: int = 5
) -> list[tuple[tuple[int, int, int], int]]:
    """List the colours that are not in the legend, the most frequent first.

    Args:
        rgb_HW3: Label colours, uint8, shape (H, W, 3).
        legend: RGB colour -> class value.
        most: Number of colours to list.

    Returns:
        Pairs of RGB colour and pixel count.
    """
    colours, counts = np.unique(_pack(rgb_HW3), return_counts=True)
    known = {c[0] << 16 | c[1] << 8 | c[2] for c in legend}
    off = [(int(c), int(n)) for c, n in zip(colours, counts, strict=True) if int(c) not in known]
    off.sort(key=lambda pair: (-pair[1], pair[0]))
    return [((c >> 16, c >> 8 & 255, c & 255), n) for c, n in off[:most]]


def _pack(rgb_HW3: NDArray[np.uint8]) -> NDArray[np.int32]:
    wide_HW3 = rgb_HW3.astype(np.int32)
    return wide_HW3[..., 0] << 16 | wide_HW3[..., 1] << 8 | wide_HW3[..., 2]
