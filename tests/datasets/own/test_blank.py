"""Black and white borders that no file declares are reported, and have no label once the bench states them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from own_benches import count_pixels, draw, paint, prepare, write_bench

from rs_adapt.scenes import write_geotiff

LABELS = 'path = "lab"\nsuffix = ".tif"'


def write(folder: Path, *, value: int, columns: int, factor: int = 1) -> None:
    """Write three scenes, of which the second and third have a border of one value on the left."""
    for kind in ("img", "lab"):
        (folder / kind).mkdir(exist_ok=True)
    for number in (1, 2, 3):
        classes = draw(64, 64, number)
        image = paint(classes).astype(np.uint8 if factor == 1 else np.uint16) * factor
        if number > 1:
            image[:, : columns * (number - 1)] = value
        write_geotiff(folder / "img" / f"a{number}.tif", image)
        write_geotiff(folder / "lab" / f"a{number}.tif", classes)


@pytest.mark.parametrize(
    ("value", "factor", "keys", "colour"),
    [(0, 1, "", "black"), (255, 1, "", "white"), (0, 10, "stretch = [0, 2550]", "black")],
)
@pytest.mark.parametrize("stride_px", [32, 16])
def test_a_border_that_no_file_declares_is_reported(
    tmp_path: Path, value: int, factor: int, keys: str, colour: str, stride_px: int
) -> None:
    write(tmp_path, value=value, columns=8, factor=factor)
    source = f'images = "img"\nval = ["a1"]\n{keys}'
    file = write_bench(tmp_path, source, LABELS, head=f"stride_px = {stride_px}")
    out, contents = prepare(file)
    assert count_pixels(out, "source/train")[1] > 0
    assert contents.regions["source"].notes == [
        f"warning: 25.0 % of a3 is {colour} in all bands and counts as image (2 scenes have many such pixels): if it "
        "shows nothing there, state the value of pixels without data (nodata = ... in [source])"
    ]
    out, contents = prepare(write_bench(tmp_path, f"{source}\nnodata = {value}", LABELS))
    right, wrong = count_pixels(out, "source/train")
    assert (right, wrong) == (2 * 64 * 64 - (8 + 16) * 64, 0)
    assert contents.regions["source"].notes == []


def test_a_few_dark_pixels_are_no_border(tmp_path: Path) -> None:
    write(tmp_path, value=0, columns=1)
    _, contents = prepare(write_bench(tmp_path, 'images = "img"', LABELS))
    assert contents.regions["source"].notes == []
