"""Maps do not depend on how their scenes were cut: tiles lie fixed in map coordinates."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from rasterio.control import GroundControlPoint
from rasterio.transform import Affine

import rs_adapt as rsa
from rs_adapt.prediction.place import grid_phase
from rs_adapt.scenes import Scene, SceneInfo
from tests.geodata import PLACE, UTM, paint, write_raster
from tests.prediction.class_reader import TRUTH, Reader, predict

RUN = Path(__file__).parents[1] / "runs" / "stored_0_1_0" / "finished"
IMAGE_CHW = paint(TRUTH).transpose(2, 0, 1)
TILE_PX, STRIDE_PX = 32, 24
LAYERS = ("classes", "probabilities_float")
# Of a crop: first column and row, columns and rows.
CROP = (11, 7, 100, 85)
INNER = np.s_[:, TILE_PX:-TILE_PX, TILE_PX:-TILE_PX]
NORTH_UP = Affine(0.3, 0.0, 412_345.6, 0.0, -0.3, 5_123_456.7)
DEGREES = Affine(8.983152841195e-5, 0.0, 11.123456789, 0.0, -8.983152841195e-5, -33.7)


class WholeTile(Reader):
    """Probabilities that follow a pixel and the mean of its tile: any other tile gives others."""

    def __init__(self) -> None:
        super().__init__()
        self.tiles: list[NDArray[np.uint8]] = []

    def predict_tiles(self, tiles_NHW3: NDArray[np.uint8], *, tta: object = None) -> NDArray[np.float32]:
        self.tiles.extend(tiles_NHW3)
        red_NHW = tiles_NHW3[..., 0].astype(np.float32) / 510
        means = [red_HW.mean() for red_HW in red_NHW]
        high_NHW = (red_NHW + np.reshape(means, (-1, 1, 1))).astype(np.float32)
        return np.stack([high_NHW, 1 - high_NHW, 0 * high_NHW], axis=1)


def probabilities(path: Path, **options: Any) -> NDArray[np.float32]:
    record, written = predict(path, reader=WholeTile(), layers=LAYERS, **options)
    written.close()
    with rasterio.open(record.files[1]) as dataset:
        values_KHW: NDArray[np.float32] = dataset.read()
    return values_KHW


def cut(values_CHW: NDArray[Any], crop: tuple[int, int, int, int] = CROP) -> NDArray[Any]:
    x0, y0, width, height = crop
    return values_CHW[:, y0 : y0 + height, x0 : x0 + width]


def moved(transform: Affine, crop: tuple[int, int, int, int] = CROP, *, digits: int = 17) -> Affine:
    """Return the transform of a crop, with numbers as a program writes them."""
    numbers = transform @ Affine.translation(*crop[:2])
    return Affine(*(float(f"{number:.{digits}g}") for number in numbers[:6]))


@pytest.mark.parametrize(
    ("crop", "transform", "crs"),
    [
        (CROP, NORTH_UP, UTM),
        ((0, 10, 70, 86), NORTH_UP, None),
        ((20, 1, 100, 95), NORTH_UP @ Affine.scale(1, -1), UTM),
        (CROP, Affine(0.3, 0.1, 412_345.6, 0.1, -0.3, 5_123_456.7), UTM),
        (CROP, DEGREES, "EPSG:4326"),
    ],
    ids=["north up", "no system", "south up", "rotated", "degrees"],
)
def test_a_crop_has_the_values_of_the_scene_wherever_it_starts(
    crop: tuple[int, int, int, int], transform: Affine, crs: str | None, tmp_path: Path
) -> None:
    whole_KHW = probabilities(write_raster(tmp_path / "scene.tif", IMAGE_CHW, crs=crs, transform=transform))
    place = moved(transform, crop, digits=13)
    crop_KHW = probabilities(write_raster(tmp_path / "crop.tif", cut(IMAGE_CHW, crop), crs=crs, transform=place))
    assert crop_KHW[INNER].size
    assert np.array_equal(crop_KHW[INNER], cut(whole_KHW, crop)[INNER])


def test_a_crop_of_a_scene_with_control_points_has_its_values(tmp_path: Path) -> None:
    points = [
        GroundControlPoint(row=row, col=col, x=(NORTH_UP @ (col, row))[0], y=(NORTH_UP @ (col, row))[1])
        for row, col in ((0, 0), (0, 120), (96, 0), (96, 120), (40, 50))
    ]
    shifted = [GroundControlPoint(row=p.row - CROP[1], col=p.col - CROP[0], x=p.x, y=p.y) for p in points]
    scene = write_raster(tmp_path / "scene.tif", IMAGE_CHW, transform=None, gcps=points)
    crop = write_raster(tmp_path / "crop.tif", cut(IMAGE_CHW), transform=None, gcps=shifted)
    assert np.array_equal(probabilities(crop)[INNER], cut(probabilities(scene))[INNER])


def test_neighbours_and_their_mosaic_have_the_values_of_the_scene(tmp_path: Path) -> None:
    whole_KHW = probabilities(write_raster(tmp_path / "scene.tif", IMAGE_CHW, transform=NORTH_UP))
    parts = [(0, 0, 71, 96), (71, 0, 49, 96)]
    for number, part in enumerate(parts):
        path = write_raster(tmp_path / f"part{number}.tif", cut(IMAGE_CHW, part), transform=moved(NORTH_UP, part))
        # Away from the border between both; they share those of the scene.
        away = np.s_[:, :, :-TILE_PX] if number == 0 else np.s_[:, :, TILE_PX:]
        assert np.array_equal(probabilities(path)[away], cut(whole_KHW, part)[away])
    sources = "".join(
        f'<SimpleSource><SourceFilename relativeToVRT="1">part{number}.tif</SourceFilename><SourceBand>%d</SourceBand>'
        f'<SrcRect xOff="0" yOff="0" xSize="{width}" ySize="{height}"/>'
        f'<DstRect xOff="{x0}" yOff="{y0}" xSize="{width}" ySize="{height}"/></SimpleSource>'
        for number, (x0, y0, width, height) in enumerate(parts)
    )
    bands = "".join(
        f'<VRTRasterBand dataType="Byte" band="{n}">{sources % ((n,) * 2)}</VRTRasterBand>' for n in (1, 2, 3)
    )
    place = ", ".join(repr(number) for number in NORTH_UP.to_gdal())
    (tmp_path / "mosaic.vrt").write_text(
        f'<VRTDataset rasterXSize="120" rasterYSize="96"><SRS>{UTM}</SRS><GeoTransform>{place}</GeoTransform>'
        f"{bands}</VRTDataset>"
    )
    assert np.array_equal(probabilities(tmp_path / "mosaic.vrt"), whole_KHW)


def test_tiles_without_overlap_start_at_the_first_pixel(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "scene.tif", IMAGE_CHW, transform=NORTH_UP)
    for overlap_px in (0, TILE_PX - STRIDE_PX):
        reader = WholeTile()
        predict(path, reader=reader, overlap_px=overlap_px)[1].close()
        same = np.array_equal(reader.tiles[0], IMAGE_CHW[:, :TILE_PX, :TILE_PX].transpose(1, 2, 0))
        assert same == (overlap_px == 0)


def info(*transform: float) -> SceneInfo:
    a, b, c, d, e, f = transform
    facts: dict[str, Any] = {"crs": None, "gsd_m": None, "nodata": None}
    return SceneInfo(
        path=Path("s.tif"), width_px=9, height_px=9, num_bands=3, dtype="uint8", transform=(a, b, c, d, e, f), **facts
    )


@pytest.mark.parametrize("part", [0.0, 0.25, 1 / 3, 0.5, 2 / 3, 0.75, 0.999])
def test_rounding_errors_do_not_turn_the_phase(part: float) -> None:
    phases = set()
    for error in (-1e-6, -1e-9, 0.0, 1e-9, 1e-6):
        left, top = (240_000 + 5 + part + error) * 0.1, (480_000 - 3 - part + error) * 0.1
        phases.add(grid_phase(info(0.1, 0.0, left, 0.0, -0.1, top), STRIDE_PX))
    assert len(phases) == 1
    ((column, row),) = phases
    assert (column, row) == (5 + (part > 0.6), 3 + (part > 0.6))
    # A pixel to the right and down is the next in both directions.
    right = info(0.1, 0.0, (240_006 + part) * 0.1, 0.0, -0.1, (480_000 - 4 - part) * 0.1)
    assert grid_phase(right, STRIDE_PX) == (column + 1, row + 1)


def test_scenes_without_a_place_start_at_their_corner(tmp_path: Path) -> None:
    with Scene(write_raster(tmp_path / "scene.tif", IMAGE_CHW, crs=None, transform=None)) as scene:
        assert grid_phase(scene.info, STRIDE_PX) == (0, 0)
    # So do those with coordinates in which single pixels are rounding errors.
    for far in (1e15, math.inf):
        assert grid_phase(info(0.1, 0.0, far, 0.0, -0.1, 0.0), STRIDE_PX) == (0, 0)
    known = info(*PLACE[:6])
    assert grid_phase(known, STRIDE_PX) == (250_000 % STRIDE_PX, -2_500_000 % STRIDE_PX)
    assert grid_phase(replace(known, transform=(1.0, 0.0, 30.0, 0.0, 1.0, -1.0)), STRIDE_PX) == (6, 23)


def test_a_network_agrees_with_itself_over_crops(tmp_path: Path, shared_home: Path) -> None:
    coarse = np.random.default_rng(5).integers(1, 256, (3, 15, 18), dtype=np.uint8)
    image_CHW = coarse.repeat(8, axis=1).repeat(8, axis=2)
    crop = (21, 13, 120, 104)
    paths = [
        write_raster(tmp_path / "scene.tif", image_CHW, transform=NORTH_UP),
        write_raster(tmp_path / "crop.tif", cut(image_CHW, crop), transform=moved(NORTH_UP, crop)),
    ]
    options: dict[str, Any] = {"layers": LAYERS, "tile_px": 32, "overlap_px": 8, "device": "cpu", "progress": False}
    maps = []
    for path in paths:
        (record,) = rsa.predict(RUN, path, tmp_path / f"{path.stem}_map.tif", **options)
        with rasterio.open(record.files[1]) as dataset:
            maps.append(dataset.read())
    difference_KHW = np.abs(cut(maps[0], crop) - maps[1])
    # Batches of other tiles round differently; at the crop's edge, where it is mirrored, the model sees other pixels.
    assert difference_KHW[:, 32:-32, 32:-32].max() < 1e-5
    assert difference_KHW.max() > 1e-3
