"""Your own labels (values, colours or polygons) -> class indices on the pixels of their images (H/W pixels)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rs_adapt.datasets.own.polygon_labels import PolygonLabels
from rs_adapt.datasets.own.windows import IGNORE, REMEDY, LabelWindow
from rs_adapt.datasets.recipes import LabelItem, LabelSource
from rs_adapt.errors import DataError
from rs_adapt.scenes import Alignment, Box, Scene, SceneInfo, align

# Rows that are in memory at once.
ROWS = 1024
# Codes below this are counted in a table, which is quicker than sorting them.
_COUNTED_CODES = 1 << 16
# Values or colours that a message lists.
_LISTED = 8


class LabelReader:
    """The label of an image, read window by window on the image's pixels; use it as a context manager.

    A label raster on another grid than its image gives each pixel of the image its nearest one; see `align`.

    Args:
        labels: How labels are read.
        image: Facts of the image.
        label: The label's file.

    Attributes:
        polygons: The polygons on the image; None for rasters.

    Raises:
        DataNotFound: The label does not exist.
        DataError: It cannot be read, or does not fit the image.
    """

    def __init__(self, labels: LabelSource, image: SceneInfo, label: Path) -> None:
        self._raster: _RasterLabel | None = None
        self.polygons: PolygonLabels | None = None
        self._read: Callable[[Box], LabelWindow]
        if labels.kind == "polygons":
            self.polygons = PolygonLabels(labels, image, label)
            self._read = self.polygons.read
        else:
            self._raster = _RasterLabel(labels, image, label)
            self._read = self._raster.read

    def __enter__(self) -> LabelReader:
        """Return the reader itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Close the file."""
        if self._raster is not None:
            self._raster.close()

    def read(self, box: Box) -> LabelWindow:
        """Read the label of a window.

        Args:
            box: The window in pixels of the image.

        Raises:
            DataError: The label cannot be decoded, or holds what belongs to no class.
        """
        return self._read(box)


class _RasterLabel:
    """A label of values or colours; both are numbers here, a colour is red * 65536 + green * 256 + blue."""

    def __init__(self, labels: LabelSource, image: SceneInfo, label: Path) -> None:
        self._kind = labels.kind
        self._index_of = {_code(item): index for item, index in labels.to_index}
        self._index_of |= {_code(item): IGNORE for item in labels.ignore}
        self._scene = Scene(label, nodata=labels.nodata)
        try:
            self._alignment: Alignment | None = align(image, self._scene.info)
        except DataError:
            self.close()
            raise

    def close(self) -> None:
        self._scene.close()

    def read(self, box: Box) -> LabelWindow:
        if self._alignment is None:
            codes_HW, valid_HW = self._read_codes(box)
            reached_HW = np.ones_like(valid_HW)
        else:
            codes_HW, valid_HW, reached_HW = self._alignment.read(box, self._read_codes)
        codes, numbers_HW = _distinct(codes_HW)
        seen = np.bincount(numbers_HW[valid_HW], minlength=len(codes))
        if any(seen[number] and int(code) not in self._index_of for number, code in enumerate(codes)):
            raise self._unknown()
        indices = np.array([self._index_of.get(int(code), IGNORE) for code in codes], dtype=np.uint8)
        hidden = np.bincount(numbers_HW[reached_HW & ~valid_HW], minlength=len(codes))
        return LabelWindow(
            classes_HW=np.where(valid_HW, indices[numbers_HW], np.uint8(IGNORE)),
            no_data_HW=~valid_HW,
            contents=self._counts(codes, seen),
            hidden=self._counts(codes, hidden),
        )

    def _read_codes(self, box: Box) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        if self._kind == "values":
            return self._scene.read_codes(box)
        rgb_HW3, valid_HW = self._scene.read_colours(box)
        return rgb_HW3.astype(np.int64) @ np.array([1 << 16, 1 << 8, 1]), valid_HW

    def _counts(self, codes: NDArray[np.int64], counts: NDArray[np.intp]) -> Counter[str]:
        return Counter({self._text(int(codes[at])): int(counts[at]) for at in np.flatnonzero(counts)})

    def _text(self, code: int) -> str:
        return str(code) if self._kind == "values" else f"#{code:06X}"

    def _unknown(self) -> DataError:
        """Count what belongs to no class in the whole file, not only in the window that shows it."""
        unknown: Counter[int] = Counter()
        height_px = self._scene.info.height_px
        for y0 in range(0, height_px, ROWS):
            codes_HW, valid_HW = self._read_codes(self._scene.box._replace(y0=y0, y1=min(y0 + ROWS, height_px)))
            codes, counts = np.unique(codes_HW[valid_HW], return_counts=True)
            unknown.update({int(c): int(n) for c, n in zip(codes, counts, strict=True) if int(c) not in self._index_of})
        listed = ", ".join(f"{self._text(code)} ({count} px)" for code, count in unknown.most_common(_LISTED))
        more = f" and {len(unknown) - _LISTED} more" if len(unknown) > _LISTED else ""
        return DataError(
            f"Label {self._scene.info.path} holds {self._kind} that belong to no class: {listed}{more}. "
            f"{REMEDY}{self._hint(unknown)}"
        )

    def _hint(self, unknown: Counter[int]) -> str:
        """Return sentences on how such values or colours may have come about."""
        hints = []
        if self._kind == "values":
            hints.append("A value that marks pixels without data is stated as labels.nodata.")
        elif backward := [code for code in unknown if _backward(code) != code and _backward(code) in self._index_of]:
            hints.append(
                f"{self._text(backward[0])} is {self._text(_backward(backward[0]))} with red and blue exchanged, as "
                "OpenCV writes colours that are not in its order."
            )
        if self._scene.info.path.suffix.lower() in (".jpg", ".jpeg"):
            hints.append("A jpg does not keep the values of pixels: export labels as png or GeoTIFF.")
        elif len(unknown) > _LISTED:
            hints.append("Are edges smoothed? Export or resize labels with nearest neighbour, without anti-aliasing.")
        return "".join(f" {hint}" for hint in hints)


def label_text(item: LabelItem) -> str:
    """Return a value, colour or attribute as `LabelWindow.contents` names it."""
    return _hex(item) if isinstance(item, tuple) else str(item)


def _code(item: LabelItem) -> int:
    if isinstance(item, tuple):
        red, green, blue = item
        return red << 16 | green << 8 | blue
    return int(item)


def _backward(code: int) -> int:
    """Return the code of a colour with red and blue exchanged."""
    return (code & 0xFF) << 16 | code & 0xFF00 | code >> 16


def _distinct(codes_HW: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
    """Return the distinct codes in rising order, and the place of each pixel's code among them, shape (H, W)."""
    if codes_HW.min() < 0 or codes_HW.max() >= _COUNTED_CODES:
        codes, numbers = np.unique(codes_HW, return_inverse=True)
        return codes, numbers.reshape(codes_HW.shape)
    counts = np.bincount(codes_HW.ravel())
    return np.flatnonzero(counts), (np.cumsum(counts > 0) - 1)[codes_HW]


def _hex(rgb: Iterable[int]) -> str:
    return "#" + "".join(f"{int(value):02X}" for value in rgb)
