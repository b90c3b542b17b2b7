"""The pixels of a label are those of its image, wherever the label lies and however it is stored."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from geodata import PIXEL_M, PLACE, UTM, draw_classes, paint, read_classes, write_image, write_raster, write_world_file
from numpy.typing import NDArray
from PIL import Image
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.transform import Affine
from rasterio.warp import Resampling, calculate_default_transform, reproject

from rs_adapt.datasets.own.translation import LabelReader
from rs_adapt.datasets.own.windows import IGNORE, LabelWindow
from rs_adapt.datasets.recipes import LabelSource
from rs_adapt.errors import DataError
from rs_adapt.scenes import Box, Scene

H, W = 96, 120
CLASSES = draw_classes(H, W)
VALUES = LabelSource(
    kind="values",
    path="",
    suffix=".tif",
    column=None,
    background=None,
    to_index=((0, 0), (1, 1), (2, 2)),
    ignore=(9,),
)


def read(image: Path, label: Path, labels: LabelSource = VALUES, step_px: int = 40) -> tuple[NDArray[Any], LabelWindow]:
    """Return the image, and the label as it is put together from windows."""
    with Scene(image) as scene, LabelReader(labels, scene.info, label) as reader:
        rgb_HW3 = scene.read_rgb()[0]
        rows = []
        width_px, height_px = scene.info.width_px, scene.info.height_px
        for y0 in range(0, height_px, step_px):
            boxes = [
                Box(x0, y0, min(x0 + step_px, width_px), min(y0 + step_px, height_px))
                for x0 in range(0, width_px, step_px)
            ]
            rows.append([reader.read(box) for box in boxes])
    whole = LabelWindow(
        classes_HW=np.block([[window.classes_HW for window in row] for row in rows]),
        no_data_HW=np.block([[window.no_data_HW for window in row] for row in rows]),
        contents=sum((window.contents for row in rows for window in row), start=type(rows[0][0].contents)()),
    )
    return rgb_HW3, whole


def check(image: Path, label: Path, *, covered: float = 1.0, wrong: float = 0.0, labels: LabelSource = VALUES) -> None:
    """Compare every labelled pixel with the class that its image shows."""
    rgb_HW3, window = read(image, label, labels)
    labelled_HW = window.classes_HW != IGNORE
    assert labelled_HW.mean() == pytest.approx(covered, abs=0.02)
    assert (window.no_data_HW == ~labelled_HW).all()
    differs_HW = window.classes_HW != read_classes(rgb_HW3)
    assert np.count_nonzero(differs_HW & labelled_HW) <= wrong * labelled_HW.size
    assert window.contents.total() == np.count_nonzero(labelled_HW)


def shifted(columns: float, rows: float) -> Affine:
    return PLACE @ Affine.translation(columns, rows)


# Name -> label pixels, their transform, the share of the image that they cover.
SAME_SYSTEM: dict[str, Callable[[], tuple[NDArray[np.uint8], Affine, float]]] = {
    "equal": lambda: (CLASSES, PLACE, 1.0),
    "half a pixel off by convention": lambda: (CLASSES, shifted(0.5, 0.5), 1.0),
    "stored to the south": lambda: (CLASSES[::-1], PLACE @ Affine(1, 0, 0, 0, -1, H), 1.0),
    "mirrored": lambda: (CLASSES[:, ::-1], PLACE @ Affine(-1, 0, W, 0, 1, 0), 1.0),
    "turned by a quarter": lambda: (np.rot90(CLASSES), PLACE @ Affine(0, -1, W, 1, 0, 0), 1.0),
    "cut to a part": lambda: (CLASSES[16:80, 24:96], shifted(24, 16), 64 * 72 / (H * W)),
    "larger on all sides": lambda: (np.pad(CLASSES, 30, constant_values=9), shifted(-30, -30), 1.0),
    "one row and column longer": lambda: (np.pad(CLASSES, ((0, 1), (0, 1))), PLACE, 1.0),
    "three times finer": lambda: (np.kron(CLASSES, np.ones((3, 3), np.uint8)), PLACE @ Affine.scale(1 / 3), 1.0),
    "twice finer": lambda: (np.kron(CLASSES, np.ones((2, 2), np.uint8)), PLACE @ Affine.scale(1 / 2), 1.0),
    "four times coarser": lambda: (CLASSES[::4, ::4], PLACE @ Affine.scale(4), 1.0),
    "of oblong pixels": lambda: (np.repeat(CLASSES, 2, axis=0)[:, ::2], PLACE @ Affine.scale(2, 0.5), 1.0),
}


def rolled(by_px: int) -> tuple[NDArray[np.uint8], Affine, float]:
    return np.roll(CLASSES, -by_px, (0, 1)), shifted(by_px, by_px), (H - by_px) * (W - by_px) / (H * W)


SAME_SYSTEM |= {f"of the same size, {n} px off": functools.partial(rolled, n) for n in (1, 5, 50)}


@pytest.mark.parametrize("case", SAME_SYSTEM)
@pytest.mark.parametrize("system", [UTM, None])
def test_a_label_is_read_where_it_lies(tmp_path: Path, case: str, system: str | None) -> None:
    pixels, transform, covered = SAME_SYSTEM[case]()
    image = write_image(tmp_path / "a.tif", CLASSES)
    label = write_raster(tmp_path / "l.tif", np.ascontiguousarray(pixels), crs=system, transform=transform)
    check(image, label, covered=covered)


@pytest.mark.parametrize("case", ["equal", "stored to the south", "cut to a part", "three times finer"])
def test_a_turned_image_takes_its_label_from_the_map(tmp_path: Path, case: str) -> None:
    pixels, transform, covered = SAME_SYSTEM[case]()
    turned = Affine.translation(500_000, 5_000_000) @ Affine.rotation(33) @ Affine.translation(-500_000, -5_000_000)
    image = write_image(tmp_path / "a.tif", CLASSES, transform=turned @ PLACE)
    label = write_raster(tmp_path / "l.tif", np.ascontiguousarray(pixels), transform=turned @ transform)
    check(image, label, covered=covered)


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
@pytest.mark.parametrize("system", ["EPSG:4326", "EPSG:3857", "EPSG:32633", "EPSG:3035"])
@pytest.mark.parametrize("which", ["label", "image"])
def test_image_and_label_may_be_of_two_systems(tmp_path: Path, system: str, which: str) -> None:
    transform, width, height = calculate_default_transform(
        UTM, system, W, H, *rasterio.transform.array_bounds(H, W, PLACE)
    )
    # Four times finer, so that the warp itself puts no pixel off by more than a quarter.
    transform, width, height = transform @ Affine.scale(0.25), width * 4, height * 4
    warped = np.full((height, width), 9, np.uint8)
    reproject(
        CLASSES, warped, src_transform=PLACE, src_crs=UTM, dst_transform=transform, dst_crs=system,
        resampling=Resampling.nearest, init_dest_nodata=False,
    )  # fmt: skip
    if which == "label":
        image = write_image(tmp_path / "a.tif", CLASSES)
        label = write_raster(tmp_path / "l.tif", warped, crs=system, transform=transform)
        check(image, label, wrong=0.03)
    else:
        image = write_image(tmp_path / "a.tif", np.minimum(warped, 2), crs=system, transform=transform)
        label = write_raster(tmp_path / "l.tif", CLASSES)
        with Scene(image) as scene, LabelReader(VALUES, scene.info, label) as reader:
            window = reader.read(scene.box)
        inside = (warped != 9) & ~window.no_data_HW
        assert inside.mean() > 0.8
        assert np.count_nonzero((window.classes_HW != warped) & inside) <= 0.03 * inside.size


@pytest.mark.parametrize(
    ("transform", "miss"),
    [
        (shifted(W + 500, 0), "it lies 500 px of 2 m to the right of it"),
        (shifted(-W - 40, -H - 7), "it lies 40 px of 2 m to the left of it and 7 px of 2 m above it"),
        (shifted(3, H), "it lies 0 px of 2 m below it"),
    ],
)
def test_a_label_beside_its_image_is_refused_with_the_distance(tmp_path: Path, transform: Affine, miss: str) -> None:
    image = write_image(tmp_path / "a.tif", CLASSES)
    label = write_raster(tmp_path / "l.tif", CLASSES, transform=transform)
    with pytest.raises(DataError, match=f"does not overlap its image .*: {miss}\\. Check"):
        read(image, label)


# The next zone, metres that are stated as degrees, a system of a building site, and one around the centre of the earth.
@pytest.mark.parametrize("system", ["EPSG:32633", "EPSG:4326", 'LOCAL_CS["site",UNIT["metre",1]]', "EPSG:4978"])
def test_a_system_that_puts_the_label_elsewhere_is_refused(tmp_path: Path, system: str) -> None:
    image = write_image(tmp_path / "a.tif", CLASSES)
    label = write_raster(tmp_path / "l.tif", CLASSES, crs=system)
    with pytest.raises(DataError, match="does not overlap its image"):
        read(image, label)


@pytest.mark.parametrize("lacking", ["image", "label", "both"])
def test_without_two_places_the_pixels_are_compared_by_size(tmp_path: Path, lacking: str) -> None:
    places = {kind: None if lacking in (kind, "both") else PLACE for kind in ("image", "label")}
    image = write_image(tmp_path / "a.tif", CLASSES, transform=places["image"])
    check(image, write_raster(tmp_path / "l.tif", CLASSES, transform=places["label"]))
    smaller = write_raster(tmp_path / "s.tif", CLASSES[1:], transform=places["label"])
    why = "they must be of the same size" + ("" if lacking == "both" else f", because the {lacking} has no georef")
    with pytest.raises(DataError, match=f"120 x 95 px, its image .* is 120 x 96 px: {why}"):
        read(image, smaller)


@pytest.mark.parametrize("turn", [Affine(1, 0, 0, 0, -1, H), Affine(-1, 0, W, 0, 1, 0)])
@pytest.mark.parametrize("lacking", ["image", "label"])
def test_a_mirrored_raster_needs_a_partner_with_a_place(tmp_path: Path, turn: Affine, lacking: str) -> None:
    places = {kind: None if lacking == kind else PLACE @ turn for kind in ("image", "label")}
    image = write_image(tmp_path / "a.tif", CLASSES, transform=places["image"])
    label = write_raster(tmp_path / "l.tif", CLASSES, transform=places["label"])
    with pytest.raises(DataError, match=r"\.tif is stored mirrored .* no georeference .* gdalwarp"):
        read(image, label)
    # A part that was cut out of an image without a place has an offset and no system.
    offset = write_image(tmp_path / "b.tif", CLASSES, transform=Affine.translation(512, 1024), crs=None)
    check(offset, write_raster(tmp_path / "m.tif", CLASSES, transform=None))


def test_a_label_drawn_on_the_pixels_as_stored_is_refused_with_the_orientation(tmp_path: Path) -> None:
    stored = Image.fromarray(paint(CLASSES)).transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[274] = 6
    stored.save(tmp_path / "a.jpg", exif=exif, quality=100, subsampling=0)
    Image.fromarray(CLASSES).save(tmp_path / "l.png")
    check(tmp_path / "a.jpg", tmp_path / "l.png")
    Image.fromarray(np.rot90(CLASSES).copy()).save(tmp_path / "l.png")
    with pytest.raises(DataError, match=r"one is turned by a quarter .* the way up that their EXIF orientation says"):
        read(tmp_path / "a.jpg", tmp_path / "l.png")


@pytest.mark.parametrize(
    ("name", "world"),
    [("a.jpg", "a.jgw"), ("a.jpg", "a.wld"), ("a.png", "a.pgw"), ("a.bmp", "a.bpw"), ("a.tif", "a.tfw")],
)
@pytest.mark.parametrize("system", ["prj", "none"])
def test_world_files_place_an_image(tmp_path: Path, name: str, world: str, system: str) -> None:
    image = write_image(tmp_path / name, CLASSES, **({} if name != "a.tif" else {"crs": None, "transform": None}))
    write_world_file(tmp_path / world, PLACE)
    if system == "prj":
        (tmp_path / "a.prj").write_text(CRS.from_string(UTM).to_wkt(version="WKT1_ESRI"))
    part = write_raster(tmp_path / "l.tif", CLASSES[16:80, 24:96], transform=shifted(24, 16))
    check(image, part, covered=64 * 72 / (H * W))
    with Scene(image) as scene:
        assert (scene.info.transform, scene.info.gsd_m) == (tuple(PLACE)[:6], PIXEL_M if system == "prj" else None)


def test_a_world_file_places_a_label(tmp_path: Path) -> None:
    image = write_image(tmp_path / "a.tif", CLASSES)
    Image.fromarray(CLASSES[16:80, 24:96]).save(tmp_path / "l.png")
    write_world_file(tmp_path / "l.pgw", shifted(24, 16))
    check(image, tmp_path / "l.png", covered=64 * 72 / (H * W))


def _points(bend_px: float = 0.0) -> list[GroundControlPoint]:
    corners = [(0, 0), (0, W), (H, 0), (H, W), (H / 2, W / 2)]
    places = [PLACE @ (column, row) for row, column in corners[:4]] + [PLACE @ (W / 2 + bend_px, H / 2)]
    return [GroundControlPoint(row, column, *place) for (row, column), place in zip(corners, places, strict=True)]


def test_ground_control_points_place_an_image_if_an_affine_transform_fits_them(tmp_path: Path) -> None:
    part = write_raster(tmp_path / "l.tif", CLASSES[16:80, 24:96], transform=shifted(24, 16))
    straight = write_image(tmp_path / "a.tif", CLASSES, transform=None, gcps=_points())
    check(straight, part, covered=64 * 72 / (H * W))
    bent = write_image(tmp_path / "b.tif", CLASSES, transform=None, gcps=_points(bend_px=4))
    with pytest.raises(DataError, match=r"laid over each other: .*b\.tif has 5 ground control points .*gdalw"):
        read(bent, part)
    # Pixel by pixel it is as good as any other image.
    check(bent, write_raster(tmp_path / "p.tif", CLASSES, transform=None))


@pytest.mark.parametrize("pixel", [0.0, float("nan")])
def test_pixels_without_area_are_no_grid(tmp_path: Path, pixel: float) -> None:
    label = write_raster(tmp_path / "l.tif", CLASSES, transform=Affine(pixel, 0, 5e5, 0, pixel, 5e6))
    with pytest.raises(DataError, match=r"l\.tif has a georeference whose pixels have no area"):
        read(write_image(tmp_path / "a.tif", CLASSES), label)
    check(write_image(tmp_path / "b.tif", CLASSES, transform=None), label)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_polynomials_alone_are_no_place(tmp_path: Path) -> None:
    image = write_image(tmp_path / "a.tif", CLASSES, transform=None, crs=None)
    coefficients = " ".join(["0"] * 20)
    tags = {f"{part}_{kind}_COEFF": coefficients for part in ("LINE", "SAMP") for kind in ("NUM", "DEN")}
    tags |= {f"{name}_{kind}": "1" for name in ("LINE", "SAMP", "LAT", "LONG", "HEIGHT") for kind in ("OFF", "SCALE")}
    with rasterio.open(image, "r+") as file:
        file.update_tags(ns="RPC", **tags)
    check(image, write_raster(tmp_path / "p.tif", CLASSES, transform=None))
    with pytest.raises(DataError, match="is placed by rational polynomials"):
        read(image, write_raster(tmp_path / "l.tif", CLASSES))


def test_a_label_that_is_much_finer_is_read_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from rs_adapt.scenes import alignment

    monkeypatch.setattr(alignment, "_READ_PX", 500)
    pixels, transform, covered = SAME_SYSTEM["three times finer"]()
    label = write_raster(tmp_path / "l.tif", pixels, transform=transform)
    check(write_image(tmp_path / "a.tif", CLASSES), label, covered=covered)
