"""The parts of a VRT that its sources cover: between them GDAL reads zeros, which no file holds (pixels as stored)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from rs_adapt.files import file_state
from rs_adapt.scenes.sources import Box

_SOURCES = ("SimpleSource", "ComplexSource", "AveragedSource", "KernelFilteredSource")
# GDAL takes whole pixels, up to this rounding.
_ROUNDING_PX = 1e-3


def covered(path: Path, bands: Sequence[int], box: Box) -> NDArray[np.bool_] | None:
    """Return where sources of a VRT cover a window in all of some bands, bool, shape (H, W).

    Args:
        path: The VRT.
        bands: Numbers from 1.
        box: The window.

    Returns:
        None where the VRT makes its bands in a different way than by laying sources side by side.
    """
    rectangles_of = _rectangles(path, file_state(path))
    covered_HW: NDArray[np.bool_] | None = None
    for rectangles_R4 in {id(one): one for band in bands if (one := rectangles_of.get(band)) is not None}.values():
        of_band_HW = np.zeros((box.y1 - box.y0, box.x1 - box.x0), dtype=bool)
        x0_R, y0_R, x1_R, y1_R = rectangles_R4.T
        touching_R = (x0_R < box.x1) & (x1_R > box.x0) & (y0_R < box.y1) & (y1_R > box.y0)
        for x0, y0, x1, y1 in rectangles_R4[touching_R] - (box.x0, box.y0, box.x0, box.y0):
            of_band_HW[max(y0, 0) : y1, max(x0, 0) : x1] = True
        covered_HW = of_band_HW if covered_HW is None else covered_HW & of_band_HW
    return covered_HW


@lru_cache(maxsize=8)
def _rectangles(path: Path, _state: tuple[int, int, int]) -> dict[int, NDArray[np.int64]]:
    """Return the rectangles x0, y0, x1, y1 of the sources by band, shape (R, 4); bands of other kinds are left out."""
    try:
        root = ElementTree.fromstring(path.read_bytes())
    except (OSError, ElementTree.ParseError):
        # GDAL has opened it all the same, for example a VRT in a text that is no file.
        return {}
    whole = (0.0, 0.0, float(root.get("rasterXSize", 0)), float(root.get("rasterYSize", 0)))
    shared: dict[bytes, NDArray[np.int64]] = {}
    by_band = {}
    for place, band in enumerate(root.findall("VRTRasterBand"), start=1):
        sources = [source for source in band if source.tag.endswith("Source")]
        if band.get("subClass") or not sources or any(source.tag not in _SOURCES for source in sources):
            continue
        rectangles_R4 = np.array([_rectangle(source.find("DstRect"), whole) for source in sources], dtype=np.int64)
        by_band[int(band.get("band", place))] = shared.setdefault(rectangles_R4.tobytes(), rectangles_R4)
    return by_band


def _rectangle(element: ElementTree.Element | None, whole: tuple[float, ...]) -> tuple[int, ...]:
    if element is None:
        x, y, width, height = whole
    else:
        x, y, width, height = (float(element.get(key, 0)) for key in ("xOff", "yOff", "xSize", "ySize"))
    ends = (math.ceil(end - _ROUNDING_PX) for end in (x + width, y + height))
    return (math.floor(x + _ROUNDING_PX), math.floor(y + _ROUNDING_PX), *ends)
