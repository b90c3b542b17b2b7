"""Read vector files with fiona, an optional package: GeoPackage, Shapefile and the other vector formats of GDAL."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rs_adapt.errors import DataError, DataNotFound
from rs_adapt.remote_drivers import quiet_fiona
from rs_adapt.scenes.drivers import SETTINGS, VECTOR_DRIVERS
from rs_adapt.scenes.gdal_files import check_vector_file
from rs_adapt.scenes.polygons.arrays import Bounds, Feature, Geometry

if TYPE_CHECKING:
    from rasterio.crs import CRS


class LayerFacts(NamedTuple):
    """A layer of a vector file; `geometry` is GDAL's name of its type, `columns` its attributes."""

    name: str
    geometry: str
    num_features: int
    columns: tuple[str, ...]
    crs: CRS | None


class Layer:
    """A layer of a vector file.

    Args:
        path: The file.
        layer: Its name, or its number from 1; None where the file has one layer of features with geometry.

    Raises:
        DataNotFound: The package fiona is needed and not installed.
        DataError: The file cannot be read, there is no such layer, or several and none is named.
    """

    def __init__(self, path: Path, layer: str | int | None) -> None:
        self.path = path
        # A Shapefile that is packed; GDAL looks into a zip by this name only.
        self._place = f"zip://{path}" if path.suffix.lower() == ".zip" else path
        _require_parts(path)
        check_vector_file(path)
        with _opening(path) as fiona:
            facts = [_facts(fiona, self._place, name) for name in fiona.listlayers(self._place)]
        self.facts = _choose(path, facts, layer)

    def bounds(self) -> Bounds:
        """Return the bounding box of all features."""
        with _opening(self.path) as fiona, _open(fiona, self._place, self.facts.name) as opened:
            return Bounds(*map(float, opened.bounds))

    def read(self, within: Bounds | None = None) -> Iterator[Feature]:
        """Yield the features, or those whose bounding box touches a rectangle, which an index of the file finds."""
        with _opening(self.path) as fiona, _open(fiona, self._place, self.facts.name) as opened:
            num_read = 0
            for item in opened if within is None else opened.filter(bbox=tuple(within)):
                num_read += 1
                yield Feature(f"feature {item.id}", _geometry(item.geometry), item.properties)
        if within is None and num_read != self.facts.num_features:
            raise DataError(
                f"{self.path} is damaged or cut off: it states {self.facts.num_features} features and has {num_read}. "
                "Copy or export it again."
            )


class _GdalErrors(logging.Handler):
    """Collects what GDAL reports as errors; of a file that is cut off, fiona gives the features before the cut."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


def _require_parts(path: Path) -> None:
    """Refuse a Shapefile without its index of places or its table of attributes."""
    if path.suffix.lower() != ".shp":
        return
    beside = {file.suffix.lower() for file in path.parent.iterdir() if file.stem.lower() == path.stem.lower()}
    if missing := [ending for ending in (".shx", ".dbf") if ending not in beside]:
        raise DataError(
            f"{path} is a Shapefile without its {' and '.join(missing)}: copy all of its files into one folder, .shp, "
            ".shx, .dbf and .prj."
        )


@contextmanager
def _opening(path: Path) -> Iterator[Any]:
    """Lend the module fiona, and turn its errors and those of GDAL into one about the file."""
    quiet_fiona()
    try:
        import fiona
    except ImportError as error:
        raise DataNotFound(
            f"{path} needs the package fiona: pip install 'rs-adapt[vector]', or store the polygons as GeoJSON."
        ) from error
    logger, errors = logging.getLogger("fiona"), _GdalErrors()
    logger.addHandler(errors)
    try:
        with fiona.Env(**SETTINGS):
            yield fiona
    except Exception as error:
        # Damaged files meet faults of fiona itself, of any type.
        raise DataError(f"{path} cannot be read as polygons: {error}.") from error
    finally:
        logger.removeHandler(errors)
    if errors.messages:
        raise DataError(f"{path} is damaged or cut off ({errors.messages[0]}): copy or export it again.")


def _open(fiona: Any, place: Path | str, layer: str) -> Any:
    return fiona.open(place, layer=layer, enabled_drivers=list(VECTOR_DRIVERS), allow_unsupported_drivers=True)


def _facts(fiona: Any, path: Path | str, name: str) -> LayerFacts:
    from rasterio.crs import CRS

    with _open(fiona, path, name) as layer:
        wkt = layer.crs_wkt
        return LayerFacts(
            name=name,
            geometry=layer.schema["geometry"],
            num_features=_count(layer),
            columns=tuple(layer.schema["properties"]),
            crs=CRS.from_wkt(wkt) if wkt else None,
        )


def _count(layer: Any) -> int:
    try:
        return len(layer)
    except TypeError:
        # Some formats have to be read for that.
        return sum(1 for _ in layer)


def _choose(path: Path, layers: list[LayerFacts], layer: str | int | None) -> LayerFacts:
    if layer is None:
        # Tables without geometry, such as the styles that QGIS stores, are no labels.
        spatial = [facts for facts in layers if facts.geometry != "None"]
        filled = [facts for facts in spatial if facts.num_features]
        if len(filled) == 1 or (not filled and len(spatial) == 1):
            return (filled or spatial)[0]
        if not spatial:
            raise DataError(f"{path} has no layer with geometry. It has: {_list(layers)}.")
        fault = "has several layers: name one with layer = "
    else:
        for number, facts in enumerate(layers, start=1):
            if layer in (number, facts.name):
                return facts
        fault = f"has no layer {layer!r}: give its name, or its number from 1, as layer = "
    raise DataError(f"{path} {fault}... in [...labels]. It has: {_list(layers)}.")


def _list(layers: list[LayerFacts]) -> str:
    return "; ".join(
        f"{number}. {facts.name!r} ({facts.geometry}, {facts.num_features} features, "
        f"attributes: {', '.join(facts.columns) or 'none'})"
        for number, facts in enumerate(layers, start=1)
    )


def _geometry(geometry: Any) -> Geometry | None:
    """Turn fiona's geometry, whose collections hold further ones, into GeoJSON."""
    if geometry is None:
        return None
    if geometry.type == "GeometryCollection":
        return {"type": geometry.type, "geometries": [_geometry(part) for part in geometry.geometries]}
    coordinates: Mapping[str, Any] = {"type": geometry.type, "coordinates": geometry.coordinates}
    return coordinates
