"""Maps of a part of a scene: rectangles and polygons, in any reference system."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import fiona
import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from rasterio.transform import Affine
from rasterio.warp import transform_geom

from rs_adapt.errors import ConfigError, DataError, RsAdaptError
from rs_adapt.prediction.extent import Area, OutsideArea
from rs_adapt.prediction.layers import NODATA
from rs_adapt.prediction.view import files_read
from tests.geodata import PLACE, UTM
from tests.prediction.class_reader import BOUNDS, HEIGHT_PX, TRUTH, WIDTH_PX, WINDOW, Reader, predict, scene


def test_a_rectangle_is_read_and_written_alone(tmp_path: Path) -> None:
    path, reader = scene(tmp_path), Reader()
    _, written = predict(path, area=Area(bounds=BOUNDS), reader=reader)
    with written:
        assert np.array_equal(written.read(1), TRUTH[WINDOW])
        assert written.transform == PLACE @ Affine.translation(10, 20)
        assert written.bounds == pytest.approx(BOUNDS)
    # Tiles of 32 px with a step of 24 that show it: columns 0 to 4, rows 1 to 3, whose grid starts at x = 0 and y = 0.
    assert reader.num_tiles == 15
    lon_lat = rasterio.warp.transform_bounds(UTM, "EPSG:4326", *BOUNDS)
    _, written = predict(path, area=Area(bounds=lon_lat, bounds_crs="EPSG:4326"))
    with written:
        # The rectangle of degrees holds the one of metres, turned by the meridians' convergence.
        assert (written.width, written.height) == (80, 50)
    _, beyond = predict(path, area=Area(bounds=(500_200.0, 0.0, 1e9, 4_999_900.0)))
    with beyond:
        assert np.array_equal(beyond.read(1), TRUTH[50:, 100:])


def test_a_rectangle_is_found_on_both_sides_of_180_degrees(tmp_path: Path) -> None:
    """Longitudes of the scene go on beyond 180; the rectangle lies at 179.99 to -179.79."""
    path = scene(tmp_path, crs="EPSG:4326", transform=Affine(2e-3, 0, 179.9, 0, -2e-3, -17.0))
    inside = rasterio.warp.transform_bounds("EPSG:4326", "EPSG:32760", 179.98, -17.12, 179.99, -17.10)
    bounds = (inside[0], inside[1], inside[0] + 9000.0, inside[3])
    _, written = predict(path, area=Area(bounds=bounds, bounds_crs="EPSG:32760"))
    with written:
        assert written.bounds.left == pytest.approx(179.98, abs=0.002)
        assert written.bounds.right == pytest.approx(180.065, abs=0.005)


def test_a_rectangle_on_a_turned_scene_becomes_the_rows_and_columns_around_it(tmp_path: Path) -> None:
    turned = Affine.translation(500_000, 5_000_000) @ Affine.rotation(30) @ Affine.scale(2, -2)
    path = scene(tmp_path, transform=turned)
    x, y = turned @ (60.0, 50.0)
    bounds = (x - 20.0, y - 20.0, x + 20.0, y + 20.0)
    _, written = predict(path, area=Area(bounds=bounds))
    with written:
        # A square of 20 px, turned by 30 degrees, reaches over 20 (cos 30 + sin 30) = 27.3 px.
        assert (written.width, written.height) == (28, 28)
        assert written.transform.almost_equals(turned @ Affine.translation(46, 36), precision=1e-6)
        assert np.array_equal(written.read(1), TRUTH[36:64, 46:74])
        # All of the rectangle is mapped, and pixels beyond it, too.
        corners = [~written.transform @ (east, north) for east in bounds[::2] for north in bounds[1::2]]
        assert all(-0.5 <= column <= 28.5 and -0.5 <= row <= 28.5 for column, row in corners)
        assert (written.transform @ (0.5, 0.5))[0] < bounds[0]


@pytest.mark.parametrize(
    ("x0", "y0", "width", "height"), [(0, 0, 5, 5), (37, 41, 60, 50), (48, 24, 72, 72), (90, 7, 3, 80)]
)
def test_the_map_of_a_window_is_that_part_of_the_map_of_the_scene(
    x0: int, y0: int, width: int, height: int, tmp_path: Path
) -> None:
    class Around(Reader):
        """The class of the mean brightness around a pixel, inside of the tile: tiles see different surroundings."""

        def predict_tiles(self, tiles_NHW3: NDArray[np.uint8], *, tta: object = None) -> NDArray[np.float32]:
            padded = np.pad(tiles_NHW3[..., 0].astype(np.float64), ((0, 0), (8, 8), (8, 8)), mode="edge")
            views = np.lib.stride_tricks.sliding_window_view(padded, (17, 17), axis=(1, 2))
            high_NHW = (views.mean(axis=(3, 4)) / 255).astype(np.float32)
            return np.stack([high_NHW, 1 - high_NHW, 0 * high_NHW], axis=1)

    path = scene(tmp_path)
    layers = ("classes", "confidence")
    record, whole = predict(path, reader=Around(), layers=layers)
    with whole, rasterio.open(record.files[1]) as confidence:
        wanted = [dataset.read(1)[y0 : y0 + height, x0 : x0 + width] for dataset in (whole, confidence)]
    left, top = PLACE @ (x0, y0)
    bounds = (left, top - 2 * height, left + 2 * width, top)
    record, part = predict(path, reader=Around(), layers=layers, area=Area(bounds=bounds), sums_bytes=32 * 4 * 4 * 40)
    with part, rasterio.open(record.files[1]) as confidence:
        assert np.array_equal(part.read(1), wanted[0])
        assert np.array_equal(confidence.read(1), wanted[1])


# A triangle and, apart from it, a square with a hole, in coordinates of the scene.
SHAPES = [
    [[(500_020.2, 4_999_979.3), (500_100.7, 4_999_979.6), (500_020.5, 4_999_900.4), (500_020.2, 4_999_979.3)]],
    [
        [(500_140, 4_999_900), (500_200, 4_999_900), (500_200, 4_999_840), (500_140, 4_999_840), (500_140, 4_999_900)],
        [(500_160, 4_999_880), (500_180, 4_999_880), (500_180, 4_999_860), (500_160, 4_999_860), (500_160, 4_999_880)],
    ],
]


def inside_shapes() -> NDArray[np.bool_]:
    shapes = [{"type": "Polygon", "coordinates": rings} for rings in SHAPES]
    return rasterio.features.rasterize(shapes, TRUTH.shape, transform=PLACE).astype(bool)


def write_aoi(path: Path, crs: str = UTM) -> Path:
    shapes = [transform_geom(UTM, crs, {"type": "Polygon", "coordinates": rings}, precision=9) for rings in SHAPES]
    if path.suffix == ".geojson":
        features = [{"type": "Feature", "properties": {}, "geometry": shape} for shape in shapes]
        path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
        return path
    schema = {"geometry": "Polygon", "properties": {}}
    with fiona.open(path, "w", driver="GPKG", layer="area", schema=schema, crs=crs) as layer:
        layer.writerecords([{"geometry": shape, "properties": {}} for shape in shapes])
    return path


@pytest.mark.parametrize(
    ("name", "crs"), [("aoi.gpkg", UTM), ("aoi.gpkg", "EPSG:3857"), ("aoi.geojson", "EPSG:4326"), ("aoi.geojson", UTM)]
)
def test_pixels_outside_of_polygons_have_no_data(name: str, crs: str, tmp_path: Path) -> None:
    path = scene(tmp_path)
    _, written = predict(path, area=Area(aoi=write_aoi(tmp_path / name, crs)))
    inside_HW = inside_shapes()
    with written:
        assert written.transform == PLACE @ Affine.translation(10, 10)
        assert (written.width, written.height) == (90, 70)
        classes_HW = written.read(1)
        assert np.array_equal(classes_HW, np.where(inside_HW, TRUTH, NODATA)[10:80, 10:100])
    _, both = predict(path, area=Area(aoi=tmp_path / name, bounds=BOUNDS))
    with both:
        assert np.array_equal(both.read(1), np.where(inside_HW, TRUTH, NODATA)[20:70, 10:90])


@pytest.mark.parametrize(
    ("area", "kind", "sentence"),
    [
        ({"bounds": (5, 1, 4, 2)}, ConfigError, r"--bounds is 5,1,4,2\. Allowed: west, south, east, north"),
        ({"bounds": (0, 0, 1, float("nan"))}, ConfigError, r"--bounds is 0,0,1,nan"),
        ({"bounds_crs": UTM}, ConfigError, "there are no --bounds"),
        ({"bounds": BOUNDS, "bounds_crs": "EPSG:1"}, ConfigError, "--bounds-crs is 'EPSG:1', which is no known"),
        (
            {"bounds": (0, 0, 10, 10)},
            OutsideArea,
            "has no pixel in --bounds 0,0,10,10. The scene spans x 500000 to 500240",
        ),
        ({"bounds": (500_020.1, 4_999_999.2, 500_020.2, 4_999_999.3)}, OutsideArea, "has no pixel in --bounds"),
        ({"bounds": (170, -89, 171, -88), "bounds_crs": "EPSG:4326"}, RsAdaptError, "has no pixel in|cannot be found"),
        ({"aoi": "far.geojson"}, OutsideArea, "has no pixel in --aoi"),
        ({"aoi": "empty.geojson"}, DataError, "holds no polygon, so there is nothing to map"),
        ({"aoi": "gone.gpkg"}, RsAdaptError, "There is no file of polygons"),
        ({"aoi": "scene.tif"}, RsAdaptError, "scene.tif"),
        ({"aoi_layer": "x"}, ConfigError, "there is no --aoi"),
        ({"aoi": "far.geojson", "aoi_layer": "x"}, DataError, "no layer 'x' of --aoi-layer|no layer"),
    ],
)
def test_areas_without_pixels_are_refused(
    area: dict[str, Any], kind: type[Exception], sentence: str, tmp_path: Path
) -> None:
    path = scene(tmp_path)
    ring = [[9, 9], [10, 9], [10, 10], [9, 9]]
    far = {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [ring]}}
    (tmp_path / "far.geojson").write_text(json.dumps(far))
    (tmp_path / "empty.geojson").write_text('{"type": "FeatureCollection", "features": []}')
    if "aoi" in area:
        area = area | {"aoi": tmp_path / area["aoi"]}
    with pytest.raises(kind, match=sentence):
        predict(path, area=Area(**area))
    assert not (tmp_path / "map.tif").exists()
    assert not (tmp_path / ".map.tif.strips").exists()


def test_a_changed_part_or_polygon_starts_a_map_anew(tmp_path: Path) -> None:
    path, aoi = scene(tmp_path), write_aoi(tmp_path / "aoi.gpkg")
    vrt = tmp_path / "list.vrt"
    vrt.write_text(
        f'<VRTDataset rasterXSize="{WIDTH_PX}" rasterYSize="{HEIGHT_PX}"><VRTRasterBand dataType="Byte" band="1">'
        '<SimpleSource><SourceFilename relativeToVRT="1">scene.tif</SourceFilename><SourceBand>1</SourceBand>'
        "</SimpleSource></VRTRasterBand></VRTDataset>"
    )
    before = files_read(vrt, Area(aoi=aoi))
    assert [Path(str(name)).name for name, *_ in before][:2] == ["list.vrt", "scene.tif"]
    assert str(aoi) in [name for name, *_ in before]
    assert files_read(vrt, Area(aoi=aoi)) == before
    path.write_bytes(path.read_bytes() + b"\0")
    assert files_read(vrt, Area(aoi=aoi)) != before
