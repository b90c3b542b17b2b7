"""One stretch a region: percentiles of all of its valid pixels together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import rasterio
from PIL import Image

from rs_adapt.datasets.own import stretch as own_stretch
from rs_adapt.datasets.own.stretch import describe_stretch, stretch_of_region
from rs_adapt.datasets.recipes import SceneRegion
from rs_adapt.errors import DataError
from rs_adapt.scenes import write_geotiff

if TYPE_CHECKING:
    from pathlib import Path

PCT = (2.0, 98.0)
PLACE = rasterio.Affine(0.5, 0, 4e5, 0, -0.5, 5e6)


def region(**changes: Any) -> SceneRegion:
    facts = {"name": "north", "images": "", "pattern": "*", "stretch": None, "bands": None}
    return SceneRegion(**facts | {"val": (), "val_share": None, "labels": None} | changes)


def deep(seed: int, size: tuple[int, int], low: int, high: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(low, high, (*size, 3), dtype=np.uint16)


def test_percentiles_are_taken_over_all_pixels_together(tmp_path: Path) -> None:
    scenes = {"dark.tif": deep(0, (40, 50), 100, 900), "bright.tif": deep(1, (20, 30), 2000, 4000)}
    for name, values in scenes.items():
        write_geotiff(tmp_path / name, values)
    told = stretch_of_region(region(), sorted(tmp_path.iterdir()))
    together = np.concatenate([values.reshape(-1, 3) for values in scenes.values()])
    np.testing.assert_allclose(told["range"], np.percentile(together, PCT, axis=0).T)
    assert (told["from"], told["pixels"], told["images"], told["step_px"]) == ("percentiles", 2600, 2, 1)


def test_bands_are_chosen_and_nodata_and_masked_pixels_do_not_count(tmp_path: Path) -> None:
    values = deep(2, (40, 50), 100, 900)
    with_hole = values.copy()
    with_hole[:10] = 65535
    write_geotiff(tmp_path / "a.tif", with_hole, nodata=65535)
    profile = {"driver": "GTiff", "height": 40, "width": 50, "dtype": "uint16", "count": 3, "transform": PLACE}
    mask = np.full((40, 50), 255, np.uint8)
    mask[30:] = 0
    masked = values.copy()
    masked[30:] = 1
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(tmp_path / "b.tif", "w", **profile) as file:
        file.write(masked.transpose(2, 0, 1))
        file.write_mask(mask)
    told = stretch_of_region(region(bands=[3, 1, 2]), sorted(tmp_path.iterdir()))
    valid = np.concatenate([values[10:].reshape(-1, 3), values[:30].reshape(-1, 3)])[:, [2, 0, 1]]
    np.testing.assert_allclose(told["range"], np.percentile(valid, PCT, axis=0).T)
    assert told["pixels"] == 2 * 30 * 50


def test_not_a_number_does_not_count(tmp_path: Path) -> None:
    values = np.random.default_rng(3).random((30, 30, 3), dtype=np.float32)
    holes = values.copy()
    holes[:5] = np.nan
    holes[5, :, 1] = np.inf
    write_geotiff(tmp_path / "a.tif", holes)
    told = stretch_of_region(region(), [tmp_path / "a.tif"])
    np.testing.assert_allclose(told["range"], np.percentile(values[6:].reshape(-1, 3), PCT, axis=0).T, rtol=1e-6)


def test_an_image_counts_by_its_pixels_and_few_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_stretch, "SAMPLE_PX", 1000)
    # 90 % of the pixels are of one value, so the second percentile and the 98th of the region tell the shares.
    write_geotiff(tmp_path / "large.tif", np.full((300, 300), 500, np.uint16))
    write_geotiff(tmp_path / "small.tif", np.full((100, 100), 3000, np.uint16))
    told = stretch_of_region(region(), sorted(tmp_path.iterdir()))
    assert told["step_px"] == 10
    assert told["pixels"] == 900 + 100
    assert told["range"] == [[500.0, 3000.0]] * 3
    # With 1 % of the pixels the bright scene is beyond the 98th percentile.
    write_geotiff(tmp_path / "small.tif", np.full((30, 30), 3000, np.uint16))
    halves = np.repeat(np.uint16([[500, 501]]), 150, axis=1)
    write_geotiff(tmp_path / "large.tif", np.repeat(halves, 300, axis=0))
    assert stretch_of_region(region(), sorted(tmp_path.iterdir()))["range"] == [[500.0, 501.0]] * 3


def test_a_band_of_one_value_is_refused(tmp_path: Path) -> None:
    values = deep(8, (30, 30), 100, 900)
    values[..., 1] = 7
    write_geotiff(tmp_path / "a.tif", values)
    with pytest.raises(DataError, match=r"Region north: green is 7 at both percentiles, 2 and 98, .*stretch = \[low"):
        stretch_of_region(region(), [tmp_path / "a.tif"])


def test_16_bit_png_is_read_like_a_geotiff(tmp_path: Path) -> None:
    values = deep(4, (20, 30), 100, 900)[..., 0]
    Image.fromarray(values).save(tmp_path / "a.png")
    told = stretch_of_region(region(), [tmp_path / "a.png"])
    np.testing.assert_allclose(told["range"], [np.percentile(values, PCT)] * 3)


def test_images_of_8_bit_and_given_ranges_are_unchanged(tmp_path: Path) -> None:
    write_geotiff(tmp_path / "a.tif", np.full((4, 4, 3), 7, np.uint8))
    Image.fromarray(np.full((4, 4, 3), 7, np.uint8)).save(tmp_path / "b.jpg")
    images = sorted(tmp_path.iterdir())
    stays = stretch_of_region(region(), images)
    assert stays == {"from": "as stored", "range": None}
    assert describe_stretch(stays) == "none, its images are of 8 bit"
    given = stretch_of_region(region(stretch=[[0, 10], [0, 20], [5, 30]]), images)
    assert given == {"from": "given", "range": [[0, 10], [0, 20], [5, 30]]}
    assert describe_stretch(given) == "0 to 10, 0 to 20, 5 to 30 (given)"
    assert stretch_of_region(region(stretch="scene"), images) == {"from": "scene", "range": None}


def test_8_bit_and_deeper_images_are_not_mixed(tmp_path: Path) -> None:
    write_geotiff(tmp_path / "a.tif", np.full((4, 4, 3), 7, np.uint8))
    write_geotiff(tmp_path / "b.tif", np.full((4, 4, 3), 7, np.uint16))
    images = sorted(tmp_path.iterdir())
    with pytest.raises(
        DataError, match=r"north mixes images of 8 bit \(1, such as .*a\.tif\) and deeper ones \(1, .*b\.tif"
    ):
        stretch_of_region(region(), images)
    assert stretch_of_region(region(stretch=[[0, 9]] * 3), images)["from"] == "given"


def test_a_region_without_any_valid_pixel_is_an_error(tmp_path: Path) -> None:
    write_geotiff(tmp_path / "a.tif", np.zeros((4, 4, 3), np.uint16), nodata=0)
    with pytest.raises(DataError, match="no pixel of its 1 images is valid"):
        stretch_of_region(region(), [tmp_path / "a.tif"])


@pytest.mark.parametrize(("kind", "value"), [("uint16", 0), ("uint16", 65535), ("int16", -1), ("float32", -999)])
@pytest.mark.parametrize("how", ["region", "scene"])
def test_undeclared_nodata_is_refused_until_it_is_stated(tmp_path: Path, kind: str, value: int, how: str) -> None:
    values = deep(9, (60, 60), 800, 3000).astype(kind)
    values[:3] = value
    write_geotiff(tmp_path / "a.tif", values)
    advice = rf"5\.0 % of the pixels are {value} in all bands, .* write nodata = {value} for this region"
    with pytest.raises(DataError, match=advice):
        _range(tmp_path / "a.tif", how, None)
    stated = _range(tmp_path / "a.tif", how, value)
    np.testing.assert_allclose(stated, np.percentile(values[3:].reshape(-1, 3), PCT, axis=0).T, rtol=1e-6)
    # A few of them move no percentile.
    values[1:3] = values[4:6]
    write_geotiff(tmp_path / "a.tif", values)
    assert np.abs(_range(tmp_path / "a.tif", how, None) - stated).max() < 60


def test_a_spike_is_found_beside_stray_values_beyond_it(tmp_path: Path) -> None:
    values = deep(9, (60, 60), 800, 3000).astype(np.float32)
    values[:6] = 0
    # As after a correction of the atmosphere.
    values[30, :9] = -3
    write_geotiff(tmp_path / "a.tif", values)
    with pytest.raises(DataError, match=r"10\.0 % of the pixels are 0 in all bands"):
        stretch_of_region(region(), [tmp_path / "a.tif"])


def _range(image: Path, how: str, nodata: float | None) -> np.ndarray:
    if how == "region":
        return np.asarray(stretch_of_region(region(nodata=nodata), [image])["range"])
    from rs_adapt.scenes import Scene

    with Scene(image, nodata=nodata) as scene:
        scene.read_rgb()
        assert scene._stretch is not None
        return np.stack(scene._stretch, axis=-1)


def test_percentiles_do_not_depend_on_overviews(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_stretch, "SAMPLE_PX", 5000)
    values = deep(10, (600, 520), 0, 60000)
    write_geotiff(tmp_path / "a.tif", values, crs="EPSG:32632", transform=tuple(PLACE)[:6])
    without = stretch_of_region(region(), [tmp_path / "a.tif"])
    assert without.get("step_px") == 8
    with rasterio.open(tmp_path / "a.tif", "r+") as file:
        # The mean of 64 pixels of noise is grey.
        file.build_overviews([2, 4, 8], rasterio.enums.Resampling.average)
    assert stretch_of_region(region(), [tmp_path / "a.tif"]) == without
    np.testing.assert_allclose(without["range"], [[1200, 58800]] * 3, rtol=0.5)


def test_kinds_of_images_are_not_mixed_in_a_region(tmp_path: Path) -> None:
    write_geotiff(tmp_path / "a.tif", deep(11, (20, 20), 100, 900))
    write_geotiff(tmp_path / "b.tif", np.random.default_rng(0).random((20, 20, 3), dtype=np.float32))
    images = sorted(tmp_path.iterdir())
    with pytest.raises(DataError, match=r"whole numbers \(such as .*a\.tif\) and of fractions \(1, .*b\.t"):
        stretch_of_region(region(), images)
    assert stretch_of_region(region(stretch="scene"), images)["from"] == "scene"
    write_geotiff(tmp_path / "b.tif", deep(12, (20, 20), 100, 900)[..., 0])
    with pytest.raises(DataError, match=r"three or more bands and of fewer \(1, such as .*b\.tif with 1\)"):
        stretch_of_region(region(), images)
    assert stretch_of_region(region(bands=(1, 1, 1)), images)["from"] == "percentiles"
    four = np.concatenate([deep(13, (20, 20), 100, 900)] * 2, axis=-1)[..., :4]
    write_geotiff(tmp_path / "b.tif", four)
    assert stretch_of_region(region(), images)["from"] == "percentiles"


def test_bytes_with_one_scale_look_as_they_are_stored(tmp_path: Path) -> None:
    from geodata import write_raster

    from rs_adapt.scenes import Scene

    values = np.random.default_rng(3).integers(0, 256, (3, 40, 50), dtype=np.uint8)
    for name in ("a", "b"):
        write_raster(tmp_path / f"{name}.tif", values, scale=1 / 255, offset=-0.25)
    images = sorted(tmp_path.iterdir())
    stays = stretch_of_region(region(), images)
    assert stays == {"from": "as stored", "range": [[-0.25, 0.75]] * 3}
    with Scene(images[0], stretch=stays["range"]) as scene:
        np.testing.assert_array_equal(scene.read_rgb()[0], values.transpose(1, 2, 0))
    # Bytes of two scales are compared by what they mean.
    write_raster(tmp_path / "b.tif", values, scale=2 / 255)
    assert stretch_of_region(region(), images)["from"] == "percentiles"
