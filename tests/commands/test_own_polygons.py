"""A bench of one's own with polygons as labels: label tiles show the classes that the images show."""

from __future__ import annotations

import contextlib
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from polygon_files import collection, features, in_degrees, square, swapped, write_layer
from rasterio.features import shapes
from rasterio.transform import Affine

from rs_adapt.commands import main
from rs_adapt.scenes import Scene, write_geotiff

SIDE = 64
BENCH = """
name = "mine"
tile_px = 64
[[class]]
name = "land"
colour = "#C8C8C8"
[[class]]
name = "house"
colour = "#DC2828"
[train]
backbone = "dinov2_nano"
head = "linear"
[source]
images = "images"
val = ["area_2"]
[source.labels]
path = "{path}"
kind = "polygons"
column = "use"
background = "land"
{keys}
[source.labels.classes]
land = ["meadow"]
house = ["house"]
[target]
images = "target"
"""


@pytest.fixture
def houses(tmp_path: Path) -> list[dict[str, Any]]:
    """Write two scenes whose red channel shows the class, and return the outlines of their houses in UTM."""
    rng = np.random.default_rng(0)
    outlines = []
    for folder in ("images", "target"):
        (tmp_path / folder).mkdir()
    for number in (1, 2):
        classes = np.kron(rng.integers(0, 2, (8, 8)), np.ones((8, 8))).astype(np.uint8)
        image = rng.integers(0, 255, (SIDE, SIDE, 3), dtype=np.uint8)
        image[..., 0] = 40 + 80 * classes
        transform = (1.0, 0.0, 500_000.0 + 100 * number, 0.0, -1.0, 5_000_000.0)
        write_geotiff(tmp_path / "images" / f"area_{number}.tif", image, crs="EPSG:32632", transform=transform)
        outlines += [g for g, value in shapes(classes, transform=Affine(*transform), connectivity=4) if value]
        write_geotiff(tmp_path / "target" / f"t{number}.tif", image)
    return outlines


def dry_run(folder: Path, path: str, keys: str = "", land: str = 'land = ["meadow"]') -> int:
    text = BENCH.format(path=path, keys=keys).replace('land = ["meadow"]', land)
    (folder / "mine.toml").write_text(text)
    with pytest.raises(SystemExit) as stop:
        main(["train", "--bench", str(folder / "mine.toml"), "--setting", "dg", "--dry-run"])
    return int(stop.value.code or 0)


def labels_equal_images(home: Path, *, num_tiles: int = 2) -> bool:
    """Return whether every label tile is the class in the red channel of its image tile."""
    (prepared,) = (home / "prepared").glob("mine-*[0-9a-f]")
    tiles = sorted(prepared.glob("source/*/ann_dir/*.png"))
    assert len(tiles) == num_tiles
    return all(
        np.array_equal(
            np.array(Image.open(tile)), np.array(Image.open(tile.parents[1] / "img_dir" / tile.name))[..., 0] // 80
        )
        for tile in tiles
    )


def write(folder: Path, outlines: list[dict[str, Any]], crs: str | None = None) -> str:
    content = collection(*(("house", outline) for outline in outlines), crs=crs, column="use")
    (folder / "houses.geojson").write_text(json.dumps(content))
    return "houses.geojson"


def test_one_file_labels_every_scene(tmp_path: Path, houses: list[dict[str, Any]], own_home: Path) -> None:
    assert dry_run(tmp_path, write(tmp_path, [in_degrees(house) for house in houses])) == 0
    assert labels_equal_images(own_home)


@pytest.mark.parametrize("entry", ["", "land = []"])
def test_the_class_outside_all_polygons_needs_no_attribute(
    tmp_path: Path, houses: list[dict[str, Any]], own_home: Path, entry: str
) -> None:
    assert dry_run(tmp_path, write(tmp_path, houses, crs="EPSG:32632"), land=entry) == 0
    assert labels_equal_images(own_home)


def test_a_scene_that_only_polygons_of_a_neighbour_reach_is_named(
    tmp_path: Path, houses: list[dict[str, Any]], own_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # A third scene, whose houses nobody drew, beside a house that reaches two columns in.
    image = np.full((SIDE, SIDE, 3), 40, np.uint8)
    image[:20, :2, 0] = image[30:, 40:, 0] = 120
    write_geotiff(
        tmp_path / "images" / "area_9.tif", image, crs="EPSG:32632", transform=(1.0, 0.0, 500_900, 0.0, -1.0, 5_000_000)
    )
    path = write(tmp_path, [*houses, square(500_890, 4_999_980, 500_902, 5_000_000)], crs="EPSG:32632")
    assert dry_run(tmp_path, path) == 0
    assert "source: warning: all polygons on area_9 reach in from outside and cover 1.0 % of it: if nobody has" in (
        capsys.readouterr().out
    )
    # Where its houses are drawn, all is as one would expect.
    path = write(
        tmp_path,
        [*houses, square(500_890, 4_999_980, 500_902, 5_000_000), square(500_940, 4_999_936, 500_964, 4_999_970)],
        crs="EPSG:32632",
    )
    assert dry_run(tmp_path, path) == 0
    assert "reach in from outside" not in capsys.readouterr().out
    assert labels_equal_images(own_home, num_tiles=3)


def test_what_labels_nothing_is_told(
    tmp_path: Path, houses: list[dict[str, Any]], own_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = collection(*(("house", house) for house in houses), ("house", None), crs="EPSG:32632", column="use")
    for x in (500_110.1, 500_210.1, 500_220.1):
        content["features"] += features(("house", square(x, 4_999_990.1, x + 0.2, 4_999_990.2)), column="use")
    (tmp_path / "houses.geojson").write_text(json.dumps(content))
    assert dry_run(tmp_path, "houses.geojson") == 0
    out = capsys.readouterr().out
    assert "source: polygons too small to contain the centre of a pixel, which label nothing: 3\n" in out
    assert out.count(f"houses.geojson: left out 1 without geometry (feature {len(houses)})\n") == 1
    assert labels_equal_images(own_home)


def test_a_file_without_its_system_is_refused_and_read_with_crs(
    tmp_path: Path, houses: list[dict[str, Any]], own_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, houses)
    assert dry_run(tmp_path, path) == 2
    assert 'if they are in it, crs = "EPSG:32632".' in capsys.readouterr().err
    assert dry_run(tmp_path, path, 'crs = "EPSG:32632"') == 0
    assert labels_equal_images(own_home)


def test_swapped_coordinates_are_refused(
    tmp_path: Path, houses: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, [swapped(in_degrees(house)) for house in houses])
    assert dry_run(tmp_path, path) == 2
    assert "houses.geojson are latitude, longitude: so read they lie on the scene" in capsys.readouterr().err


def test_a_scene_without_polygons_needs_an_aoi(
    tmp_path: Path, houses: list[dict[str, Any]], own_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = np.full((SIDE, SIDE, 3), 40, np.uint8)
    place = (1.0, 0.0, 500_200.0, 0.0, -1.0, 5_000_000.0)
    write_geotiff(tmp_path / "images" / "area_2.tif", empty, crs="EPSG:32632", transform=place)
    path = write(tmp_path, [house for house in houses if house["coordinates"][0][0][0] < 500_200], crs="EPSG:32632")
    assert dry_run(tmp_path, path) == 2
    assert "lies on the scene" in (err := capsys.readouterr().err)
    assert "area_2.tif" in err
    aoi = collection((None, square(500_000, 4_999_000, 501_000, 5_001_000)), crs="EPSG:32632")
    (tmp_path / "aoi.geojson").write_text(json.dumps(aoi))
    assert dry_run(tmp_path, path, 'aoi = "aoi.geojson"') == 0
    assert labels_equal_images(own_home)


def test_of_several_layers_the_named_one_is_read(
    tmp_path: Path, houses: list[dict[str, Any]], own_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("fiona")
    around = square(500_000, 4_999_000, 501_000, 5_001_000)
    write_layer(tmp_path / "all.gpkg", ("meadow", around), layer="parcels", column="use")
    write_layer(tmp_path / "all.gpkg", *(("house", house) for house in houses), layer="labels", column="use")
    assert dry_run(tmp_path, "all.gpkg") == 2
    assert "has several layers: name one with layer = " in capsys.readouterr().err
    for layer in ('layer = "labels"', "layer = 2", 'layer = "labels"\naoi = "all.gpkg"\naoi_layer = "parcels"'):
        assert dry_run(tmp_path, "all.gpkg", layer) == 0
    for folder in (own_home / "prepared").glob("mine-*[0-9a-f]"):
        for tile in folder.glob("source/*/ann_dir/*.png"):
            image = np.array(Image.open(tile.parents[1] / "img_dir" / tile.name))
            np.testing.assert_array_equal(np.array(Image.open(tile)), image[..., 0] // 80)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ('aoi = "nowhere.geojson"', "source.labels.aoi names"),
        ("aoi_layer = 1", "source.labels.aoi_layer has no meaning without aoi"),
        ("layer = 1.5", "source.labels.layer is 1.5; it must be"),
        ('crs = "EPSG:1"', "crs is 'EPSG:1', which is no known reference system"),
        ('layer = "roads"', "is GeoJSON, which has no layers"),
    ],
)
def test_keys_that_fit_nothing_are_named(
    tmp_path: Path, houses: list[dict[str, Any]], capsys: pytest.CaptureFixture[str], keys: str, message: str
) -> None:
    assert dry_run(tmp_path, write(tmp_path, houses, crs="EPSG:32632"), keys) == 2
    assert message in capsys.readouterr().err


def test_polygons_in_pixels_belong_to_one_image(
    tmp_path: Path, houses: list[dict[str, Any]], own_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "labels").mkdir()
    for number in (1, 2):
        image = tmp_path / "images" / f"area_{number}.tif"
        with Scene(image) as scene:
            pixels = scene.read_rgb()[0]
        image.unlink()
        Image.fromarray(pixels).save(image.with_suffix(".png"))
        outlines = [g for g, value in shapes((pixels[..., 0] // 80).astype(np.uint8), connectivity=4) if value]
        content = collection(*(("house", outline) for outline in outlines), column="use")
        for name in (f"labels/area_{number}.geojson", "all.geojson"):
            (tmp_path / name).write_text(json.dumps(content))
    assert dry_run(tmp_path, "all.geojson") == 2
    assert "all.geojson holds polygons in pixels, and 2 images without georeference" in capsys.readouterr().err
    assert dry_run(tmp_path, "labels") == 0
    assert labels_equal_images(own_home)


@pytest.mark.parametrize(
    ("suffix", "driver"), [(".shp", "ESRI Shapefile"), (".gpkg", "GPKG"), (".shp.zip", "ESRI Shapefile")]
)
def test_each_scene_may_have_a_file_of_its_own(
    tmp_path: Path, houses: list[dict[str, Any]], own_home: Path, suffix: str, driver: str
) -> None:
    pytest.importorskip("fiona")
    (tmp_path / "labels").mkdir()
    for number in (1, 2):
        edge = 500_000 + 100 * number
        own = [("house", house) for house in houses if edge <= house["coordinates"][0][0][0] < edge + 100]
        write_layer(tmp_path / "labels" / f"area_{number}{suffix}", *own, driver=driver, column="use")
    assert dry_run(tmp_path, "labels", f'suffix = "{suffix}"') == 0
    assert labels_equal_images(own_home)


def test_a_geodatabase_is_one_file(tmp_path: Path, houses: list[dict[str, Any]], own_home: Path) -> None:
    fiona = pytest.importorskip("fiona")
    parts = [{"type": "MultiPolygon", "coordinates": [house["coordinates"]]} for house in houses]
    # The driver complains about the bounds of the world in these coordinates, after it has written everything.
    with contextlib.suppress(fiona._err.CPLE_BaseError):
        write_layer(
            tmp_path / "all.gdb",
            *(("house", part) for part in parts),
            driver="OpenFileGDB",
            kind="MultiPolygon",
            column="use",
        )
    assert dry_run(tmp_path, "all.gdb") == 0
    assert labels_equal_images(own_home)


def test_a_packed_shapefile_is_read(tmp_path: Path, houses: list[dict[str, Any]], own_home: Path) -> None:
    pytest.importorskip("fiona")
    write_layer(tmp_path / "all.shp", *(("house", h) for h in houses), driver="ESRI Shapefile", column="use")
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as packed:
        for file in tmp_path.glob("all.*"):
            if file.suffix != ".zip":
                packed.write(file, file.name)
    assert dry_run(tmp_path, "all.zip") == 0
    assert labels_equal_images(own_home)
