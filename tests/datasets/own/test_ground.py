"""Regions and splits of a bench that show the same ground, or at pixels of other sizes, are reported."""

from __future__ import annotations

from pathlib import Path

import pytest
from own_benches import draw, prepare, write_bench, write_scene

from rs_adapt.datasets.own.contents import describe_contents

LABELS = 'path = "lab"\nsuffix = ".tif"'
SOURCE = 'images = "img"\nval = ["b"]'


def place(column_px: int, *, pixel_m: float = 2.0) -> dict[str, object]:
    """Return the georeference of a scene that begins so many pixels of 2 m east of the first one."""
    return {"crs": "EPSG:32632", "transform": (pixel_m, 0.0, 500_000.0 + 2 * column_px, 0.0, -pixel_m, 5_000_000.0)}


def bench(folder: Path, *, val_px: int = 96, target_px: int = 500, target_pixel_m: float = 2.0) -> Path:
    for number, (name, column_px) in enumerate((("a", 0), ("b", val_px))):
        label = folder / "lab" / f"{name}.tif"
        write_scene(folder / "img" / f"{name}.tif", label, draw(64, 96, number), **place(column_px))
    write_scene(folder / "tgt" / "t.tif", None, draw(64, 64, 7), **place(target_px, pixel_m=target_pixel_m))
    return write_bench(folder, SOURCE, LABELS)


def warnings(file: Path) -> list[str]:
    _, contents = prepare(file)
    assert contents.notes == describe_contents(contents)[len(describe_contents(contents)) - len(contents.notes) :]
    return contents.notes


def test_scenes_that_lie_apart_give_no_warning(tmp_path: Path) -> None:
    assert warnings(bench(tmp_path)) == []


def test_held_out_ground_that_is_trained_on(tmp_path: Path) -> None:
    # The upper right third of `a` is the left third of `b`.
    (line,) = warnings(bench(tmp_path, val_px=64))
    assert line == (
        "warning: 2 of 6 tiles of source val show ground that source train shows too, such as b_0_0_32_32.png: its "
        "scores are too high"
    )


def test_a_target_on_the_ground_of_the_source(tmp_path: Path) -> None:
    (line,) = warnings(bench(tmp_path, target_px=16))
    assert line.startswith("warning: 4 of 4 tiles of target train show ground that source train shows too, such as t_")


def test_the_same_images_in_both_regions(tmp_path: Path) -> None:
    for name in "ab":
        write_scene(tmp_path / "img" / f"{name}.png", tmp_path / "lab" / f"{name}.tif", draw(64, 96, ord(name)))
    file = write_bench(tmp_path, SOURCE, LABELS, target='images = "img"')
    assert warnings(file) == [
        "warning: 2 of 2 images of the target are images of the source too, such as a.png: the source's labels show "
        "what is to be adapted to"
    ]


@pytest.mark.parametrize(
    ("pixel_m", "text"),
    [
        (20.0, "10.0 times larger than one of the source (20 m and 2 m)"),
        (0.5, "4.0 times smaller than one of the source (0.5 m and 2 m)"),
        (4.0, None),
        (1.0, None),
    ],
)
def test_pixels_of_another_size(tmp_path: Path, pixel_m: float, text: str | None) -> None:
    lines = warnings(bench(tmp_path, target_pixel_m=pixel_m))
    assert len(lines) == (text is not None)
    assert text is None or text in lines[0]


def test_pixel_sizes_that_the_file_states_count_where_images_state_none(tmp_path: Path) -> None:
    for name in "ab":
        write_scene(tmp_path / "img" / f"{name}.png", tmp_path / "lab" / f"{name}.tif", draw(64, 96, ord(name)))
    file = write_bench(tmp_path, f"{SOURCE}\ngsd_m = 0.1", LABELS, target='images = "tgt"\ngsd_m = 1.0')
    (line,) = warnings(file)
    assert "a pixel of the target is 10.0 times larger than one of the source (1 m and 0.1 m)" in line
