"""A file of polygons: read once a process, and brought onto the grid of each scene (H/W pixels)."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from rs_adapt.errors import DataError, DataNotFound
from rs_adapt.files import file_state, is_file_or_geodatabase
from rs_adapt.scenes.companions import files_behind
from rs_adapt.scenes.crs import LON_LAT, parse_crs
from rs_adapt.scenes.polygons.arrays import Bounds, Feature, Polygons, collect_polygons
from rs_adapt.scenes.polygons.geojson import SUFFIXES, GeoJson, crs_member_name
from rs_adapt.scenes.polygons.layers import Layer
from rs_adapt.scenes.polygons.placing import SystemOfFile, place
from rs_adapt.scenes.polygons.systems import is_lon_lat
from rs_adapt.scenes.sources import SceneInfo

# Layers with more features are not held in memory: what lies near a scene is read for it.
MOST_FEATURES = 500_000


class PolygonFile:
    """The polygons of a file or of one layer of it; `open_polygon_file` reads each once a process.

    Args:
        path: GeoJSON, or with fiona installed any vector format of GDAL.
        column: Attribute that names the class; None for a file whose attributes do not matter.
        layer: Name of the layer, or its number from 1; needed where several layers hold features.
        crs: Reference system of the coordinates ("EPSG:32632"), in place of the one that the file states.

    Raises:
        DataNotFound: There is no such file, or fiona is needed and not installed.
        DataError: The file cannot be read, has no such layer or attribute, or a feature is no polygon.
    """

    def __init__(
        self, path: Path, *, column: str | None = None, layer: str | int | None = None, crs: str | None = None
    ) -> None:
        self.path = path
        self._column = column
        self._layer: Layer | None = None
        self._all: Polygons | None = None
        if path.suffix.lower() in SUFFIXES:
            _require_layer_of_geojson(path, layer)
            content = GeoJson(path)
            self._all = collect_polygons(path, content.features(), column)
            if column is not None and self._all.num_features:
                _require_column(path, column, content.columns)
            self.system = _given(path, crs) if crs is not None else _system_of_geojson(path, content.crs_member)
        else:
            self._layer = Layer(path, layer)
            facts = self._layer.facts
            if column is not None:
                _require_column(path, column, facts.columns)
            if facts.num_features <= MOST_FEATURES:
                self._all = collect_polygons(path, self._layer.read(), column)
            self.system = _given(path, crs) if crs is not None else SystemOfFile(crs=facts.crs, origin="stated")

    @property
    def text_counts(self) -> Counter[str]:
        """Number of features by attribute; none for a layer that is too large to hold."""
        return Counter() if self._all is None else self._all.text_counts

    @property
    def num_skipped(self) -> int:
        """Number of features and parts that are no polygons; none for a layer that is too large to hold."""
        return 0 if self._all is None else self._all.skipped.total()

    @property
    def bounds(self) -> Bounds | None:
        """Bounding box of all polygons, in coordinates of the file; None where there is none."""
        if self._all is not None:
            return self._all.bounds if len(self._all) else None
        assert self._layer is not None
        return self._layer.bounds()

    @property
    def has_system(self) -> bool:
        """Whether the file states its reference system, or holds longitude and latitude."""
        if self.system.origin == "presumed":
            return self.bounds is None or is_lon_lat(self.bounds)
        return self.system.crs is not None

    def near(self, bounds: Bounds) -> Polygons:
        """Return the polygons whose bounding box touches a rectangle, both in coordinates of the file."""
        if self._all is not None:
            return self._all.take(self._all.touch(bounds))
        assert self._layer is not None
        parts = [bounds]
        if bounds.x0 > bounds.x1:
            parts = [bounds._replace(x1=180.0), bounds._replace(x0=-180.0)]
        features: Iterable[Feature] = (feature for part in parts for feature in self._layer.read(part))
        return collect_polygons(self.path, iter(features), self._column)

    def on_grid(self, image: SceneInfo, *, may_miss: bool = False) -> Polygons:
        """Return the polygons that lie on a scene, in its pixels.

        Those of a scene without a reference system are taken as coordinates of its transform: pixels, with y downwards
        from the upper edge, where it has no georeference at all. Pixels with y from 0 down to minus the height, as QGIS
        shows such images, are turned.

        Args:
            image: The scene.
            may_miss: Whether a scene on which no polygon lies is no error.

        Raises:
            DataError: No polygon lies on the scene, or the coordinates are none of the reference system.
        """
        return place(self, image, may_miss=may_miss)


def open_polygon_file(
    path: Path,
    *,
    column: str | None = None,
    layer: str | int | None = None,
    crs: str | None = None,
    fallback_crs: str | None = None,
) -> PolygonFile:
    """Return the polygons of a file, from memory where the process has read it before and it has not changed.

    Args:
        path: See `PolygonFile`, as for `column`, `layer` and `crs`.
        column: Attribute that names the class.
        layer: Name or number of the layer.
        crs: Reference system in place of the file's.
        fallback_crs: Reference system where the file states none, and its coordinates are no longitude and latitude.

    Raises:
        DataNotFound: There is no such file, or fiona is needed and not installed.
        DataError: See `PolygonFile`.
    """
    if not is_file_or_geodatabase(path):
        raise DataNotFound(f"There is no file of polygons {path}: check the path.")
    states = tuple((str(file), *file_state(file)) for file in files_behind([path]))
    opened = _open_cached(path, column, layer, crs, states)
    if fallback_crs is not None and not opened.has_system:
        return _open_cached(path, column, layer, fallback_crs, states)
    return opened


# Scenes with a file each take turns, so few are worth their memory.
@lru_cache(maxsize=4)
def _open_cached(
    path: Path, column: str | None, layer: str | int | None, crs: str | None, _states: tuple[object, ...]
) -> PolygonFile:
    return PolygonFile(path, column=column, layer=layer, crs=crs)


def _given(path: Path, name: str) -> SystemOfFile:
    crs = parse_crs(name)
    if crs is None:
        raise DataError(
            f"crs is {name!r}, which is no known reference system: give a code such as EPSG:32632, for {path}."
        )
    return SystemOfFile(crs=crs, origin="given")


def _system_of_geojson(path: Path, member: object) -> SystemOfFile:
    if member is None:
        # RFC 7946: coordinates without another system are longitude and latitude.
        return SystemOfFile(crs=parse_crs(LON_LAT), origin="presumed")
    name = crs_member_name(path, member)
    crs = parse_crs(name)
    if crs is None:
        raise DataError(
            f"{path} states the reference system {name!r}, which is not known. Give the right one as "
            'crs = "EPSG:..." in [...labels].'
        )
    return SystemOfFile(crs=crs, origin="stated")


def _require_layer_of_geojson(path: Path, layer: str | int | None) -> None:
    if layer not in (None, 1, path.stem):
        raise DataError(f"{path} is GeoJSON, which has no layers, so there is no layer {layer!r}: leave out layer.")


def _require_column(path: Path, column: str, columns: Iterable[str]) -> None:
    names = list(columns)
    if column in names:
        return
    folded = {name.lower(): name for name in names}
    near = difflib.get_close_matches(column.lower(), folded, n=1, cutoff=0.5)
    hint = f" Did you mean {folded[near[0]]!r}? Letter case counts." if near else ""
    raise DataError(f"{path}: feature 0 has no attribute {column!r}. It has: {', '.join(names) or 'none'}.{hint}")
