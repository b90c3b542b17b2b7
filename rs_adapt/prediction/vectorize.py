"""From the finished strips of a map to a file of polygons."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rs_adapt.errors import ConfigError
from rs_adapt.files import make_output_folder
from rs_adapt.prediction.areas import PixelPlaces
from rs_adapt.prediction.grid import MapGrid
from rs_adapt.prediction.place import MapPlace
from rs_adapt.prediction.polygons import PolygonSettings, find_polygons
from rs_adapt.prediction.regions import Strip
from rs_adapt.prediction.strips import StripStore
from rs_adapt.prediction.vector_file import FORMATS, check_writer, vector_file, write_polygons
from rs_adapt.prediction.writing import MapClasses, block_rows

if TYPE_CHECKING:
    from rs_adapt.scenes import SceneInfo

# Pixels whose borders are looked for at a time: about 100 MB.
_STRIP_PX = 2 << 20


def polygon_settings(
    vector: str | None, *, min_area_m2: float, simplify_m: float, num_scenes: int
) -> PolygonSettings | None:
    """Return how polygons are made, None where they are not wanted, and refuse values that cannot be used.

    Raises:
        ConfigError: A value cannot be used, or several scenes would share a file.
        DataNotFound: A package is missing.
    """
    for option, value in (("--min-area", min_area_m2), ("--simplify", simplify_m)):
        if not 0 <= value < math.inf:
            raise ConfigError(f"{option} is {value:g}. Allowed: 0 or more.")
        if value and vector is None:
            raise ConfigError(f"{option} changes polygons, and none are written. Add --vector gpkg.")
    if vector is None:
        return None
    file = vector_file(Path("map.tif"), vector)
    if vector not in FORMATS and num_scenes > 1:
        raise ConfigError(
            f"--vector is the file {vector}, and there are {num_scenes} scenes. Allowed: gpkg or geojson."
        )
    check_writer(file)
    return PolygonSettings(vector=vector, min_area_m2=min_area_m2, simplify_m=simplify_m)


def check_polygons(info: SceneInfo, place: MapPlace) -> None:
    """Refuse scenes whose polygons would have no place or no area.

    Args:
        info: Facts of the part that is mapped.
        place: The place of its map.

    Raises:
        DataError: The scene has no place, no coordinate system, or one that does not fit its place.
    """
    PixelPlaces(place, info.path).row_areas_m2(info.width_px, info.height_px)


def write_map_polygons(
    file: Path,
    store: StripStore,
    grid: MapGrid,
    settings: PolygonSettings,
    *,
    place: MapPlace,
    classes: MapClasses,
    on_rows: Callable[[int], None],
) -> None:
    """Write the polygons of a map, complete or not at all.

    Args:
        file: Ends in .gpkg or .geojson; its folder is made.
        store: All strips, with classes and confidence.
        grid: The tiles.
        settings: Least area and tolerance.
        place: The place of the map.
        classes: Names of the classes.
        on_rows: Called with the number of rows read since the last call; the map is read twice.

    Raises:
        DataError: A strip was damaged.
        RunFailed: The polygons do not fit into memory; the map is complete.
    """

    def strips() -> Iterator[Strip]:
        rows = max(1, _STRIP_PX // grid.width_px)
        classes, confidence = block_rows(store, grid, "classes"), block_rows(store, grid, "confidence")
        for (top, classes_1HW), (_, confidence_1HW) in zip(classes, confidence, strict=True):
            for first in range(0, classes_1HW.shape[1], rows):
                yield Strip(
                    first_row=top + first,
                    classes_HW=classes_1HW[0, first : first + rows].astype(np.uint8),
                    confidence_HW=confidence_1HW[0, first : first + rows].astype(np.uint8),
                )
            on_rows(classes_1HW.shape[1])

    make_output_folder(file.parent)
    places = PixelPlaces(place, file)
    polygons = find_polygons(strips, (grid.width_px, grid.height_px), places, settings, source=str(file))
    write_polygons(file, polygons, places, classes.names, staging=store.folder)
