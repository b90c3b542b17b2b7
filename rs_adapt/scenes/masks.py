"""Which pixels have data: nodata values of the bands in use, mask files, and alpha bands that look like one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

# What a user gives in place of a file's nodata value: a number, or "none" where every pixel has data.
Nodata = float | Literal["none"] | None
# Values that a sensor can record. Another nodata value (negative, not a number) is never a measurement.
_RECORDED = (0.0, 65535.0)
# Floats beyond this are never measurements: programs write the smallest or largest float for "nothing".
_HUGE = 1e30
# Values that no sensor records in all bands of a pixel.
_SENTINELS = (-9999.0, -99999.0, -32767.0, -32768.0)
# Of an alpha band's pixels that are not transparent, the share that must be opaque.
_OPAQUE_SHARE = 0.9


def equals_nodata(bands_CHW: NDArray[Any], nodata_C: Sequence[float | None]) -> NDArray[np.bool_]:
    """Return where pixels have no data by their values.

    A nodata value that a sensor can also record, 0 to 65535, marks a pixel only where all bands hold it: water is black
    in one band and has data. Any other one marks it where a single band holds it, as do values that are not finite, and
    floats beyond 1e30.

    Args:
        bands_CHW: The bands in use, as stored.
        nodata_C: Their nodata values; None for a band without one.

    Returns:
        bool, shape (H, W).
    """
    is_float = bands_CHW.dtype.kind == "f"
    empty_HW = np.zeros(bands_CHW.shape[1:], dtype=bool)
    if is_float:
        with np.errstate(invalid="ignore"):
            empty_HW |= (~(np.abs(bands_CHW) < _HUGE)).any(axis=0)
    if not any(value is not None and not np.isnan(value) for value in nodata_C):
        return empty_HW
    hits_CHW = np.stack([_equal(band_HW, value) for band_HW, value in zip(bands_CHW, nodata_C, strict=True)])
    recorded = all(value is not None and _RECORDED[0] <= value <= _RECORDED[1] for value in nodata_C)
    empty_HW |= hits_CHW.all(axis=0) if recorded else hits_CHW.any(axis=0)
    return empty_HW


def equals_sentinel(bands_CHW: NDArray[Any]) -> NDArray[np.bool_]:
    """Return where all bands hold one of the negative values that programs write for "no data", declared or not."""
    empty_HW = np.zeros(bands_CHW.shape[1:], dtype=bool)
    if bands_CHW.dtype.kind in "if":
        for sentinel in _SENTINELS:
            empty_HW |= _equal(bands_CHW, sentinel).all(axis=0)
    return empty_HW


def looks_like_alpha(alpha_N: NDArray[Any], others_CN: Callable[[], NDArray[Any]]) -> bool:
    """Return whether values are those of a transparency and not of a measurement, such as near infrared.

    A transparency is opaque or transparent nearly everywhere: nine in ten of its pixels that are not 0 hold the value
    for opaque, which is the largest one of the type, 255, or 1 for floats. Soft edges are the rest. Or nothing is shown
    where it is transparent: all other bands are 0 there, or all are of the largest value.

    Args:
        alpha_N: Values of the band, or of a sample of its pixels.
        others_CN: Gives the values of all other bands in these pixels.
    """
    seen_N = alpha_N[alpha_N != 0]
    if seen_N.size == 0:
        return True
    top = seen_N.max()
    largest = 1.0 if alpha_N.dtype.kind == "f" else float(np.iinfo(alpha_N.dtype).max)
    if top in (255, 65535, largest) and np.count_nonzero(seen_N == top) >= _OPAQUE_SHARE * seen_N.size:
        return True
    hidden_CM = others_CN()[:, alpha_N == 0]
    return bool(hidden_CM.size and any((hidden_CM == blank).all() for blank in (0, largest)))


def _equal(values: NDArray[Any], nodata: float | None) -> NDArray[np.bool_]:
    if nodata is None or np.isnan(nodata):
        return np.zeros(values.shape, dtype=bool)
    if values.dtype.kind != "f":
        limits = np.iinfo(values.dtype)
        fits = float(nodata).is_integer() and limits.min <= nodata <= limits.max
        return values == int(nodata) if fits else np.zeros(values.shape, dtype=bool)
    with np.errstate(over="ignore"):
        # The file's number has more digits than its pixels.
        hits: NDArray[np.bool_] = values == values.dtype.type(nodata)
    return hits
