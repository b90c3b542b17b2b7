"""Pixels that stand for a whole raster, and the range of values that they are stretched by (C bands, N pixels)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rs_adapt.errors import DataError
from rs_adapt.scenes.sources import Box

# Scenes that are not 8-bit are stretched between these percentiles of a sample (band by band).
STRETCH_PCT = (2.0, 98.0)
# Rasters up to this size are read whole to look at one band; of larger ones windows of this side.
_WHOLE_PX = 1 << 20
_WINDOW_PX = 256
_WINDOWS = (8, 6)
# A value at the end of the range is refused if this share of the pixels holds it in all bands: it then is a percentile.
_SPIKE_SHARE = STRETCH_PCT[0] / 100
_COLOURS = ("red", "green", "blue")
# Values that programs write for "no data"; the ends of integer types and everything negative are suspected too.
_USUAL_NODATA = (0.0, 255.0, 9999.0, 32767.0, 65535.0, 99999.0, 4294967295.0)


def sample_positions(side_px: int, step_px: int) -> NDArray[np.intp]:
    """Return the middle pixel of every `step_px` pixels along a side, where GDAL's nearest neighbour takes it, too."""
    count = math.ceil(side_px / step_px)
    middles = ((np.arange(count) + 0.5) * side_px / count).astype(np.intp)
    return np.minimum(middles, side_px - 1)


def spread_windows(width_px: int, height_px: int) -> list[Box]:
    """Return windows that are spread evenly over a raster, or the one that covers a small raster."""
    if width_px * height_px <= _WHOLE_PX:
        return [Box(0, 0, width_px, height_px)]
    columns, rows = _WINDOWS
    boxes = []
    for row in range(rows):
        for column in range(columns):
            x0 = max(0, int((column + 0.5) * width_px / columns) - _WINDOW_PX // 2)
            y0 = max(0, int((row + 0.5) * height_px / rows) - _WINDOW_PX // 2)
            boxes.append(Box(x0, y0, min(x0 + _WINDOW_PX, width_px), min(y0 + _WINDOW_PX, height_px)))
    return boxes


def percentile_ranges(values_CN: NDArray[Any], subject: str, *, of_scene: bool = False) -> list[list[float]]:
    """Return the percentiles of each band that become 0 and 255.

    Args:
        values_CN: Valid values.
        subject: What they are of, the start of a sentence.
        of_scene: Whether they are of a single scene that is stretched by itself, which options of `rs-adapt predict`
            or a bench's file may ask for; the message then names both.

    Returns:
        A pair of values for each band.

    Raises:
        DataError: One value at the end of the range fills so many pixels that it is no measurement but an undeclared
            nodata value, or both percentiles of a band are one value.
    """
    ranges = [[float(value) for value in np.percentile(values_N, STRETCH_PCT)] for values_N in values_CN]
    _refuse_spike(values_CN, ranges, subject, of_scene=of_scene)
    for number, (low, high) in enumerate(ranges):
        if low == high:
            remedy = (
                "Give the values that become black and white (--stretch LOW,HIGH, or stretch = [low, high] in a "
                "bench's file), choose other bands, or set the file's nodata value if its pixels show nothing."
                if of_scene
                else "Give stretch = [low, high], choose other bands, or state the value of pixels without data "
                "(nodata = ...)."
            )
            raise DataError(
                f"{subject}: {_COLOURS[number]} is {low:g} at both percentiles, {STRETCH_PCT[0]:g} and "
                f"{STRETCH_PCT[1]:g}, so nothing would be seen in it. {remedy}"
            )
    return ranges


def _refuse_spike(values_CN: NDArray[Any], ranges: Sequence[Sequence[float]], subject: str, *, of_scene: bool) -> None:
    if (values_CN == values_CN[:, :1]).all():
        return
    low_C, high_C = np.array(ranges).T
    for value_C in _suspects(values_CN):
        share = float(np.count_nonzero((values_CN == value_C[:, None]).all(axis=0))) / values_CN.shape[1]
        if share >= _SPIKE_SHARE and ((value_C <= low_C).all() or (value_C >= high_C).all()):
            value = value_C[0]
            remedy = (
                f"If they show nothing, set the file's nodata value (in a bench: write nodata = {value:g} for this "
                "region); if they are measurements, give --stretch LOW,HIGH (stretch = [low, high])."
                if of_scene
                else f"If they show nothing, write nodata = {value:g} for this region; if they are measurements, give "
                "stretch = [low, high]."
            )
            raise DataError(
                f"{subject}: {100 * share:.1f} % of the pixels are {value:g} in all bands, an end of the range, and no "
                f"such pixel is marked as being without data. {remedy}"
            )


def _suspects(values_CN: NDArray[Any]) -> list[NDArray[Any]]:
    """Return values of the bands, shape (C,), that may stand for no data: usual ones, and negative or extreme ends."""
    suspects = [np.full(len(values_CN), value) for value in _USUAL_NODATA]
    suspects += [end_C for end_C in (values_CN.min(axis=1), values_CN.max(axis=1)) if (end_C < 0).all()]
    if values_CN.dtype.kind in "iu":
        limits = np.iinfo(values_CN.dtype)
        suspects += [np.full(len(values_CN), limit, dtype=values_CN.dtype) for limit in (limits.min, limits.max)]
    return suspects
