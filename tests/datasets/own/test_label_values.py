"""Class values and colours of labels, in every form that a raster holds them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from geodata import draw_classes, paint, write_image, write_raster
from numpy.typing import NDArray
from PIL import Image

from rs_adapt.datasets.own.translation import LabelReader
from rs_adapt.datasets.own.windows import IGNORE, LabelWindow
from rs_adapt.datasets.recipes import LabelSource
from rs_adapt.errors import DataError
from rs_adapt.scenes import Box, Scene

pytestmark = pytest.mark.filterwarnings("ignore:'mode' parameter:DeprecationWarning")
CLASSES = draw_classes()
COLLAR = np.zeros(CLASSES.shape, dtype=bool)
COLLAR[:20] = True
EXPECTED = np.where(COLLAR, IGNORE, CLASSES)


def source(codes: Any = (0, 1, 2), *, ignore: Any = (), kind: Any = "values", nodata: Any = None) -> LabelSource:
    to_index = tuple((code, index) for index, code in enumerate(codes))
    facts = {"path": "", "suffix": "", "column": None, "background": None}
    return LabelSource(**facts, kind=kind, to_index=to_index, ignore=ignore, nodata=nodata)  # type: ignore[arg-type]


def read(label: Path, labels: LabelSource) -> LabelWindow:
    image = write_image(label.parent / "image.tif", CLASSES)
    with Scene(image) as scene, LabelReader(labels, scene.info, label) as reader:
        return reader.read(scene.box)


@pytest.mark.parametrize(
    ("dtype", "codes"),
    [
        ("uint8", (0, 1, 2)),
        ("uint16", (111, 324, 65535)),
        ("int16", (-5, 0, 300)),
        ("int32", (10_111, 70_000, -2_000_000)),
        ("float32", (0, 1, 2)),
        ("float64", (1, 40_000, -7)),
        ("int8", (-1, 0, 1)),
        ("uint32", (0, 3_000_000_000, 7)),
    ],
)
def test_any_whole_numbers_are_class_values(tmp_path: Path, dtype: str, codes: tuple[int, ...]) -> None:
    stored = np.array(codes)[CLASSES].astype(dtype)
    window = read(write_raster(tmp_path / "l.tif", stored), source(codes))
    assert np.array_equal(window.classes_HW, CLASSES)
    assert not window.no_data_HW.any()
    assert window.contents == {str(code): np.count_nonzero(CLASSES == at) for at, code in enumerate(codes)}


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize("mode", ["L", "LA", "P", "1", "I;16", "two bits"])
def test_pngs_of_all_modes_are_class_values(tmp_path: Path, mode: str) -> None:
    path, classes, expected = tmp_path / "l.png", CLASSES, EXPECTED
    if mode == "LA":
        Image.fromarray(np.dstack([CLASSES, np.where(COLLAR, 0, 255).astype(np.uint8)]), "LA").save(path)
    elif mode == "P":
        image = Image.new("P", CLASSES.shape[::-1])
        image.putdata(CLASSES.ravel().tolist())
        image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
        image.save(path)
    elif mode == "1":
        classes = np.minimum(CLASSES, 1)
        Image.fromarray(classes.astype(bool)).save(path)
    elif mode == "I;16":
        Image.fromarray(CLASSES.astype(np.uint16)).save(path)
    elif mode == "two bits":
        write_raster(path, CLASSES, driver="PNG", nbits=2, crs=None, transform=None)
    else:
        Image.fromarray(CLASSES).save(path)
    window = read(path, source())
    assert np.array_equal(window.classes_HW, expected if mode == "LA" else classes)
    assert np.array_equal(window.no_data_HW, COLLAR if mode == "LA" else np.zeros_like(COLLAR))


@pytest.mark.parametrize("labels", [source(), source(((255, 0, 0), (0, 255, 0), (0, 0, 255)), kind="colours")])
def test_a_palette_that_is_see_through_has_data_unless_it_cannot_be_seen(tmp_path: Path, labels: LabelSource) -> None:
    image = Image.new("P", CLASSES.shape[::-1])
    image.putdata(CLASSES.ravel().tolist())
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    image.save(tmp_path / "l.png", transparency=bytes([128, 128, 0]))
    window = read(tmp_path / "l.png", labels)
    assert np.array_equal(window.no_data_HW, CLASSES == 2)
    assert np.array_equal(window.classes_HW, np.where(CLASSES == 2, IGNORE, CLASSES))


@pytest.mark.parametrize(
    ("dtype", "value", "declared"),
    [
        ("int16", -9999, True),
        ("float32", np.nan, True),
        ("float32", np.nan, False),
        ("float32", np.inf, False),
        ("uint8", 255, True),
    ],
)
def test_label_nodata_is_no_class(tmp_path: Path, dtype: str, value: float, declared: bool) -> None:
    stored = np.where(COLLAR, value, CLASSES.astype(float)).astype(dtype)
    window = read(write_raster(tmp_path / "l.tif", stored, nodata=value if declared else None), source())
    assert np.array_equal(window.classes_HW, EXPECTED)
    assert np.array_equal(window.no_data_HW, COLLAR)


@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_an_undeclared_value_is_refused_until_the_file_states_it(tmp_path: Path, dtype: str) -> None:
    label = write_raster(tmp_path / "l.tif", np.where(COLLAR, -9999, CLASSES.astype(float)).astype(dtype))
    with pytest.raises(DataError, match=r"belong to no class: -9999 \(2400 px\)\. .*stated as labels\.nodata"):
        read(label, source())
    for labels in (source(nodata=-9999), source(ignore=(-9999,))):
        window = read(label, labels)
        assert np.array_equal(window.classes_HW, EXPECTED)
        assert window.no_data_HW.any() == (labels.nodata is not None)


def test_a_class_under_the_labels_own_nodata_is_told(tmp_path: Path) -> None:
    label = write_raster(tmp_path / "l.tif", CLASSES, nodata=0)
    window = read(label, source())
    num_zeros = np.count_nonzero(CLASSES == 0)
    assert np.array_equal(window.no_data_HW, CLASSES == 0)
    assert (window.hidden, "0" in window.contents) == ({"0": num_zeros}, False)
    window = read(label, source(nodata="none"))
    assert np.array_equal(window.classes_HW, CLASSES)
    assert not window.hidden


def test_the_count_of_what_belongs_to_no_class_is_that_of_the_whole_file(tmp_path: Path) -> None:
    label = write_raster(tmp_path / "l.tif", CLASSES)
    image = write_image(tmp_path / "image.tif", CLASSES)
    with Scene(image) as scene, LabelReader(source((0, 1)), scene.info, label) as reader:
        y, x = map(int, np.argwhere(CLASSES == 2)[0])
        with pytest.raises(DataError, match=rf"no class: 2 \({np.count_nonzero(CLASSES == 2)} px\)"):
            reader.read(Box(x, y, x + 1, y + 1))


def test_what_is_no_single_band_of_whole_numbers_is_refused(tmp_path: Path) -> None:
    one_hot = np.stack([CLASSES == 0, CLASSES == 1]).astype(np.uint8)
    with pytest.raises(DataError, match=r"l\.tif has 2 bands of values: .* write one band with the number of the"):
        read(write_raster(tmp_path / "l.tif", one_hot), source())
    Image.fromarray(np.dstack([*one_hot]), "LA").save(tmp_path / "l.png")
    with pytest.raises(DataError, match=r"l\.png has 2 bands of values"):
        read(tmp_path / "l.png", source())
    with pytest.raises(DataError, match="colour image: class values need one band, .* If all of its 3 bands are equal"):
        read(write_raster(tmp_path / "c.tif", paint(CLASSES).transpose(2, 0, 1)), source())
    with pytest.raises(DataError, match=r"holds the label value 0\.5: class values are whole"):
        read(write_raster(tmp_path / "f.tif", (CLASSES / 2).astype(np.float32)), source())


def colours_of(classes_HW: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.array([(0x3C, 0x10, 0x98), (0, 0, 0), (255, 255, 1)], dtype=np.uint8)[classes_HW]


PAINTED = source(((0x3C, 0x10, 0x98), (0, 0, 0), (255, 255, 1)), kind="colours")


@pytest.mark.parametrize("form", ["png", "tif", "palette tif", "palette png", "16 bit", "alpha tif", "alpha png"])
def test_painted_labels_are_read_by_their_colours(tmp_path: Path, form: str) -> None:
    rgb = colours_of(CLASSES)
    alpha = np.where(COLLAR, 0, 255).astype(np.uint8)
    path = tmp_path / f"l.{form[-3:]}"
    if form == "png":
        Image.fromarray(rgb).save(path)
    elif form == "tif":
        write_raster(path, rgb.transpose(2, 0, 1))
    elif form == "palette tif":
        table = {value: tuple(map(int, colours_of(np.array(value)))) for value in range(3)}
        write_raster(path, CLASSES, colours=table)  # type: ignore[arg-type]
    elif form == "palette png":
        Image.fromarray(rgb).quantize(4).save(path)
    elif form == "16 bit":
        path = write_raster(tmp_path / "l.tif", rgb.transpose(2, 0, 1).astype(np.uint16) * 257)
    else:
        rgba = np.dstack([np.where(COLLAR[..., None], 77, rgb).astype(np.uint8), alpha])
        if form == "alpha tif":
            write_raster(path, rgba.transpose(2, 0, 1))
        else:
            Image.fromarray(rgba).save(path)
    window = read(path, PAINTED)
    masked = form.startswith("alpha")
    assert np.array_equal(window.classes_HW, EXPECTED if masked else CLASSES)
    assert window.contents["#3C1098"] == np.count_nonzero(window.classes_HW == 0)


def test_other_colours_are_refused_with_their_number(tmp_path: Path) -> None:
    rgb = colours_of(CLASSES)
    rgb[0, :3] = (1, 2, 3)
    Image.fromarray(rgb).save(tmp_path / "l.png")
    with pytest.raises(DataError, match=r"holds colours that belong to no class: #010203 \(3 px\)\. Name them"):
        read(tmp_path / "l.png", PAINTED)
    deep = write_raster(tmp_path / "d.tif", rgb.transpose(2, 0, 1).astype(np.uint16) * 250)
    with pytest.raises(DataError, match="colours are whole numbers, 0 to 255"):
        read(deep, PAINTED)


def test_colours_that_a_program_changed_are_explained(tmp_path: Path) -> None:
    rgb = colours_of(CLASSES)
    # OpenCV takes the first channel for blue.
    Image.fromarray(rgb[..., ::-1].copy()).save(tmp_path / "l.png")
    with pytest.raises(DataError, match=r"#01FFFF is #FFFF01 with red and blue exchanged"):
        read(tmp_path / "l.png", PAINTED)
    Image.fromarray(rgb).save(tmp_path / "l.jpg", quality=75)
    with pytest.raises(DataError, match=r"A jpg does not keep the values of pixels: export labels as png or GeoTIFF"):
        read(tmp_path / "l.jpg", PAINTED)
    Image.fromarray(rgb).resize((360, 288), Image.Resampling.BILINEAR).resize((120, 96), Image.Resampling.BICUBIC).save(
        tmp_path / "s.png"
    )
    with pytest.raises(DataError, match=r"Are edges smoothed\? Export or resize labels with nearest neighbour"):
        read(tmp_path / "s.png", PAINTED)
    # Squares of 8 px would survive.
    Image.fromarray(np.roll(CLASSES, 3, axis=1) * 100).save(tmp_path / "v.jpg", quality=50)
    values = source((0, 100, 200))
    with pytest.raises(DataError, match=r"stated as labels\.nodata\. A jpg does not keep the values of pixels"):
        read(tmp_path / "v.jpg", values)
