"""Labels and images that do not lie where one looks first are found, or named with what to write."""

from __future__ import annotations

from pathlib import Path

import pytest
from own_benches import count_pixels, draw, prepare, write_bench, write_scene

from rs_adapt.errors import DataNotFound


def test_images_of_a_format_that_is_not_read_are_left_out_with_a_line(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        write_scene(tmp_path / "img" / f"a{number}.png", tmp_path / "lab" / f"a{number}.png", draw(64, 64, number))
    for name in ("a4.gif", "a5.webp"):
        write_scene(tmp_path / "img" / name, None, draw(64, 64))
    (tmp_path / "img" / "a1.txt").write_text("no image")
    out, contents = prepare(write_bench(tmp_path, 'images = "img"', 'path = "lab"'))
    assert count_pixels(out, "source/train") == (2 * 64 * 64, 0)
    (note,) = contents.regions["source"].notes
    assert "holds images of a format that is not read and which are left out (2, such as a4.gif)" in note
    _, contents = prepare(write_bench(tmp_path, 'images = "img"\npattern = "*.png"', 'path = "lab"'))
    assert contents.regions["source"].notes == []


def test_labels_in_one_folder_of_images_in_several_are_read_by_name(tmp_path: Path) -> None:
    for number, town in enumerate(("x", "y", "z")):
        write_scene(
            tmp_path / "img" / town / f"a{number}.png", tmp_path / "lab" / f"a{number}.png", draw(64, 64, number)
        )
    source = 'images = "img"\npattern = "**/*.png"'
    with pytest.raises(DataNotFound, match=r'/lab holds a0\.png: if all labels lie in one folder, .* = "\*\.png"'):
        prepare(write_bench(tmp_path, source, 'path = "lab"'))
    out, _ = prepare(write_bench(tmp_path, source, 'path = "lab"\nname = "*.png"'))
    assert count_pixels(out, "source/train") == (2 * 64 * 64, 0)


def test_folders_below_home_may_be_written_with_a_tilde(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for number in (1, 2):
        place = tmp_path / "home"
        write_scene(place / "img" / f"a{number}.png", place / "lab" / f"a{number}.png", draw(64, 64, number))
    out, _ = prepare(write_bench(tmp_path, 'images = "~/img"', 'path = "~/lab"'))
    assert count_pixels(out, "source/train") == (64 * 64, 0)
