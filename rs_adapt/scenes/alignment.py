"""Where the pixels of an image lie in its label: the same pixels, or the nearest ones of another grid (H/W pixels)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError
from rasterio.crs import CRS
from rasterio.errors import CRSError, RasterioError
from rasterio.transform import Affine
from rasterio.warp import transform as transform_points

from rs_adapt.errors import DataError
from rs_adapt.scenes.sources import Box, SceneInfo

# Grids that differ by less than this are one: conventions of pixel corners and centres differ by it.
SAME_GRID_PX = 0.5
# Between systems, points this far apart are transformed and those between them interpolated.
_NODE_STEP_PX = 16
# Pixels of a label that are in memory at once.
_READ_PX = 1 << 24
# Centres that lie on the border of two label pixels up to rounding go to the right and lower one.
_TIE_PX = 1e-6

Pixels = tuple[NDArray[Any], NDArray[np.bool_]]
ReadWindow = Callable[[Box], Pixels]


class Alignment:
    """The way from an image's pixels to those of a label on another grid.

    Args:
        image: Facts of the image, which has a place on the map.
        label: Facts of the label, which has one, too. A reference system that only one of both states is that of both.

    Raises:
        DataError: Points cannot be brought from one reference system into the other.
    """

    def __init__(self, image: SceneInfo, label: SceneInfo) -> None:
        self._image, self._label = image, label
        self._systems: tuple[CRS, CRS] | None = None
        if image.crs is not None and label.crs is not None:
            try:
                systems = (CRS.from_wkt(image.crs), CRS.from_wkt(label.crs))
            except CRSError as error:
                raise self._unusable(error) from error
            self._systems = systems if systems[0] != systems[1] else None
        self._to_label = ~Affine(*label.transform) @ Affine(*image.transform)

    def in_label(self, x_N: NDArray[np.float64], y_N: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return where points of the image lie in the label, both in pixels, shape (2, N); not finite if nowhere."""
        if self._systems is None:
            return np.array(self._to_label @ (x_N, y_N))
        image_system, label_system = self._systems
        map_x, map_y = Affine(*self._image.transform) @ (x_N, y_N)
        moved = self._transform(image_system, label_system, map_x, map_y)
        with np.errstate(invalid="ignore"):
            return np.array(~Affine(*self._label.transform) @ moved)

    def in_image(self, x_N: NDArray[np.float64], y_N: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return where points of the label lie in the image, both in pixels, shape (2, N); not finite if nowhere."""
        return Alignment(self._label, self._image).in_label(x_N, y_N)

    def read(self, box: Box, read: ReadWindow) -> tuple[NDArray[Any], NDArray[np.bool_], NDArray[np.bool_]]:
        """Read a window of the image from the label.

        Args:
            box: The window in pixels of the image.
            read: Reads a window of the label: pixels, shape (H, W) or (H, W, C), and the valid mask, shape (H, W).

        Returns:
            The nearest label pixel of each pixel, the valid mask, and where the label reaches, both bool, shape (H, W).
        """
        columns_HW, rows_HW, inside_HW = self._nearest(box)
        if not inside_HW.any():
            pixels, _ = read(Box(0, 0, 1, 1))
            return np.zeros(inside_HW.shape + pixels.shape[2:], dtype=pixels.dtype), inside_HW, inside_HW
        columns_N, rows_N = columns_HW[inside_HW], rows_HW[inside_HW]
        source = Box(int(columns_N.min()), int(rows_N.min()), int(columns_N.max()) + 1, int(rows_N.max()) + 1)
        if (source.x1 - source.x0) * (source.y1 - source.y0) > _READ_PX and inside_HW.size > 1:
            return self._read_halves(box, read)
        pixels, valid = read(source)
        gathered = np.zeros(inside_HW.shape + pixels.shape[2:], dtype=pixels.dtype)
        gathered[inside_HW] = pixels[rows_N - source.y0, columns_N - source.x0]
        valid_HW = np.zeros_like(inside_HW)
        valid_HW[inside_HW] = valid[rows_N - source.y0, columns_N - source.x0]
        return gathered, valid_HW, inside_HW

    def _read_halves(self, box: Box, read: ReadWindow) -> tuple[NDArray[Any], NDArray[np.bool_], NDArray[np.bool_]]:
        if box.x1 - box.x0 >= box.y1 - box.y0:
            middle, axis = (box.x0 + box.x1) // 2, 1
            halves = box._replace(x1=middle), box._replace(x0=middle)
        else:
            middle, axis = (box.y0 + box.y1) // 2, 0
            halves = box._replace(y1=middle), box._replace(y0=middle)
        first, second = (self.read(half, read) for half in halves)
        pixels, valid_HW, inside_HW = (np.concatenate(both, axis=axis) for both in zip(first, second, strict=True))
        return pixels, valid_HW, inside_HW

    def _nearest(self, box: Box) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.bool_]]:
        """Return column and row of the nearest label pixel, and whether the label reaches there."""
        centres_x, centres_y = np.arange(box.x0, box.x1) + 0.5, np.arange(box.y0, box.y1) + 0.5
        if self._systems is None:
            x_HW, y_HW = np.broadcast_arrays(*(self._to_label @ (centres_x[None], centres_y[:, None])))
        else:
            nodes_x, nodes_y = _nodes(box.x0, box.x1), _nodes(box.y0, box.y1)
            grid_x, grid_y = np.meshgrid(nodes_x, nodes_y)
            at_nodes = self.in_label(grid_x.ravel(), grid_y.ravel()).reshape(2, len(nodes_y), len(nodes_x))
            across, down = _weights(centres_x, nodes_x), _weights(centres_y, nodes_y)
            with np.errstate(invalid="ignore"):
                x_HW, y_HW = (down @ at_nodes[axis] @ across.T for axis in (0, 1))
        with np.errstate(invalid="ignore"):
            inside_HW = np.isfinite(x_HW) & np.isfinite(y_HW)
            x_HW, y_HW = (np.floor(np.where(inside_HW, side, -1.0) + _TIE_PX) for side in (x_HW, y_HW))
        inside_HW &= (x_HW >= 0) & (x_HW < self._label.width_px) & (y_HW >= 0) & (y_HW < self._label.height_px)
        zero = np.intp(0)
        columns_HW, rows_HW = (np.where(inside_HW, side, zero).astype(np.intp) for side in (x_HW, y_HW))
        return columns_HW, rows_HW, inside_HW

    def _transform(
        self, source: CRS, goal: CRS, x_N: NDArray[Any], y_N: NDArray[Any]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        try:
            moved_x, moved_y = transform_points(source, goal, x_N, y_N)
        except CRSError as error:
            raise self._unusable(error) from error
        except (RasterioError, CPLE_BaseError):
            if len(x_N) == 1:
                return np.array([np.inf]), np.array([np.inf])
            # One point that the system has no place for spoils all of them.
            middle = len(x_N) // 2
            halves = [self._transform(source, goal, x_N[part], y_N[part]) for part in (np.s_[:middle], np.s_[middle:])]
            return np.concatenate([x for x, _ in halves]), np.concatenate([y for _, y in halves])
        return np.asarray(moved_x), np.asarray(moved_y)

    def _unusable(self, error: Exception) -> DataError:
        return DataError(
            f"{self._label.path} cannot be brought into the reference system of {self._image.path} ({error}). "
            "Check the system of both (gdalinfo)."
        )


def align(image: SceneInfo, label: SceneInfo) -> Alignment | None:
    """Return the way from an image's pixels to those of its label; None where they are the same pixels.

    Raises:
        DataError: Both have a place and do not overlap; only one of them has a place, or none, and their sizes differ;
            only one has a place, and is mirrored there; or one has a place and that of the other is no regular grid.
    """
    sizes_agree = (image.width_px, image.height_px) == (label.width_px, label.height_px)
    if not (image.has_place and label.has_place):
        for faulty, other in ((image, label), (label, image)):
            if faulty.place_fault is not None and other.has_place:
                raise DataError(
                    f"Label {label.path} and its image {image.path} cannot be laid over each other: {faulty.path} "
                    f"{faulty.place_fault}."
                )
        if not sizes_agree:
            raise DataError(_sizes_differ(image, label))
        for mirrored, other in ((image, label), (label, image)):
            if _is_mirrored(mirrored) and not other.has_place:
                raise DataError(
                    f"{mirrored.path} is stored mirrored (its rows run north or its columns west), and {other.path} "
                    "has no georeference that would say whether its pixels are, too. Give it one, or turn the first "
                    f"upright: gdalwarp {mirrored.path} upright.tif."
                )
        return None
    alignment = Alignment(image, label)
    x_N, y_N = _spread_points(image)
    found_2N = alignment.in_label(x_N, y_N)
    if sizes_agree and np.abs(found_2N - (x_N, y_N)).max() <= SAME_GRID_PX + _TIE_PX:
        return None
    _require_overlap(alignment, found_2N, image, label)
    return alignment


def _require_overlap(alignment: Alignment, found_2N: NDArray[np.float64], image: SceneInfo, label: SceneInfo) -> None:
    found_2N = found_2N[:, np.isfinite(found_2N).all(axis=0)]
    size_2 = (label.width_px, label.height_px)
    if found_2N.size and all(
        side.max() > 0 and side.min() < length for side, length in zip(found_2N, size_2, strict=True)
    ):
        return
    lies_2N = alignment.in_image(*_spread_points(label))
    lies_2N = lies_2N[:, np.isfinite(lies_2N).all(axis=0)]
    if not lies_2N.size:
        way = "its place cannot be expressed in the image's reference system"
    else:
        (x0, y0), (x1, y1) = lies_2N.min(axis=1), lies_2N.max(axis=1)
        gaps = {
            "to the right of it": x0 - image.width_px,
            "to the left of it": -x1,
            "below it": y0 - image.height_px,
            "above it": -y1,
        }
        unit_m = "" if image.gsd_m is None else f" of {image.gsd_m:g} m"
        way = "it lies " + " and ".join(f"{gap:.0f} px{unit_m} {side}" for side, gap in gaps.items() if gap >= 0)
    raise DataError(
        f"Label {label.path} does not overlap its image {image.path}: {way}. Check that both are of one place and that "
        "their reference systems are right (gdalinfo); a label without any georeference is taken pixel by pixel."
    )


def _is_mirrored(info: SceneInfo) -> bool:
    """Return whether a map program shows a raster in a different order than its pixels have."""
    a, b, _, d, e, _ = info.transform
    # Without a system, rows that run up are those of a part that was cut out of an image without a place.
    return info.crs is not None and b == d == 0 and (a < 0 or e > 0) and info.has_place


def _sizes_differ(image: SceneInfo, label: SceneInfo) -> str:
    sizes = (
        f"Label {label.path} is {label.width_px} x {label.height_px} px, its image {image.path} is "
        f"{image.width_px} x {image.height_px} px"
    )
    if image.has_place == label.has_place:
        if (image.width_px, image.height_px) == (label.height_px, label.width_px):
            return (
                f"{sizes}: one is turned by a quarter against the other. Pictures are taken the way up that their "
                "EXIF orientation says, as viewers show them; a label that was drawn on the pixels as stored is to be "
                "turned like its image, or that tag is to be removed from the image (exiftool -Orientation=)."
            )
        return f"{sizes}: they must be of the same size."
    lacking = "image" if label.has_place else "label"
    return (
        f"{sizes}: they must be of the same size, because the {lacking} has no georeference that would say which "
        "pixels belong together. Give it one, or cut both to the same pixels."
    )


def _spread_points(info: SceneInfo) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return points on a grid over a raster, its borders included, in pixels."""
    grid_x, grid_y = np.meshgrid(np.linspace(0, info.width_px, 9), np.linspace(0, info.height_px, 9))
    return grid_x.ravel(), grid_y.ravel()


def _nodes(start: int, stop: int) -> NDArray[np.float64]:
    return np.linspace(start, stop, 1 + max(1, -(-(stop - start) // _NODE_STEP_PX)))


def _weights(points_N: NDArray[Any], nodes_M: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of each node in the value at each point, shape (N, M), interpolated linearly."""
    weights_NM: NDArray[np.float64] = 1.0 - np.abs(points_N[:, None] - nodes_M) / (nodes_M[1] - nodes_M[0])
    return weights_NM.clip(0.0)
