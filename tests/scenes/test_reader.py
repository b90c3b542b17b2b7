"""Scenes: georeference, valid masks, stretch, plain images, damaged files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from PIL import Image

from rs_adapt.errors import DataError, DataNotFound
from rs_adapt.scenes import Box, MapWriter, Scene, write_geotiff

UTM = (0.5, 0.0, 440_000.0, 0.0, -0.5, 5_820_000.0)


def colours(height_px: int = 24, width_px: int = 30) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(1, 256, (height_px, width_px, 3), dtype=np.uint8)


def test_geotiff_round_trip_preserves_pixels_and_georeference(tmp_path: Path) -> None:
    rgb = colours()
    write_geotiff(tmp_path / "a.tif", rgb, crs="EPSG:32632", transform=UTM, nodata=0)
    with Scene(tmp_path / "a.tif") as scene:
        read, valid = scene.read_rgb()
        assert scene.info.transform == UTM
        assert scene.info.gsd_m == 0.5
        assert scene.info.nodata == 0
        assert scene.info.crs is not None
        assert "32632" in scene.info.crs
        assert scene.box == Box(0, 0, 30, 24)
    assert np.array_equal(read, rgb)
    assert valid.all()


def test_window_is_the_same_as_slicing(tmp_path: Path) -> None:
    rgb = colours()
    rgb[3:9, 4:8] = 0
    write_geotiff(tmp_path / "a.tif", rgb, crs="EPSG:32632", transform=UTM, nodata=0)
    Image.fromarray(rgb).save(tmp_path / "a.png")
    for name in ("a.tif", "a.png"):
        with Scene(tmp_path / name) as scene:
            read, valid = scene.read_rgb(Box(2, 5, 11, 20))
        assert np.array_equal(read, rgb[5:20, 2:11])
        assert valid.sum() == (15 * 9 - 4 * 4 if name == "a.tif" else 15 * 9)


def test_nodata_requires_the_value_in_all_bands(tmp_path: Path) -> None:
    rgb = colours()
    rgb[0, 0] = 0
    rgb[0, 1, 0] = 0
    write_geotiff(tmp_path / "a.tif", rgb, nodata=0)
    with Scene(tmp_path / "a.tif") as scene:
        valid = scene.read_rgb()[1]
    assert not valid[0, 0]
    assert valid[0, 1]


def test_mask_band_and_alpha_band_are_honoured(tmp_path: Path) -> None:
    rgb = colours()
    mask = np.full(rgb.shape[:2], 255, dtype=np.uint8)
    mask[:5] = 0
    profile = {"driver": "GTiff", "height": 24, "width": 30, "dtype": "uint8", "crs": "EPSG:32632"}
    place = rasterio.Affine(*UTM)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        with rasterio.open(tmp_path / "mask.tif", "w", count=3, transform=place, **profile) as dataset:
            dataset.write(rgb.transpose(2, 0, 1))
            dataset.write_mask(mask)
    with rasterio.open(
        tmp_path / "alpha.tif", "w", count=4, transform=place, alpha="yes", photometric="RGB", **profile
    ) as dataset:
        dataset.write(np.concatenate([rgb, mask[..., None]], axis=2).transpose(2, 0, 1))
    Image.fromarray(np.concatenate([rgb, mask[..., None]], axis=2)).save(tmp_path / "alpha.png")
    for name in ("mask.tif", "alpha.tif", "alpha.png"):
        with Scene(tmp_path / name) as scene:
            assert scene.info.num_bands == 3
            valid = scene.read_rgb()[1]
        assert np.array_equal(valid, mask > 0), name


def test_gsd_of_degrees_is_in_metres_at_the_latitude(tmp_path: Path) -> None:
    degree = 1e-5
    write_geotiff(tmp_path / "a.tif", colours(), crs="EPSG:4326", transform=(degree, 0, 10, 0, -degree, 60))
    with Scene(tmp_path / "a.tif") as scene:
        # cos(60 deg) = 1/2: pixels are 1.11 m high and half as wide.
        assert scene.info.gsd_m == pytest.approx(1.1132 * np.sqrt(0.5), rel=1e-3)


def test_rotated_pixels_have_their_size(tmp_path: Path) -> None:
    c, s = 0.5 * np.cos(0.3), 0.5 * np.sin(0.3)
    write_geotiff(tmp_path / "a.tif", colours(), crs="EPSG:32632", transform=(c, s, 4e5, s, -c, 5e6))
    with Scene(tmp_path / "a.tif") as scene:
        assert scene.info.gsd_m == pytest.approx(0.5)


def test_no_georeference_is_not_an_error(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    write_geotiff(tmp_path / "a.tif", colours())
    with Scene(tmp_path / "a.tif") as scene:
        assert scene.info.crs is None
        assert scene.info.gsd_m is None
    assert not recwarn.list


def test_16_bit_scene_is_stretched_the_same_in_every_window(tmp_path: Path) -> None:
    ramp = np.tile(np.linspace(1000, 3000, 100), (50, 1)).astype(np.uint16)
    deep = np.stack([ramp, ramp + 500, ramp * 2], axis=-1)
    deep[:, :3] = 0
    write_geotiff(tmp_path / "a.tif", deep, nodata=0)
    with Scene(tmp_path / "a.tif") as scene:
        whole, valid = scene.read_rgb()
        part, _ = scene.read_rgb(Box(20, 10, 60, 30))
    assert np.array_equal(part, whole[10:30, 20:60])
    assert not valid[:, :3].any()
    assert whole[0, -1].tolist() == [255, 255, 255]
    assert abs(int(whole[0, 51, 0]) - 128) < 5
    assert np.all(np.diff(whole[0, 3:, 0].astype(int)) >= 0)


def test_band_choice_and_grey(tmp_path: Path) -> None:
    four = np.random.default_rng(1).integers(1, 256, (20, 20, 4), dtype=np.uint8)
    with MapWriter(tmp_path / "a.tif", height_px=20, width_px=20, num_bands=4) as writer:
        writer.write(four)
    write_geotiff(tmp_path / "grey.tif", four[..., 0])
    with Scene(tmp_path / "a.tif", bands=(3, 1, 2)) as scene:
        assert np.array_equal(scene.read_rgb()[0], four[..., [2, 0, 1]])
    with Scene(tmp_path / "grey.tif") as scene:
        assert np.array_equal(scene.read_rgb()[0], four[..., [0, 0, 0]])
    with pytest.raises(DataError, match="Name three of them"):
        Scene(tmp_path / "grey.tif", bands=(1, 2, 3))


def test_palette_image_is_colour_or_index(tmp_path: Path) -> None:
    index = np.random.default_rng(2).integers(0, 3, (9, 7), dtype=np.uint8)
    image = Image.fromarray(index).convert("P")
    image = Image.frombytes("P", (7, 9), index.tobytes())
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    image.save(tmp_path / "p.png")
    with Scene(tmp_path / "p.png") as scene:
        assert np.array_equal(scene.read_classes()[0], index)
        assert np.array_equal(scene.read_rgb()[0][..., 1], np.array([20, 50, 80], dtype=np.uint8)[index])


def test_classes_refuse_colour_and_large_values(tmp_path: Path) -> None:
    Image.fromarray(colours()).save(tmp_path / "rgb.png")
    write_geotiff(tmp_path / "rgb.tif", colours())
    for name in ("rgb.png", "rgb.tif"):
        with Scene(tmp_path / name) as scene, pytest.raises(DataError, match="colour image"):
            scene.read_classes()
    write_geotiff(tmp_path / "wide.tif", np.full((4, 4), 300, dtype=np.uint16))
    with Scene(tmp_path / "wide.tif") as scene, pytest.raises(DataError, match="label value 300"):
        scene.read_classes()
    write_geotiff(tmp_path / "deep.tif", np.full((4, 4), 7, dtype=np.uint16))
    with Scene(tmp_path / "deep.tif") as scene:
        assert scene.read_classes()[0].tolist() == [[7] * 4] * 4


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
def test_truncated_file_is_an_error(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"cut{suffix}"
    rgb = np.random.default_rng(3).integers(0, 256, (600, 600, 3), dtype=np.uint8)
    if suffix == ".tif":
        write_geotiff(path, rgb)
    else:
        Image.fromarray(rgb).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    def read() -> None:
        with Scene(path) as scene:
            scene.read_rgb()

    with pytest.raises(DataError, match=f"cut{suffix} cannot be read"):
        read()


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_all_bits_of_a_16_bit_colour_png_are_read(tmp_path: Path) -> None:
    values = np.random.default_rng(5).integers(0, 4096, (20, 30, 3), dtype=np.uint16)
    # PIL writes no such file.
    with rasterio.open(
        tmp_path / "deep.png", "w", driver="PNG", height=20, width=30, count=3, dtype="uint16"
    ) as dataset:
        dataset.write(values.transpose(2, 0, 1))
    with Scene(tmp_path / "deep.png", stretch=[[0, 4095]] * 3) as scene:
        read, valid = scene.read_rgb(Box(3, 2, 13, 12))
    assert scene.info.dtype == "uint16"
    assert np.abs(read - values[2:12, 3:13] / 4095 * 255).max() < 0.51
    assert valid.all()
    content = (tmp_path / "deep.png").read_bytes()
    (tmp_path / "deep.png").write_bytes(content[: len(content) // 2])
    with Scene(tmp_path / "deep.png") as scene, pytest.raises(DataError, match=r"deep\.png cannot be read"):
        scene.read_rgb()


def test_pixels_that_are_not_numbers_are_refused(tmp_path: Path) -> None:
    values = np.random.default_rng(6).random((20, 30, 3), dtype=np.float32)
    values[:5, :, 1] = np.nan
    values[5, 0, 0] = np.inf
    write_geotiff(tmp_path / "a.tif", values)
    with Scene(tmp_path / "a.tif") as scene:
        valid = scene.read_rgb()[1]
    assert valid.sum() == 15 * 30 - 1
    assert not valid[:5].any()


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataNotFound, match=r"nowhere\.tif"):
        Scene(tmp_path / "nowhere.tif")


def test_map_written_in_bands_equals_the_whole(tmp_path: Path) -> None:
    classes = np.random.default_rng(4).integers(0, 6, (300, 40), dtype=np.uint8)
    table = [(0, 0, 0), (255, 0, 0), (0, 255, 0), (0, 0, 255), (9, 9, 9), (7, 8, 9)]
    with MapWriter(
        tmp_path / "m.tif", height_px=300, width_px=40, crs="EPSG:32632", transform=UTM, nodata=255, colours=table
    ) as writer:
        for y0 in range(0, 300, 70):
            writer.write(classes[y0 : y0 + 70], y0=y0)
        with pytest.raises(DataError, match="do not fit"):
            writer.write(classes[:70], y0=260)
    with rasterio.open(tmp_path / "m.tif") as dataset:
        assert np.array_equal(dataset.read(1), classes)
        assert dataset.colormap(1)[1] == (255, 0, 0, 255)
        assert dataset.nodata == 255
