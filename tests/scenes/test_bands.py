"""Bands of an image: which are colours, which are masks, and what their values mean."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from geodata import draw_classes, paint, read_classes, write_raster
from numpy.typing import NDArray
from PIL import Image

from rs_adapt.errors import DataError
from rs_adapt.scenes import Scene, stored_form

CLASSES = draw_classes()
RGB_CHW = paint(CLASSES).transpose(2, 0, 1)
# Near infrared is black over class 0, as water is.
NIR = np.array([0, 120, 250], dtype=np.uint8)[CLASSES]
COLLAR = np.zeros(CLASSES.shape, dtype=bool)
COLLAR[:20] = True


def read(path: Path, **how: object) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    with Scene(path, **how) as scene:  # type: ignore[arg-type]
        return scene.read_rgb()


@pytest.fixture(params=["tagged as alpha", "undefined", "png"])
def four_bands(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return an image of red, green, blue and near infrared."""
    bands_CHW = np.concatenate([RGB_CHW, NIR[None]])
    if request.param == "png":
        Image.fromarray(bands_CHW.transpose(1, 2, 0).copy(), "RGBA").save(tmp_path / "a.png")
        return tmp_path / "a.png"
    # GDAL marks the fourth band of a byte raster as alpha where nobody says what it is.
    how = {} if request.param == "tagged as alpha" else {"photometric": "RGB", "alpha": "unspecified"}
    return write_raster(tmp_path / "a.tif", bands_CHW, **how)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_near_infrared_is_no_mask_whatever_it_is_tagged_as(four_bands: Path) -> None:
    rgb, valid = read(four_bands)
    assert np.array_equal(read_classes(rgb), CLASSES)
    assert valid.all()
    shown, valid = read(four_bands, bands=(4, 3, 2))
    assert np.array_equal(shown, np.stack([NIR, RGB_CHW[2], RGB_CHW[1]], axis=-1))
    assert valid.all()
    assert stored_form(four_bands).num_bands in (3, 4)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", ["a.tif", "a.png"])
@pytest.mark.parametrize("edge", ["hard", "soft"])
def test_a_transparency_is_a_mask_unless_it_is_asked_for(tmp_path: Path, name: str, edge: str) -> None:
    alpha = np.where(COLLAR, 0, 255).astype(np.uint8)
    if edge == "soft":
        alpha[20] = 128
    bands_CHW = np.concatenate([RGB_CHW, alpha[None]])
    if name == "a.png":
        Image.fromarray(bands_CHW.transpose(1, 2, 0).copy(), "RGBA").save(tmp_path / name)
    else:
        write_raster(tmp_path / name, bands_CHW)
    rgb, valid = read(tmp_path / name)
    assert np.array_equal(valid, ~COLLAR)
    assert np.array_equal(read_classes(rgb), CLASSES)
    shown, valid = read(tmp_path / name, bands=(4, 1, 2))
    assert np.array_equal(shown[..., 0], alpha)
    assert valid.all()


def test_nodata_counts_in_the_bands_in_use_alone(tmp_path: Path) -> None:
    bands_CHW = np.concatenate([RGB_CHW, NIR[None]])
    bands_CHW[:3, COLLAR] = 0
    # Outside the picture, and where one band alone is 0.
    path = write_raster(tmp_path / "a.tif", bands_CHW, nodata=0, photometric="RGB", alpha="unspecified")
    assert np.array_equal(read(path)[1], ~COLLAR)
    assert read(path, bands=(1, 2, 4))[1].sum() == np.count_nonzero(~COLLAR | (NIR > 0))
    assert read(path, bands=(4, 4, 4))[1].sum() == np.count_nonzero(NIR)


@pytest.mark.parametrize("nodata", [-9999.0, float(np.finfo(np.float32).min), np.nan])
def test_a_value_that_no_sensor_records_is_no_data_in_a_single_band_too(tmp_path: Path, nodata: float) -> None:
    bands_CHW = RGB_CHW.astype(np.float32)
    bands_CHW[1, COLLAR] = nodata
    path = write_raster(tmp_path / "a.tif", bands_CHW, nodata=nodata)
    rgb, valid = read(path, stretch=[[0, 255]] * 3)
    assert np.array_equal(valid, ~COLLAR)
    assert np.array_equal(read_classes(rgb)[valid], CLASSES[valid])


@pytest.mark.parametrize("empty", [-3.4e38, np.inf, np.nan])
def test_pixels_without_data_do_not_overflow(tmp_path: Path, empty: float) -> None:
    bands_CHW = RGB_CHW.astype(np.float32) / 1000
    bands_CHW[:, COLLAR] = empty
    path = write_raster(tmp_path / "a.tif", bands_CHW, scale=100.0)
    rgb, valid = read(path, stretch=[[0, 25.5]] * 3)
    assert np.array_equal(valid, ~COLLAR)
    assert np.array_equal(read_classes(rgb)[valid], CLASSES[valid])


@pytest.mark.parametrize(("kind", "value"), [("float32", -9999), ("int16", -32768), ("float64", -99999)])
def test_what_programs_write_for_no_data_is_none_without_being_declared(tmp_path: Path, kind: str, value: int) -> None:
    bands_CHW = RGB_CHW.astype(kind)
    bands_CHW[:, COLLAR] = value
    # In one band alone it may be a measurement.
    bands_CHW[2, 40:50] = value
    path = write_raster(tmp_path / "a.tif", bands_CHW)
    rgb, valid = read(path, stretch=[[0, 255]] * 3)
    assert np.array_equal(valid, ~COLLAR)
    assert np.array_equal(read_classes(rgb)[valid], CLASSES[valid])
    assert read(path, stretch=[[0, 255]] * 3, nodata="none")[1].all()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", ["a.tif", "a.png"])
@pytest.mark.parametrize("blank", [0, 255])
def test_a_soft_transparency_over_nothing_is_a_mask(tmp_path: Path, name: str, blank: int) -> None:
    alpha = np.tile(np.linspace(1, 255, CLASSES.shape[1]), (len(CLASSES), 1)).astype(np.uint8)
    alpha[COLLAR] = 0
    bands_CHW = np.concatenate([np.where(COLLAR, blank, RGB_CHW).astype(np.uint8), alpha[None]])
    if name == "a.png":
        Image.fromarray(bands_CHW.transpose(1, 2, 0).copy(), "RGBA").save(tmp_path / name)
    else:
        write_raster(tmp_path / name, bands_CHW)
    assert np.array_equal(read(tmp_path / name)[1], ~COLLAR)


def test_floats_beyond_all_measurements_are_no_data_without_being_declared(tmp_path: Path) -> None:
    bands_CHW = RGB_CHW.astype(np.float32)
    bands_CHW[:, COLLAR] = -3.4e38
    path = write_raster(tmp_path / "a.tif", bands_CHW)
    with Scene(path) as scene:
        rgb, valid = scene.read_rgb()
    assert np.array_equal(valid, ~COLLAR)
    assert rgb[valid].std() > 50


@pytest.mark.parametrize("nodata", [7, "none", None])
def test_a_given_nodata_value_takes_the_place_of_the_files(tmp_path: Path, nodata: float | None) -> None:
    bands_CHW = RGB_CHW.copy()
    bands_CHW[:, COLLAR] = 0
    bands_CHW[:, 50:60, 50:60] = 7
    path = write_raster(tmp_path / "a.tif", bands_CHW, nodata=0)
    Image.fromarray(bands_CHW.transpose(1, 2, 0)).save(tmp_path / "a.png")
    missing = {7: (bands_CHW == 7).all(axis=0), "none": np.zeros_like(COLLAR), None: COLLAR}[nodata]
    assert np.array_equal(read(path, nodata=nodata)[1], ~missing)
    if nodata is not None:
        assert np.array_equal(read(tmp_path / "a.png", nodata=nodata)[1], ~missing)


@pytest.mark.parametrize("where", ["inside", "beside"])
def test_masks_in_and_beside_the_file_count(tmp_path: Path, where: str) -> None:
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=where == "inside"):
        path = write_raster(tmp_path / "a.tif", RGB_CHW, mask=np.where(COLLAR, 0, 255).astype(np.uint8), nodata=None)
    assert (tmp_path / "a.tif.msk").exists() == (where == "beside")
    assert np.array_equal(read(path)[1], ~COLLAR)
    assert np.array_equal(read(path, bands=(1, 1, 1))[1], ~COLLAR)
    assert read(path, nodata="none")[1].all()


def test_a_palette_geotiff_shows_its_colours(tmp_path: Path) -> None:
    colours = {value: (40 + 80 * value, 9, 200 - value) for value in range(3)}
    path = write_raster(tmp_path / "a.tif", CLASSES, colours=colours)
    rgb, valid = read(path)
    assert np.array_equal(read_classes(rgb), CLASSES)
    assert np.array_equal(rgb[..., 2], 200 - CLASSES)
    assert valid.all()
    assert read(path, bands=(3, 2, 1))[0][0, 0].tolist() == rgb[0, 0, ::-1].tolist()
    assert stored_form(path).dtype == "uint8"
    with Scene(path) as scene:
        assert scene.info.num_bands == 3
        assert np.array_equal(scene.read_classes()[0], CLASSES)


@pytest.mark.parametrize(("scale", "offset"), [(0.0001, 0.0), (1.0, -1000.0), (2.0, 5.0)])
def test_scale_and_offset_are_applied_before_the_stretch(tmp_path: Path, scale: float, offset: float) -> None:
    stored = (RGB_CHW.astype(np.uint16) * 10) + 1000
    path = write_raster(tmp_path / "a.tif", stored, scale=scale, offset=offset)
    low, high = 1000 * scale + offset, 3550 * scale + offset
    assert np.array_equal(read_classes(read(path, stretch=[[low, high]] * 3)[0]), CLASSES)
    with Scene(path) as scene:
        assert scene.info.dtype == "float32"
        assert scene.read_valid(1).max() == pytest.approx(stored.max() * scale + offset, rel=1e-6)


def test_bands_that_say_which_colour_they_are_are_shown_as_it(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", RGB_CHW[::-1])
    with rasterio.open(path, "r+") as file:
        file.colorinterp = [rasterio.enums.ColorInterp[name] for name in ("blue", "green", "red")]
    assert np.array_equal(read_classes(read(path)[0]), CLASSES)


def test_what_is_no_band_of_numbers_is_refused(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", RGB_CHW.astype(np.complex64))
    with pytest.raises(DataError, match=r"a\.tif holds complex numbers"):
        Scene(path)
    with pytest.raises(DataError, match=r"b\.tif has bands 1 to 3, but \(4, 3, 2\) were given"):
        Scene(write_raster(tmp_path / "b.tif", RGB_CHW), bands=(4, 3, 2))


def test_colours_of_a_different_kind_are_not_shown_as_red_green_and_blue(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", np.concatenate([RGB_CHW, NIR[None]]).astype(np.uint16))
    with rasterio.open(path, "r+") as file:
        file.colorinterp = [rasterio.enums.ColorInterp[name] for name in ("cyan", "magenta", "yellow", "black")]
    with pytest.raises(DataError, match="stores its colours as cyan, magenta, yellow, black: convert it"):
        Scene(path)
    assert np.array_equal(read(path, bands=(1, 2, 3), stretch=[[0, 255]] * 3)[0], RGB_CHW.transpose(1, 2, 0))


def test_the_content_decides_how_a_file_is_read_and_not_its_ending(tmp_path: Path) -> None:
    write_raster(tmp_path / "a.tif", RGB_CHW.astype(np.uint16) * 257).rename(tmp_path / "deep.png")
    write_raster(tmp_path / "a.tif", RGB_CHW).rename(tmp_path / "b.jpg")
    Image.fromarray(RGB_CHW.transpose(1, 2, 0)).save(tmp_path / "x.png")
    (tmp_path / "x.png").rename(tmp_path / "c.tif")
    for name in ("deep.png", "b.jpg", "c.tif"):
        stretch = [[0, 65535]] * 3 if name == "deep.png" else None
        assert np.array_equal(read_classes(read(tmp_path / name, stretch=stretch)[0]), CLASSES), name
