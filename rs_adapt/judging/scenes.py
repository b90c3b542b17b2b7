"""Two maps of each scene, window by window, and the map of their difference (K classes, H/W pixels)."""

from __future__ import annotations

import json
import math
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.windows import Window

from rs_adapt.errors import DataError
from rs_adapt.files import atomic_file, make_output_folder
from rs_adapt.judging.pairs import PairPrediction, RasterPlace
from rs_adapt.prediction.appearance import Appearance
from rs_adapt.prediction.layers import NODATA, SHARE_STEP
from rs_adapt.prediction.writing import STAGED, copy_as_cog, layer_file
from rs_adapt.progress import OnProgress
from rs_adapt.scenes import Box, Scene

WINDOW_PX = 512
_MOST_NAMED = 5
_SAME, _DIFFERS = 0, 1
_COLOURS = {_SAME: (225, 225, 225, 255), _DIFFERS: (205, 20, 20, 255), NODATA: (0, 0, 0, 0)}


@dataclass(frozen=True, kw_only=True)
class SceneMaps:
    """A scene and what was made of it.

    Attributes:
        scene: The scene.
        run: Map of classes of RUN, with its probabilities beside it.
        against: Map of classes of AGAINST, likewise.
        difference: Map of where the two differ, to be written.
    """

    scene: Path
    run: Path
    against: Path
    difference: Path


class ScenePairs:
    """The predictions of two models for whole scenes, read from their maps.

    Args:
        maps: The maps.
        appearance: How the scenes become RGB, for pictures.
        on_progress: Called with a stage, and with the windows done and in all.

    Raises:
        DataError: A map cannot be read.
    """

    def __init__(self, maps: Sequence[SceneMaps], *, appearance: Appearance, on_progress: OnProgress) -> None:
        self._maps, self._appearance, self._on_progress = maps, appearance, on_progress
        names = [each.scene.name for each in maps]
        more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
        # In words, for the page.
        self.name = f"the scenes {', '.join(names[:_MOST_NAMED])}{more}" if len(names) > 1 else f"the scene {names[0]}"
        self._sizes = [_size(each.run) for each in maps]

    def __len__(self) -> int:
        """Return the number of windows."""
        return sum(math.ceil(width / WINDOW_PX) * math.ceil(height / WINDOW_PX) for width, height in self._sizes)

    def __iter__(self) -> Iterator[PairPrediction]:
        """Yield the windows of all scenes; the map of differences of a scene is complete after its last one."""
        done = 0
        for maps in self._maps:
            for pair in self._windows(maps):
                yield pair
                done += 1
                self._on_progress("comparing maps", done, len(self))

    def _windows(self, maps: SceneMaps) -> Iterator[PairPrediction]:
        make_output_folder(maps.difference.parent)
        with ExitStack() as stack:
            stack.enter_context(warnings.catch_warnings())
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            final = stack.enter_context(atomic_file(maps.difference))
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix=".", dir=maps.difference.parent))
            staged = Path(folder) / "difference.tif"
            scene = stack.enter_context(self._appearance.open(maps.scene))
            sides = [_Side(stack, file) for file in (maps.run, maps.against)]
            place = sides[0].place
            with rasterio.open(staged, "w", **_profile(sides[0].classes)) as written:
                _describe(written, sides[0].classes)
                for window in _grid(written.width, written.height):
                    run_KHW, run_HW = sides[0].read(window)
                    against_KHW, against_HW = sides[1].read(window)
                    valid_HW = (run_HW != NODATA) & (against_HW != NODATA)
                    difference_HW = np.where(valid_HW, np.where(run_HW == against_HW, _SAME, _DIFFERS), NODATA)
                    written.write(difference_HW.astype(np.uint8), 1, window=window)
                    yield PairPrediction(
                        image=maps.scene.name,
                        run_KHW=run_KHW,
                        against_KHW=against_KHW,
                        valid_HW=valid_HW,
                        read_pixels=partial(_read_pixels, scene, window),
                        left_px=window.col_off,
                        top_px=window.row_off,
                        place=place,
                    )
            copy_as_cog(staged, final, is_of_classes=True)


def scene_systems(scenes: Sequence[Path], appearance: Appearance) -> set[str]:
    """Return the coordinate systems of scenes; "" for one without a place."""
    systems = set()
    for path in scenes:
        with appearance.open(path) as scene:
            systems.add((scene.info.crs or "") if scene.info.has_place else "")
    return systems


class _Side:
    """The map of classes of one model and its probabilities, open."""

    def __init__(self, stack: ExitStack, file: Path) -> None:
        self.classes = stack.enter_context(_open(file))
        self._probabilities = stack.enter_context(_open(layer_file(file, "probabilities")))
        crs, (points, _) = self.classes.crs, self.classes.gcps
        self.place = RasterPlace.of(crs.to_wkt(), tuple(self.classes.transform)[:6]) if crs and not points else None

    def read(self, window: Window) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        """Return class probabilities, float32 (K, H, W), and classes, uint8 (H, W)."""
        classes_HW: NDArray[np.uint8] = self.classes.read(1, window=window)
        steps_KHW = self._probabilities.read(window=window)
        probabilities_KHW = np.where(classes_HW == NODATA, 0, steps_KHW).astype(np.float32) * np.float32(SHARE_STEP)
        # Where rounding has made two probabilities equal, the class of the map is the larger one.
        of_map_KHW = np.arange(len(probabilities_KHW))[:, None, None] == classes_HW
        probabilities_KHW += of_map_KHW * np.float32(SHARE_STEP / 4)
        probabilities_KHW /= probabilities_KHW.sum(axis=0).clip(1e-6)
        return probabilities_KHW, classes_HW


def _size(file: Path) -> tuple[int, int]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with _open(file) as dataset:
            return dataset.width, dataset.height


def _open(file: Path) -> Any:
    try:
        return rasterio.open(file)
    except RasterioError as error:
        raise DataError(f"The map {file} cannot be read: {error}. Add --overwrite to make it again.") from error


def _profile(like: Any) -> dict[str, object]:
    facts = {"width": like.width, "height": like.height, "count": 1, "dtype": "uint8", "nodata": NODATA}
    profile = STAGED | facts
    points, _ = like.gcps
    if not points:
        profile |= {"crs": like.crs} if like.crs else {}
        profile |= {} if like.transform.is_identity else {"transform": like.transform}
    return profile


def _describe(dataset: Any, like: Any) -> None:
    points, crs = like.gcps
    if points:
        dataset.gcps = (points, crs)
    dataset.write_colormap(1, _COLOURS)
    dataset.set_band_description(1, "difference")
    dataset.update_tags(values=json.dumps({_SAME: "same class", _DIFFERS: "different classes"}))


def _grid(width_px: int, height_px: int) -> Iterator[Window]:
    for top in range(0, height_px, WINDOW_PX):
        for left in range(0, width_px, WINDOW_PX):
            yield Window(left, top, min(WINDOW_PX, width_px - left), min(WINDOW_PX, height_px - top))


def _read_pixels(scene: Scene, window: Window) -> NDArray[np.uint8]:
    left, top = int(window.col_off), int(window.row_off)
    pixels_HW3, _ = scene.read_rgb(Box(left, top, left + int(window.width), top + int(window.height)))
    return pixels_HW3
