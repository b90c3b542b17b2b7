"""Polygons of maps against the maps themselves: burned back, merged, simplified, and their areas."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.features import rasterize
from rasterio.transform import Affine
from scipy import ndimage

from rs_adapt.errors import RunFailed
from rs_adapt.prediction import borders, regions
from rs_adapt.prediction.areas import PixelPlaces
from rs_adapt.prediction.layers import NODATA
from rs_adapt.prediction.place import MapPlace
from rs_adapt.prediction.polygons import Polygon, PolygonSettings, find_polygons
from rs_adapt.prediction.regions import Strip
from rs_adapt.prediction.vector_file import write_polygons

PLACE = (2.0, 0.0, 500000.0, 0.0, -2.0, 5000000.0)
UTM = "EPSG:32633"


def places(crs: str = UTM, transform: tuple[float, ...] = PLACE) -> PixelPlaces:
    return PixelPlaces(MapPlace(crs=CRS.from_user_input(crs).to_wkt(), transform=transform), Path("scene.tif"))


def polygons_of(
    classes_HW: NDArray[np.uint8],
    *,
    rows: int = 7,
    place: PixelPlaces | None = None,
    min_area_m2: float = 0.0,
    simplify_m: float = 0.0,
) -> list[Polygon]:
    """Return the polygons of a map that comes in strips of some rows; the confidence of a pixel is its class."""

    def strips() -> Iterator[Strip]:
        for first in range(0, len(classes_HW), rows):
            strip_HW = classes_HW[first : first + rows]
            yield Strip(first_row=first, classes_HW=strip_HW, confidence_HW=strip_HW)

    settings = PolygonSettings(vector="gpkg", min_area_m2=min_area_m2, simplify_m=simplify_m)
    size_px = (classes_HW.shape[1], classes_HW.shape[0])
    return list(find_polygons(strips, size_px, place or places(), settings, source="map"))


def burn(polygons: list[Polygon], shape: tuple[int, int]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the classes of polygons as pixels, and how many polygons cover each."""
    classes_HW, covered_HW = np.full(shape, NODATA, np.uint8), np.zeros(shape, np.int64)
    for polygon in polygons:
        shape_of = {"type": "Polygon", "coordinates": [list(zip(x, y, strict=True)) for x, y in polygon.rings]}
        inside_HW = rasterize([shape_of], shape, transform=Affine(*PLACE), dtype="uint8") > 0
        classes_HW[inside_HW] = polygon.class_index
        covered_HW += inside_HW
    return classes_HW, covered_HW


def key(polygons: list[Polygon]) -> list[object]:
    rings = [sorted(sorted(zip(x.tolist(), y.tolist(), strict=True)) for x, y in p.rings) for p in polygons]
    return sorted(
        (p.class_index, round(p.area_m2, 3), round(p.confidence, 6), *ring)
        for p, ring in zip(polygons, rings, strict=True)
    )


def draw_map(seed: int, shape: tuple[int, int] = (23, 31)) -> NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    classes_HW = rng.integers(0, 2 + seed % 2, shape)
    return np.where(rng.random(shape) < 0.1, NODATA, classes_HW).astype(np.uint8)


@pytest.mark.parametrize("seed", range(2))
def test_polygons_are_the_map_however_it_is_cut_into_strips(seed: int) -> None:
    classes_HW = draw_map(seed)
    polygons = polygons_of(classes_HW)
    burned_HW, covered_HW = burn(polygons, classes_HW.shape)
    assert np.array_equal(burned_HW, classes_HW)
    assert np.array_equal(covered_HW, (classes_HW != NODATA).astype(int))
    assert len(polygons) == sum(ndimage.label(classes_HW == value)[1] for value in range(3))
    assert sum(polygon.area_m2 for polygon in polygons) == pytest.approx(4 * (classes_HW != NODATA).sum())
    for rows in (1, 2, 22, 23):
        assert key(polygons_of(classes_HW, rows=rows)) == key(polygons)


def test_rings_are_simple_and_run_counter_clockwise_around_polygons() -> None:
    for x, y in (ring for polygon in polygons_of(draw_map(1)) for ring in polygon.rings[:1]):
        assert (x[0], y[0]) == (x[-1], y[-1])
        assert len(set(zip(x, y, strict=True))) == len(x) - 1
        assert (x[:-1] * y[1:] - x[1:] * y[:-1]).sum() > 0


def test_small_polygons_become_part_of_the_neighbour_with_the_longest_border() -> None:
    classes_HW = np.zeros((6, 9), np.uint8)
    classes_HW[:, 5:] = 1
    classes_HW[2:4, 4] = 2
    classes_HW[3, 3] = 2
    (left, right) = sorted(polygons_of(classes_HW, min_area_m2=20), key=lambda polygon: polygon.class_index)
    assert (left.class_index, left.area_m2) == (0, 4 * 30)
    assert (right.class_index, right.area_m2) == (1, 4 * 24)
    # Pixels keep their own confidence: three of class 2 among those of class 0.
    assert left.confidence == pytest.approx(3 * 2 / 30 / 200)


@pytest.mark.parametrize("rows", [1, 5, 40])
def test_no_polygon_is_smaller_than_asked_and_no_gap_stays(rows: int) -> None:
    classes_HW = draw_map(1)
    merged = polygons_of(classes_HW, rows=rows, min_area_m2=40)
    assert min(polygon.area_m2 for polygon in merged) >= 40
    _, covered_HW = burn(merged, classes_HW.shape)
    alone = (classes_HW != NODATA) & (covered_HW == 0)
    # Left out: small ones that nodata surrounds.
    assert alone.sum() < 10
    assert covered_HW.max() == 1
    assert key(merged) == key(polygons_of(classes_HW, rows=23, min_area_m2=40))


def test_neighbours_share_the_corners_of_simplified_borders() -> None:
    rng = np.random.default_rng(3)
    smooth = [ndimage.gaussian_filter(rng.standard_normal((60, 80)), 5) for _ in range(3)]
    classes_HW = np.argmax(smooth, axis=0).astype(np.uint8)
    exact = polygons_of(classes_HW, rows=11, min_area_m2=40)
    fewer = polygons_of(classes_HW, rows=11, min_area_m2=40, simplify_m=2.0)
    assert len(fewer) == len(exact)

    def corners(polygons: list[Polygon]) -> int:
        return sum(len(x) for polygon in polygons for x, _ in polygon.rings)

    assert corners(fewer) < corners(exact) / 2
    # Every line between two corners belongs to two polygons, in opposite directions, or lies on the map's edge.
    lines = [
        line
        for polygon in fewer
        for x, y in polygon.rings
        for line in zip(zip(x[:-1], y[:-1], strict=True), zip(x[1:], y[1:], strict=True), strict=True)
    ]
    without_partner = [line for line in lines if line[::-1] not in set(lines)]
    edges = {PLACE[2], PLACE[2] + 160, PLACE[5], PLACE[5] - 120}
    assert all({a, b} & edges and (a == c or b == d) for (a, b), (c, d) in without_partner)
    assert key(fewer) == key(polygons_of(classes_HW, rows=60, min_area_m2=40, simplify_m=2.0))


@pytest.mark.parametrize(
    ("crs", "transform", "area_m2"),
    [
        (UTM, PLACE, 4.0),
        # A thousandth of a degree at the equator, on the ellipsoid: 111.319 m by 110.574 m.
        ("EPSG:4326", (0.001, 0.0, 10.0, 0.0, -0.001, 0.0025), 111.3195 * 110.5743),
        # At 60 degrees north Web Mercator shows four times the area.
        ("EPSG:3857", (10.0, 0.0, 1e6, 0.0, -10.0, 8399737.9), 25.0),
        ("EPSG:2263", (10.0, 0.0, 1e6, 0.0, -10.0, 2e5), 100 * 0.3048006096**2),
    ],
)
def test_areas_are_square_metres_on_the_ground(crs: str, transform: tuple[float, ...], area_m2: float) -> None:
    (polygon,) = polygons_of(np.zeros((5, 4), np.uint8), place=places(crs, transform))
    assert polygon.area_m2 == pytest.approx(20 * area_m2, rel=0.008)


def test_scenes_with_ground_control_points_and_mirrored_ones_are_placed() -> None:
    points = tuple(
        GroundControlPoint(row, column, 500000 + 2 * column, 4999900 + 2 * row)
        for row, column in ((0, 0), (0, 40), (40, 0), (40, 40))
    )
    south_up = PixelPlaces(MapPlace(crs=CRS.from_user_input(UTM).to_wkt(), transform=None, gcps=points), Path("s.tif"))
    (polygon,) = polygons_of(np.zeros((40, 40), np.uint8), place=south_up)
    ((x, y),) = polygon.rings
    assert polygon.area_m2 == pytest.approx(6400)
    assert (x.min(), x.max(), y.min(), y.max()) == pytest.approx((500000, 500080, 4999900, 4999980))
    assert (x[:-1] * y[1:] - x[1:] * y[:-1]).sum() > 0


def test_what_does_not_fit_into_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(borders, "_MOST_PIECES", 100)
    with pytest.raises(RunFailed, match="map is not written: .* Merge small ones with --min-area"):
        polygons_of(draw_map(0))
    monkeypatch.setattr(regions, "_MOST_LABELS", 100)
    with pytest.raises(RunFailed, match="map is not written: it would have"):
        polygons_of(draw_map(0))


@pytest.mark.parametrize("name", ["map.geojson", "map.gpkg"])
def test_files_of_polygons_are_read_by_gdal(name: str, tmp_path: Path) -> None:
    if name.endswith("gpkg"):
        pytest.importorskip("fiona")
    polygons = polygons_of(np.array([[0, 0, 1], [0, 1, 1]], np.uint8))
    write_polygons(tmp_path / name, polygons, places(), ("low", "high"), staging=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    if name.endswith("geojson"):
        features = json.loads((tmp_path / name).read_text())["features"]
        assert [feature["properties"]["class"] for feature in features] == ["low", "high"]
        longitude, latitude = features[0]["geometry"]["coordinates"][0][0]
        assert (round(longitude, 3), round(latitude, 3)) == (15.0, 45.153)
    if shutil.which("ogrinfo") is None:
        pytest.skip("ogrinfo is not installed")
    listed = subprocess.run(["ogrinfo", "-al", tmp_path / name], capture_output=True, text=True, check=True).stdout
    for line in ("Layer name: map", "Geometry: Polygon", "Feature Count: 2", "class (String) = high"):
        assert line in listed
    assert "area_m2 (Real) = 12" in listed
    assert ("WGS 84 / UTM zone 33N" in listed) == name.endswith("gpkg")
