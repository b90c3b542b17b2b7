"""Own rasters of all kinds, from the bench's file to the tiles: the label's pixels are those that the image shows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from geodata import PLACE, draw_classes, paint, read_classes, write_image, write_raster, write_world_file
from numpy.typing import NDArray
from PIL import Image
from rasterio.transform import Affine

from rs_adapt.commands import main

BENCH = """
name = "mine"
tile_px = 32
[[class]]
name = "land"
colour = "#C8C8C8"
[[class]]
name = "water"
colour = "#285ADC"
[[class]]
name = "road"
colour = "#FF0000"
[train]
backbone = "dinov2_nano"
head = "linear"
method = "frozen"
iters = 1
batch_size = 1
[source]
images = "source"
val = ["b"]
{region}
[source.labels]
path = "labels"
suffix = "{suffix}"
{labels}
[source.labels.classes]
land = [0]
water = [1]
road = [2]
[target]
images = "target"
"""
Run = Callable[..., tuple[int, str, str]]
SCENES = {"a": draw_classes(96, 128, seed=1), "b": draw_classes(64, 96, seed=2)}
COLLAR_PX = 12


@pytest.fixture
def run(tmp_path: Path, own_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that writes the bench's file, makes its tiles and gives exit code, stdout and stderr."""
    for name in ("source", "labels", "target"):
        (tmp_path / name).mkdir()
    write_image(tmp_path / "target" / "t.png", draw_classes(64, 64))
    monkeypatch.chdir(tmp_path)

    def call(*, region: str = "", labels: str = "", suffix: str = ".tif") -> tuple[int, str, str]:
        Path("mine.toml").write_text(BENCH.format(region=region, labels=labels, suffix=suffix))
        with pytest.raises(SystemExit) as stop:
            main(["train", "--bench", "mine.toml", "--setting", "da", "--dry-run", "--device", "cpu"])
        shown = capsys.readouterr()
        return int(stop.value.code or 0), shown.out, shown.err

    return call


def check_tiles(home: Path, *, labelled: float = 1.0, tiles: int = 12 + 6) -> None:
    """Compare each label tile with the red channel of its image tile."""
    (prepared,) = (home / "prepared").glob("mine-*[0-9a-f]")
    found = sorted((prepared / "source").rglob("ann_dir/*.png"))
    assert len(found) == tiles
    shares = []
    for path in found:
        label = np.asarray(Image.open(path))
        shown = read_classes(np.asarray(Image.open(path.parents[1] / "img_dir" / path.name)))
        known = label != 255
        assert np.array_equal(label[known], shown[known]), path
        shares.append(known.mean())
    assert np.mean(shares) == pytest.approx(labelled, abs=0.03)


def collar(classes_HW: NDArray[np.uint8]) -> NDArray[np.bool_]:
    rows_HW, _ = np.indices(classes_HW.shape)
    return rows_HW < COLLAR_PX


def plain_label(path: Path, classes_HW: NDArray[np.uint8]) -> None:
    write_raster(path.with_suffix(".tif"), classes_HW)


def shifted_label(path: Path, classes_HW: NDArray[np.uint8]) -> None:
    moved = PLACE @ Affine.translation(5, 5)
    write_raster(path.with_suffix(".tif"), np.roll(classes_HW, (-5, -5), (0, 1)), transform=moved)


def southward_label(path: Path, classes_HW: NDArray[np.uint8]) -> None:
    write_raster(
        path.with_suffix(".tif"), classes_HW[::-1].copy(), transform=PLACE @ Affine(1, 0, 0, 0, -1, len(classes_HW))
    )


def near_infrared(path: Path, classes_HW: NDArray[np.uint8], **how: Any) -> None:
    nir_HW = np.array([0, 120, 250], np.uint8)[classes_HW]
    write_raster(path.with_suffix(".tif"), np.concatenate([paint(classes_HW).transpose(2, 0, 1), nir_HW[None]]), **how)


def untagged_near_infrared(path: Path, classes_HW: NDArray[np.uint8]) -> None:
    near_infrared(path, classes_HW, photometric="RGB", alpha="unspecified", nodata=0)


def palette(path: Path, classes_HW: NDArray[np.uint8]) -> None:
    write_raster(path.with_suffix(".tif"), classes_HW, colours={n: (40 + 80 * n, 0, 0) for n in range(3)})


def exif(path: Path, classes_HW: NDArray[np.uint8]) -> None:
    tags = Image.Exif()
    tags[274] = 6
    # Turned by a quarter to the right, it is upright.
    stored = Image.fromarray(paint(np.rot90(classes_HW).copy()))
    stored.save(path.with_suffix(".jpg"), exif=tags, quality=100, subsampling=0)


def world_file(path: Path, classes_HW: NDArray[np.uint8]) -> None:
    write_image(path.with_suffix(".png"), classes_HW)
    write_world_file(path.with_suffix(".pgw"), PLACE)


def ordinary(path: Path, classes_HW: NDArray[np.uint8]) -> None:
    write_image(path.with_suffix(".tif"), classes_HW)


def scaled(path: Path, classes_HW: NDArray[np.uint8]) -> None:
    # The two scenes are stored by different offsets, as products of one sensor before and after a change are.
    offset = 1000 if path.stem == "a" else 0
    stored = paint(classes_HW).transpose(2, 0, 1).astype(np.uint16) * 10 + offset
    write_raster(path.with_suffix(".tif"), stored, scale=0.1, offset=-offset / 10)


def undeclared(path: Path, classes_HW: NDArray[np.uint8]) -> None:
    stored = paint(classes_HW).transpose(2, 0, 1).astype(np.uint16)
    stored[:, collar(classes_HW)] = 0
    write_raster(path.with_suffix(".tif"), stored)


def signed_label(path: Path, classes_HW: NDArray[np.uint8]) -> None:
    write_raster(path.with_suffix(".tif"), np.where(collar(classes_HW), -9999, classes_HW.astype(np.int16)))


CASES: dict[str, tuple[Callable[..., None], Callable[..., None], dict[str, str], float]] = {
    "equal grids": (ordinary, plain_label, {}, 1.0),
    "a shifted label": (ordinary, shifted_label, {}, 0.91),
    "a label stored to the south": (ordinary, southward_label, {}, 1.0),
    "an image with a world file": (world_file, southward_label, {}, 1.0),
    "near infrared tagged as alpha": (near_infrared, plain_label, {}, 1.0),
    "near infrared in use": (near_infrared, plain_label, {"region": "bands = [1, 4, 2]"}, 1.0),
    "near infrared and nodata 0": (untagged_near_infrared, plain_label, {}, 1.0),
    "a palette": (palette, plain_label, {}, 1.0),
    "an orientation": (exif, plain_label, {}, 1.0),
    "offsets": (scaled, plain_label, {"region": "stretch = [0, 255]"}, 1.0),
    "stated nodata": (undeclared, plain_label, {"region": "nodata = 0\nstretch = [0, 255]"}, 0.854),
    "stated label nodata": (ordinary, signed_label, {"labels": "nodata = -9999"}, 0.854),
}


@pytest.mark.parametrize("case", CASES)
def test_labels_are_those_of_their_images(case: str, run: Run, tmp_path: Path, own_home: Path) -> None:
    write_scene, write_label, keys, labelled = CASES[case]
    for name, classes_HW in SCENES.items():
        write_scene(tmp_path / "source" / name, classes_HW)
        write_label(tmp_path / "labels" / name, classes_HW)
    code, _, err = run(**keys)
    assert code == 0, err
    check_tiles(own_home, labelled=labelled)


@pytest.mark.parametrize(
    ("orientation", "sizes", "named"), [(3, (96, 128), True), (6, (96, 96), True), (6, (96, 128), False)]
)
def test_a_turn_that_the_size_does_not_show_is_named(
    orientation: int, sizes: tuple[int, int], named: bool, run: Run, tmp_path: Path
) -> None:
    tags = Image.Exif()
    tags[274] = orientation
    for seed, name in enumerate("ab"):
        classes_HW = draw_classes(*sizes, seed=seed)
        stored_HW = np.rot90(classes_HW, 1 if orientation == 6 else 2).copy()
        Image.fromarray(paint(stored_HW)).save(
            tmp_path / "source" / f"{name}.jpg", exif=tags, quality=100, subsampling=0
        )
        plain_label(tmp_path / "labels" / name, classes_HW)
    code, out, err = run()
    assert code == 0, err
    assert ("2 image(s), such as a.jpg, are turned or mirrored as their EXIF orientation says" in out) is named


def far_label(path: Path, classes_HW: NDArray[np.uint8]) -> None:
    write_raster(path.with_suffix(".tif"), classes_HW, transform=PLACE @ Affine.translation(1000, 0))


def one_hot(path: Path, classes_HW: NDArray[np.uint8]) -> None:
    write_raster(path.with_suffix(".tif"), np.stack([classes_HW == 0, classes_HW == 1]).astype(np.uint8))


def some_of_four_bands(path: Path, classes_HW: NDArray[np.uint8]) -> None:
    (near_infrared if path.stem == "a" else ordinary)(path, classes_HW)


REFUSED: dict[str, tuple[Callable[..., None], Callable[..., None], dict[str, str], str]] = {
    "a label of a different place": (ordinary, far_label, {}, "it lies 872 px of 2 m to the right of it"),
    "one band a class": (ordinary, one_hot, {}, "has 2 bands of values: class values need one band"),
    "a scene without the band": (
        some_of_four_bands,
        plain_label,
        {"region": "bands = [4, 3, 2]"},
        "b.tif has bands 1 to 3",
    ),
    "undeclared nodata": (undeclared, plain_label, {}, "write nodata = 0 for this region"),
    "undeclared label nodata": (ordinary, signed_label, {}, "-9999 (1536 px)"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_read_right_is_refused(case: str, run: Run, tmp_path: Path) -> None:
    write_scene, write_label, keys, message = REFUSED[case]
    for name, classes_HW in SCENES.items():
        write_scene(tmp_path / "source" / name, classes_HW)
        write_label(tmp_path / "labels" / name, classes_HW)
    code, _, err = run(**keys)
    assert (code, message in err) == (2, True), err
