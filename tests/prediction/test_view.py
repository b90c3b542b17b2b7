"""Maps lie where their scenes lie: transforms, control points, systems, masks and ground sizes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.control import GroundControlPoint
from rasterio.enums import ColorInterp
from rasterio.transform import Affine

from rs_adapt.errors import ConfigError, DataError
from rs_adapt.prediction import resampling
from rs_adapt.prediction.appearance import Appearance
from rs_adapt.prediction.extent import Area
from rs_adapt.prediction.layers import NODATA
from rs_adapt.prediction.resampling import ResampledScene
from rs_adapt.scenes import Box, Scene
from tests.geodata import PLACE, UTM, paint, write_raster
from tests.prediction.class_reader import BOUNDS, HEIGHT_PX, TRUTH, WIDTH_PX, predict, scene

POINTS = [
    GroundControlPoint(row=row, col=col, x=500_000 + 2 * col + row / 2, y=5_000_000 - 2 * row + col / 2, z=0.0)
    for row, col in ((0, 0), (0, 120), (96, 0), (96, 120), (40, 50))
]


def points_of(dataset: Any) -> list[tuple[float, ...]]:
    return [(p.row, p.col, p.x, p.y) for p in dataset.gcps[0]]


@pytest.mark.parametrize(
    "transform",
    [
        PLACE,
        Affine(2.0, 0.0, 500_000.0, 0.0, 2.0, 5_000_000.0),
        Affine(-2.0, 0.0, 500_000.0, 0.0, -2.0, 5_000_000.0),
        Affine(1.7, 1.1, 500_000.0, 1.1, -1.7, 5_000_000.0),
        Affine(1.5, 0.4, 500_000.0, -0.3, 2.5, 5_000_000.0),
    ],
    ids=["north up", "south up", "east to west", "rotated", "sheared"],
)
def test_transforms_are_those_of_the_scene(transform: Affine, tmp_path: Path) -> None:
    record, written = predict(scene(tmp_path, transform=transform))
    with written:
        assert written.transform == transform
        assert written.crs.to_epsg() == 32632
        assert np.array_equal(written.read(1), TRUTH)
    assert record.remarks == ()


def test_control_points_are_those_of_the_scene_and_of_a_window_of_it(tmp_path: Path) -> None:
    path = scene(tmp_path, transform=None, gcps=POINTS)
    record, whole = predict(path)
    bounds = (500_080.0, 4_999_900.0, 500_180.0, 4_999_960.0)
    _, part = predict(path, area=Area(bounds=bounds))
    with whole, part, rasterio.open(path) as original:
        assert points_of(whole) == points_of(original)
        assert whole.gcps[1].to_epsg() == 32632
        assert whole.transform.is_identity
        # The same ground under the same pixel of the scene.
        moved = {(x, y): (row, col) for row, col, x, y in points_of(part)}
        shifts = {(row - moved[x, y][0], col - moved[x, y][1]) for row, col, x, y in points_of(original)}
        assert len(shifts) == 1
        y0, x0 = (int(shift) for shift in shifts.pop())
        assert 0 < x0 < WIDTH_PX
        assert np.array_equal(part.read(1), TRUTH[y0 : y0 + part.height, x0 : x0 + part.width])
    assert record.remarks == ()


def test_control_points_are_scaled_with_the_pixels(tmp_path: Path) -> None:
    path = scene(tmp_path, transform=None, gcps=POINTS)
    _, written = predict(path, gsd=4.123)
    with written, rasterio.open(path) as original:
        scale = np.array([written.height / HEIGHT_PX, written.width / WIDTH_PX, 1, 1])
        assert scale[0] == pytest.approx(0.5, rel=0.02)
        assert np.allclose(points_of(written), np.array(points_of(original)) * scale)


def test_control_points_of_a_turned_picture_are_turned_with_it(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(np.rot90(paint(TRUTH))).save(tmp_path / "scene.png", exif=exif)
    stored = "".join(
        f'<GCP Id="{n}" Pixel="{p.row}" Line="{WIDTH_PX - p.col}" X="{p.x}" Y="{p.y}"/>' for n, p in enumerate(POINTS)
    )
    projection = f'<GCPList Projection="{UTM}">{stored}</GCPList>'
    (tmp_path / "scene.png.aux.xml").write_text(f"<PAMDataset>{projection}</PAMDataset>")
    _, written = predict(tmp_path / "scene.png")
    with written:
        assert np.array_equal(written.read(1), TRUTH)
        assert sorted(points_of(written)) == sorted((p.row, p.col, p.x, p.y) for p in POINTS)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_scene_without_a_system_or_a_place_is_mapped_with_a_note(tmp_path: Path) -> None:
    record, written = predict(scene(tmp_path, crs=None))
    with written:
        assert (written.crs, written.transform) == (None, PLACE)
    assert record.remarks[0].startswith(f"{record.scene} states no reference system, and so does its map.")
    record, written = predict(scene(tmp_path, crs=None, transform=None))
    with written:
        assert (written.crs, written.transform) == (None, Affine.identity())
    assert record.remarks == (f"{record.scene} has no place on the map, and so has its map.",)
    two = scene(tmp_path, transform=None, gcps=POINTS[:2])
    with pytest.raises(DataError, match=r"has 2 ground control points, and a grid needs three"):
        predict(two, area=Area(bounds=BOUNDS))


HOLE = np.zeros(TRUTH.shape, dtype=bool)
HOLE[30:50, 40:100] = True


def write_deep(folder: Path) -> tuple[Path, Appearance]:
    """16 bit with scale and offset tags: the values of the training are fractions."""
    deep_CHW = (paint(TRUTH).transpose(2, 0, 1).astype(np.uint16) * 20 + 100).astype(np.uint16)
    deep_CHW[:, HOLE] = 0
    path = write_raster(folder / "scene.tif", deep_CHW, nodata=0, scale=0.0001, offset=-0.01)
    return path, Appearance(ranges=((0.0, 0.51),) * 3)


def write_floats(folder: Path) -> tuple[Path, Appearance]:
    values_CHW = paint(TRUTH).transpose(2, 0, 1).astype(np.float32) / 255
    values_CHW[0, HOLE] = np.nan
    return write_raster(folder / "scene.tif", values_CHW), Appearance(ranges=((0.0, 1.0),) * 3)


def write_masked(folder: Path) -> tuple[Path, Appearance]:
    return scene(folder, mask=np.where(HOLE, 0, 255).astype(np.uint8)), Appearance()


def write_transparent(folder: Path) -> tuple[Path, Appearance]:
    alpha_1HW = np.where(HOLE, 0, 255).astype(np.uint8)[None]
    path = write_raster(
        folder / "scene.tif", np.concatenate([paint(TRUTH).transpose(2, 0, 1), alpha_1HW]), photometric="RGB"
    )
    with rasterio.open(path, "r+") as dataset:
        dataset.colorinterp = (ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha)
    return path, Appearance()


def write_other_bands(folder: Path) -> tuple[Path, Appearance]:
    image_CHW = paint(TRUTH).transpose(2, 0, 1)
    image_CHW[:, HOLE] = 0
    stack_CHW = np.concatenate([np.full_like(image_CHW, 7), image_CHW[::-1]])
    return write_raster(folder / "scene.tif", stack_CHW, nodata=0), Appearance(bands=(6, 5, 4))


@pytest.mark.parametrize("write", [write_deep, write_floats, write_masked, write_transparent, write_other_bands])
def test_pixels_without_data_are_those_of_the_scene(write: Any, tmp_path: Path) -> None:
    path, appearance = write(tmp_path)
    record, written = predict(path, appearance=appearance)
    with written:
        assert np.array_equal(written.read(1), np.where(HOLE, NODATA, TRUTH))
        assert written.transform == PLACE
    assert record.remarks == ()


@pytest.mark.parametrize(("gsd", "size"), [(4.0, (60, 48)), (1.0, (240, 192)), (2.0, (120, 96)), (3.1, (77, 62))])
def test_a_resampled_scene_has_its_ground(gsd: float, size: tuple[int, int], tmp_path: Path) -> None:
    path = scene(tmp_path)
    _, written = predict(path, gsd=gsd)
    with written, rasterio.open(path) as original:
        assert (written.width, written.height) == size
        assert written.bounds == pytest.approx(original.bounds)
        classes_HW = written.read(1)
    step = WIDTH_PX / size[0]
    rows, columns = (((np.arange(side) + 0.5) * step).astype(int) for side in classes_HW.shape)
    nearest_HW = TRUTH[np.ix_(rows.clip(0, HEIGHT_PX - 1), columns)]
    # Blocks of 8 px have borders, where means of two classes lie.
    assert (classes_HW == nearest_HW).mean() > (0.99 if gsd == 2.0 else 0.7)


def test_the_ground_size_of_the_training_is_taken_and_a_different_one_named(tmp_path: Path) -> None:
    path = scene(tmp_path)
    record, _ = predict(path, appearance=Appearance(gsd_m=0.5))
    (remark,) = record.remarks
    assert "is 2 m wide, and those of the training were 0.5 m: things look 4.0 times smaller" in remark
    assert predict(path, appearance=Appearance(gsd_m=1.6))[0].remarks == ()
    assert "1.4 times larger" in predict(path, appearance=Appearance(gsd_m=2.8))[0].remarks[0]
    record, written = predict(path, appearance=Appearance(gsd_m=1.0), gsd="trained")
    with written:
        assert written.res == (1.0, 1.0)
    assert record.remarks == ()
    with pytest.raises(ConfigError, match="the pack does not state the ground size of its training"):
        predict(path, gsd="trained")
    with pytest.raises(ConfigError, match=r"--gsd is -1\. Allowed: metres above 0"):
        predict(path, gsd=-1)
    with pytest.raises(ConfigError, match=r"Allowed: up to 32 times larger or smaller"):
        predict(path, gsd=100.0)
    with pytest.raises(DataError, match="does not state the size of its pixels on the ground"):
        predict(scene(tmp_path, crs=None), gsd=1.0)


def test_a_model_of_matched_pixels_sees_scenes_in_those_unless_told_otherwise(tmp_path: Path) -> None:
    matched = Appearance(gsd_m=1.0, gsd_matched=True)
    # The scene has pixels of 2 m.
    for gsd, size_m in ((None, 1.0), (2.0, 2.0)):
        record, written = predict(scene(tmp_path), appearance=matched, gsd=gsd)
        with written:
            assert written.res == (size_m, size_m)
        assert bool(record.remarks) is (gsd == 2.0)
    # Nobody knows the size of its pixels: it is mapped as it is.
    _, written = predict(scene(tmp_path, crs=None), appearance=matched)
    with written:
        assert (written.width, written.height) == (WIDTH_PX, HEIGHT_PX)


def test_windows_of_a_resampled_scene_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Scene(scene(tmp_path)) as original:
        resampled = ResampledScene(original, 3.3)
        whole_HW3, _ = resampled.read_rgb()
        part_HW3, _ = resampled.read_rgb(Box(7, 9, 50, 41))
        # The same in small pieces.
        monkeypatch.setattr(resampling, "_READ_PX", 20)
        monkeypatch.setattr(resampling, "_ROW_PX", 700)
        pieces_HW3, _ = resampled.read_rgb()
    assert np.abs(part_HW3.astype(int) - whole_HW3[9:41, 7:50]).max() <= 1
    assert np.abs(pieces_HW3.astype(int) - whole_HW3).max() <= 1


def test_means_leave_out_pixels_without_data(tmp_path: Path) -> None:
    image_CHW = np.full((3, 40, 40), 130, np.uint8)
    image_CHW[:, :, 13:29] = 0
    path = write_raster(tmp_path / "scene.tif", image_CHW, nodata=0)
    _, written = predict(path, gsd=4.0)
    with written:
        # Class 1 next to the hole as well: no zero is mixed in.
        assert set(np.unique(written.read(1))) == {1, NODATA}
        assert (written.read(1)[5] == NODATA).sum() in (7, 8)
