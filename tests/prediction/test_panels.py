"""Maps without a network: tiles, mirrored edges, panels, blending, interruption, and the files that are written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from rasterio.control import GroundControlPoint
from rasterio.transform import Affine

from rs_adapt.errors import ConfigError, DataError
from rs_adapt.prediction.grid import MapGrid, mirrored
from rs_adapt.prediction.layers import NODATA, SHARE_STEP, Layer, layers_of
from rs_adapt.prediction.panels import TileModel, predict_panels
from rs_adapt.prediction.place import place_of
from rs_adapt.prediction.strips import StripStore
from rs_adapt.prediction.writing import MapClasses, layer_file, write_map
from rs_adapt.scenes import Scene, write_geotiff

CLASSES = MapClasses(names=("low", "high"), palette=((10, 20, 30), (200, 210, 220)))
UTM = "EPSG:32633"
PLACE = (2.0, 0.0, 500000.0, 0.0, -2.0, 5000000.0)


def brightness_model(tiles_NHW3: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Class `high` with the brightness of a pixel as its probability: a model that sees nothing around a pixel."""
    high_NHW = tiles_NHW3[..., 0].astype(np.float32) / 255
    return np.stack([1 - high_NHW, high_NHW], axis=1)


def surroundings_model(tiles_NHW3: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The mean brightness of 9 x 9 pixels inside the tile: a model with a field of view, cut off at the tile's rim."""
    padded = np.pad(tiles_NHW3[..., 0].astype(np.float64) / 255, ((0, 0), (4, 4), (4, 4)), mode="edge")
    views = np.lib.stride_tricks.sliding_window_view(padded, (9, 9), axis=(1, 2))
    high_NHW = views.mean(axis=(3, 4)).astype(np.float32)
    return np.stack([1 - high_NHW, high_NHW], axis=1)


def draw_scene(path: Path, height_px: int, width_px: int, *, seed: int = 0) -> NDArray[np.uint8]:
    image_HW3 = np.random.default_rng(seed).integers(1, 256, (height_px, width_px, 3)).astype(np.uint8)
    write_geotiff(path, image_HW3, crs=UTM, transform=PLACE, nodata=0)
    return image_HW3


def predict(
    scene_file: Path,
    folder: Path,
    *,
    model: Callable[[NDArray[np.uint8]], NDArray[np.float32]] = brightness_model,
    tile_px: int = 32,
    overlap_px: int = 8,
    panel_px: int = 10_000,
    batch_size: int = 3,
) -> NDArray[np.uint8]:
    """Predict a scene and return the probability of `high` in steps of `SHARE_STEP`, uint8 (H, W)."""
    with Scene(scene_file) as scene:
        grid = MapGrid(
            width_px=scene.info.width_px,
            height_px=scene.info.height_px,
            tile_px=tile_px,
            overlap_px=overlap_px,
            panel_px=panel_px,
        )
        store, done = StripStore(folder, {"grid": repr(grid)}), []
        predict_panels(
            scene,
            grid,
            TileModel(predict=model, num_classes=2, batch_size=batch_size),
            store,
            layers=("classes", "probabilities"),
            blending="hann",
            on_tiles=done.append,
        )
        assert sum(done) == grid.num_tiles()
    out = folder.with_suffix(".tif")
    place = place_of(scene.info)
    write_map(
        out, store, grid, layer="probabilities", place=place, classes=CLASSES, facts={}, on_rows=lambda rows: None
    )
    with rasterio.open(out) as dataset:
        assert dataset.transform == Affine(*PLACE)
        return dataset.read(2)


@pytest.mark.parametrize(("size", "panel_px"), [((70, 90), 10_000), ((70, 90), 24), ((5, 200), 48), ((33, 1), 10_000)])
def test_a_model_of_single_pixels_gives_each_pixel_its_own_value(
    size: tuple[int, int], panel_px: int, tmp_path: Path
) -> None:
    image_HW3 = draw_scene(tmp_path / "scene.tif", *size)
    high_HW = predict(tmp_path / "scene.tif", tmp_path / "map", panel_px=panel_px)
    assert np.abs(high_HW * SHARE_STEP - image_HW3[..., 0] / 255.0).max() <= SHARE_STEP / 2 + 1e-6


def test_panels_do_not_change_the_map(tmp_path: Path) -> None:
    draw_scene(tmp_path / "scene.tif", 80, 150)
    whole = predict(tmp_path / "scene.tif", tmp_path / "whole", model=surroundings_model)
    panels = predict(tmp_path / "scene.tif", tmp_path / "panels", model=surroundings_model, panel_px=48)
    assert np.array_equal(whole, panels)


def test_a_crop_has_the_scenes_values_in_its_interior(tmp_path: Path) -> None:
    image_HW3 = draw_scene(tmp_path / "scene.tif", 144, 144)
    whole = predict(tmp_path / "scene.tif", tmp_path / "whole", model=surroundings_model)
    # 48 is a multiple of the stride of 24: the same tiles, apart from those that reach beyond the crop.
    write_geotiff(tmp_path / "crop.tif", image_HW3[48:144, 24:120], crs=UTM, transform=PLACE)
    crop = predict(tmp_path / "crop.tif", tmp_path / "crop", model=surroundings_model)
    assert np.array_equal(crop[28:68, 28:68], whole[76:116, 52:92])
    # Off the grid the tiles are others, and only pixels near their rims see the difference.
    write_geotiff(tmp_path / "off.tif", image_HW3[41:137, 31:127], crs=UTM, transform=PLACE)
    off = predict(tmp_path / "off.tif", tmp_path / "off", model=surroundings_model)
    difference = np.abs(off[28:68, 28:68].astype(int) - whole[69:109, 59:99]) * SHARE_STEP
    assert difference.max() < 0.03


def test_pixels_without_data_stay_without(tmp_path: Path) -> None:
    image_HW3 = draw_scene(tmp_path / "scene.tif", 64, 64)
    image_HW3[20:40, 10:64] = 0
    write_geotiff(tmp_path / "scene.tif", image_HW3, crs=UTM, transform=PLACE, nodata=0)
    high_HW = predict(tmp_path / "scene.tif", tmp_path / "map")
    assert np.array_equal(high_HW == NODATA, (image_HW3 == 0).all(axis=2))


def test_an_interrupted_map_goes_on_and_has_the_same_values(tmp_path: Path) -> None:
    draw_scene(tmp_path / "scene.tif", 130, 100)
    straight = predict(tmp_path / "scene.tif", tmp_path / "straight", model=surroundings_model)

    calls: list[int] = []

    def counted(tiles_NHW3: NDArray[np.uint8]) -> NDArray[np.float32]:
        calls.append(len(tiles_NHW3))
        if len(calls) == 5:
            raise KeyboardInterrupt
        return surroundings_model(tiles_NHW3)

    with pytest.raises(KeyboardInterrupt):
        predict(tmp_path / "scene.tif", tmp_path / "map", model=counted)
    stored = sorted(path.name for path in (tmp_path / "map").glob("*.npz"))
    assert stored
    before = sum(calls)
    assert np.array_equal(predict(tmp_path / "scene.tif", tmp_path / "map", model=counted), straight)
    # One row of tiles is predicted once more, because it reaches into the first strip that was missing.
    assert sum(calls) - before < 6 * 5


def test_strips_of_a_different_job_are_not_used(tmp_path: Path) -> None:
    store = StripStore(tmp_path / "strips", {"model": "a"})
    store.write(0, 0, {"classes": np.zeros((2, 3), np.uint8)})
    assert StripStore(tmp_path / "strips", {"model": "a"}).has(0, 0)
    assert not StripStore(tmp_path / "strips", {"model": "b"}).has(0, 0)


def test_a_damaged_strip_is_removed_and_named(tmp_path: Path) -> None:
    draw_scene(tmp_path / "scene.tif", 64, 64)
    predict(tmp_path / "scene.tif", tmp_path / "map")
    (tmp_path / "map" / "0000-000001.npz").write_bytes(b"PK")
    with pytest.raises(DataError, match="was damaged and has been removed. Repeat the command"):
        predict(tmp_path / "scene.tif", tmp_path / "map")
    predict(tmp_path / "scene.tif", tmp_path / "map")


def test_a_map_of_classes_states_names_colours_and_no_data(tmp_path: Path) -> None:
    image_HW3 = draw_scene(tmp_path / "scene.tif", 40, 50)
    image_HW3[:10] = 0
    write_geotiff(tmp_path / "scene.tif", image_HW3, crs=UTM, transform=PLACE, nodata=0)
    predict(tmp_path / "scene.tif", tmp_path / "map")
    with Scene(tmp_path / "scene.tif") as scene:
        grid = MapGrid(width_px=50, height_px=40, tile_px=32, overlap_px=8, panel_px=10_000)
        store = StripStore(tmp_path / "map", {"grid": repr(grid)})
        place = place_of(scene.info)
    write_map(
        tmp_path / "c.tif",
        store,
        grid,
        layer="classes",
        place=place,
        classes=CLASSES,
        facts={},
        on_rows=lambda rows: None,
    )
    with rasterio.open(tmp_path / "c.tif") as dataset:
        classes_HW = dataset.read(1)
        assert dataset.nodata == NODATA
        assert dataset.colormap(1)[1] == (200, 210, 220, 255)
        assert dataset.tags(1)["class_0"] == "low"
        assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert dataset.crs.to_epsg() == 32633
    bright_HW = image_HW3[..., 0] / 255 > 0.5
    assert np.array_equal(classes_HW[10:], bright_HW[10:].astype(np.uint8))
    assert (classes_HW[:10] == NODATA).all()


def test_ground_control_points_are_those_of_the_scene(tmp_path: Path) -> None:
    image_HW3 = np.full((40, 40, 3), 90, np.uint8)
    points = [
        GroundControlPoint(row, column, 500000 + 2 * column + row, 5000000 - 2 * row + column)
        for row, column in ((0, 0), (0, 40), (40, 0), (40, 40))
    ]
    profile = {"driver": "GTiff", "width": 40, "height": 40, "count": 3, "dtype": "uint8"}
    with rasterio.open(tmp_path / "scene.tif", "w", **profile, gcps=points, crs="EPSG:32633") as dataset:
        dataset.write(image_HW3.transpose(2, 0, 1))
    with Scene(tmp_path / "scene.tif") as scene:
        grid = MapGrid(width_px=40, height_px=40, tile_px=32, overlap_px=8, panel_px=10_000)
        store = StripStore(tmp_path / "map", {})
        predict_panels(
            scene,
            grid,
            TileModel(predict=brightness_model, num_classes=2, batch_size=4),
            store,
            layers=("classes",),
            blending="hann",
            on_tiles=lambda tiles: None,
        )
        place = place_of(scene.info)
    out = tmp_path / "map.tif"
    write_map(out, store, grid, layer="classes", place=place, classes=CLASSES, facts={}, on_rows=lambda rows: None)
    with rasterio.open(out) as dataset:
        written, crs = dataset.gcps
        assert crs.to_epsg() == 32633
        assert [(p.row, p.col, p.x, p.y) for p in written] == [(p.row, p.col, p.x, p.y) for p in points]


def test_layers_are_shares_in_steps() -> None:
    sure_KHW = np.zeros((4, 1, 3), np.float32)
    sure_KHW[2, 0, 0] = 1
    sure_KHW[:, 0, 1] = 0.25
    sure_KHW[:, 0, 2] = np.nan
    valid_HW = np.array([[True, True, False]])
    layers = layers_of(sure_KHW, valid_HW, ("classes", "confidence", "entropy"))
    assert layers["classes"].tolist() == [[2, 0, NODATA]]
    assert layers["confidence"].tolist() == [[200, 50, NODATA]]
    assert layers["entropy"].tolist() == [[0, 200, NODATA]]


def test_layers_of_floats_have_the_values_themselves(tmp_path: Path) -> None:
    image_HW3 = draw_scene(tmp_path / "scene.tif", 40, 50)
    image_HW3[:10] = 0
    write_geotiff(tmp_path / "scene.tif", image_HW3, crs=UTM, transform=PLACE, nodata=0)
    wanted: tuple[Layer, ...] = ("classes", "confidence_float", "entropy_float", "probabilities_float")
    with Scene(tmp_path / "scene.tif") as scene:
        grid = MapGrid(width_px=50, height_px=40, tile_px=32, overlap_px=0, panel_px=10_000)
        store = StripStore(tmp_path / "map", {})
        model = TileModel(predict=brightness_model, num_classes=2, batch_size=4)
        predict_panels(scene, grid, model, store, layers=wanted, blending="flat", on_tiles=lambda tiles: None)
        place = place_of(scene.info)
    for layer in wanted[1:]:
        out = layer_file(tmp_path / "m.tif", layer)
        write_map(out, store, grid, layer=layer, place=place, classes=CLASSES, facts={}, on_rows=lambda rows: None)
    with rasterio.open(tmp_path / "m_probabilities_float.tif") as dataset:
        assert dataset.descriptions == ("low", "high")
        assert dataset.dtypes == ("float32", "float32")
        assert dataset.scales == (1.0, 1.0)
        high_HW = dataset.read(2)
    assert np.isnan(high_HW[:10]).all()
    assert np.array_equal(high_HW[10:], image_HW3[10:, :, 0].astype(np.float32) / 255)
    with rasterio.open(tmp_path / "m_confidence_float.tif") as dataset:
        assert np.array_equal(dataset.read(1)[10:], np.maximum(high_HW, 1 - high_HW)[10:])
    with rasterio.open(tmp_path / "m_entropy_float.tif") as dataset:
        assert 0 <= np.nanmin(dataset.read(1)) < np.nanmax(dataset.read(1)) <= 1


def test_sides_are_mirrored_as_often_as_needed() -> None:
    assert mirrored(-2, 6, 4).tolist() == [2, 1, 0, 1, 2, 3, 2, 1]
    assert mirrored(-1, 8, 2).tolist() == [1, 0, 1, 0, 1, 0, 1, 0, 1]
    assert mirrored(-1, 3, 1).tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("overlap_px", [-1, 17])
def test_an_overlap_beyond_half_a_tile_is_refused(overlap_px: int) -> None:
    with pytest.raises(ConfigError, match=r"Allowed: 0 to 16, half of a tile of 32 px"):
        MapGrid(width_px=9, height_px=9, tile_px=32, overlap_px=overlap_px, panel_px=9)
