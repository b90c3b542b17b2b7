"""The layouts that people have: which files are images, and which label belongs to each."""

from __future__ import annotations

import os
import shutil
from pathlib import Path, PurePosixPath

import pytest
from own_benches import count_pixels, draw, paint, prepare, tiles_of, write_bench, write_scene
from PIL import Image

from rs_adapt.datasets.own.patterns import Pattern
from rs_adapt.errors import ConfigError, DataError, DataNotFound, RsAdaptError

LABELS = 'path = "lab"\nsuffix = ".png"'


def pair(folder: Path, image: str, label: str, seed: int) -> None:
    write_scene(folder / image, folder / label, draw(64, 64, seed))


def three(folder: Path, image: str, label: str) -> None:
    """Write three scenes; `{}` in the names is their number."""
    for number in (1, 2, 3):
        pair(folder, image.format(number), label.format(number), number)


def check(folder: Path, source: str, labels: str, num_scenes: int = 3) -> None:
    """Check that all labels are those of their images, and that no image is left out."""
    out, contents = prepare(write_bench(folder, source, labels))
    splits = contents.regions["source"].splits
    assert sum(part.scenes for part in splits.values()) == num_scenes
    for split, part in splits.items():
        assert part.classes is not None
        assert count_pixels(out, f"source/{split}") == (part.scenes * 64 * 64, 0)


@pytest.mark.parametrize(
    ("image", "label", "source", "labels"),
    [
        ("img/a{}.png", "lab/a{}.png", 'images = "img"', LABELS),
        ("img/A{}.PNG", "lab/A{}.PNG", 'images = "img"\npattern = "*.png"', LABELS),
        ("all/a{}.png", "all/a{}_mask.png", 'images = "all"', 'path = "all"\nsuffix = "_mask.png"'),
        ("all/a{}.tif", "all/a{}.png", 'images = "all"', 'path = "all"\nsuffix = ".png"'),
        (
            "all/{}_sat.png",
            "all/{}_mask.png",
            'images = "all"\npattern = "*_sat.png"',
            'path = "all"\nname = "*_mask.png"',
        ),
        ("all/sat_{}.png", "all/gt_{}.png", 'images = "all"\npattern = "sat_*"', 'path = "all"\nname = "gt_*.png"'),
        (
            "d/c{}/img/x.png",
            "d/c{}/lab/x.png",
            'images = "d"\npattern = "*/img/*.png"',
            'path = "d"\nname = "*/lab/*.png"',
        ),
        ("d/c{}/x.png", "lab/c{}/x.png", 'images = "d"\npattern = "**/*.png"', LABELS),
        ("d/c{}/x{}.png", "lab/x{}.png", 'images = "d"\npattern = "**/*.png"', 'path = "lab"\nname = "*.png"'),
        ("d/c{}/x.png", "d/c{}/x_mask.png", 'images = "d"\npattern = "**"', 'path = "d"\nsuffix = "_mask.png"'),
        ("img/a\u0308{}.png", "lab/\u00e4{}.png", 'images = "img"', LABELS),
        ("img/A{}.png", "lab/a{}.png", 'images = "img"', LABELS),
        ("img/a{}.v2.png", "lab/a{}.v2.png", 'images = "img"', LABELS),
    ],
)
def test_labels_find_their_images(tmp_path: Path, image: str, label: str, source: str, labels: str) -> None:
    for number in (1, 2, 3):
        pair(tmp_path, image.replace("{}", str(number)), label.replace("{}", str(number)), number)
    check(tmp_path, source, labels)


def test_one_file_is_a_region(tmp_path: Path) -> None:
    write_scene(tmp_path / "town.png", tmp_path / "truth.png", draw(64, 160))
    out, contents = prepare(write_bench(tmp_path, 'images = "town.png"', 'path = "truth.png"'))
    assert {split: part.scenes for split, part in contents.regions["source"].splits.items()} == {"train": 1, "val": 1}
    for split in ("train", "val"):
        right, wrong = count_pixels(out, f"source/{split}")
        assert (right > 0, wrong) == (True, 0)


@pytest.mark.parametrize(
    "text",
    [
        "img/a1.png,lab/b1.png\nimg/a2.png,lab/b2.png\nimg/a3.png,lab/b3.png\n",
        "\ufeffimage;label\r\nimg\\a1.png;lab\\b1.png\r\nimg\\a2.png;lab\\b2.png\r\nimg\\a3.png;lab\\b3.png\r\n",
        "# my scenes\nimg/a1.png lab/b1.png\n\nimg/a2.png\tlab/b2.png\n{folder}/img/a3.png, {folder}/lab/b3.png\n",
    ],
)
def test_a_list_names_images_and_labels(tmp_path: Path, text: str) -> None:
    three(tmp_path, "img/a{}.png", "lab/b{}.png")
    # Not in the list, so not read.
    pair(tmp_path, "img/a4.png", "lab/b9.png", 4)
    (tmp_path / "pairs.csv").write_text(text.replace("{folder}", str(tmp_path)), encoding="utf-8", newline="")
    check(tmp_path, 'files = "pairs.csv"', "ignore = [7]")


def test_a_list_of_images_leaves_labels_to_their_folder(tmp_path: Path) -> None:
    three(tmp_path, "img/a{}.png", "lab/a{}.png")
    (tmp_path / "train.txt").write_text("img/a1.png\nimg/a3.png\n")
    check(tmp_path, 'files = "train.txt"', LABELS, num_scenes=2)


def test_equal_names_in_different_folders_are_different_scenes(tmp_path: Path) -> None:
    for town in ("north", "south", "west"):
        pair(tmp_path, f"img/{town}/x.png", f"lab/{town}/x.png", len(town))
    source = 'images = "img"\npattern = "**/*.png"\nval = ["south/*"]'
    out, _ = prepare(write_bench(tmp_path, source, LABELS))
    assert {tile["scene"] for tile in tiles_of(out, "source/val")} == {"south/x.png"}
    assert {tile["scene"] for tile in tiles_of(out, "source/train")} == {"north/x.png", "west/x.png"}
    assert {tile["name"] for tile in tiles_of(out, "source/val")} == {
        f"south__x_{x}_{y}_{x + 32}_{y + 32}.png" for x in (0, 32) for y in (0, 32)
    }


def test_names_near_the_longest_that_files_may_have_are_shortened(tmp_path: Path) -> None:
    for town in ("north", "south"):
        for number in (1, 2):
            name = "\u00e4" * 120 + str(number)
            pair(tmp_path, f"img/{town}/{name}.png", f"lab/{town}/{name}.png", number + len(town) * (town == "south"))
    check(tmp_path, 'images = "img"\npattern = "**"\nval_share = 0.25', LABELS, num_scenes=4)


def test_wildcards_in_a_folder_are_sent_to_pattern(tmp_path: Path) -> None:
    three(tmp_path, "img/a{}.png", "lab/a{}.png")
    with pytest.raises(DataNotFound, match=r"img/\*\.png, which is neither .* A folder is named without wildcards"):
        prepare(write_bench(tmp_path, 'images = "img/*.png"', LABELS))


def test_val_takes_names_with_and_without_ending(tmp_path: Path) -> None:
    three(tmp_path, "img/a{}.png", "lab/a{}.png")
    _, contents = prepare(write_bench(tmp_path, 'images = "img"\nval = ["a2.png", "a3"]', LABELS))
    assert contents.regions["source"].splits["val"].scenes == 2


def test_a_byte_order_mark_is_no_part_of_the_file(tmp_path: Path) -> None:
    three(tmp_path, "img/a{}.png", "lab/a{}.png")
    file = write_bench(tmp_path, 'images = "img"', LABELS)
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert prepare(file)[1].regions["source"].splits["train"].scenes == 2


@pytest.mark.parametrize(
    "path", ['"img\\train"', '"C:\\new\\train"', '"C:\\Users\\me\\img"', '"\\\\server\\img"', "'img\\train'"]
)
def test_paths_of_windows_are_explained(tmp_path: Path, path: str) -> None:
    three(tmp_path, "img/a{}.png", "lab/a{}.png")
    with pytest.raises(RsAdaptError, match=r"Write the folders of a path with /, such as C:/data/images"):
        prepare(write_bench(tmp_path, f"images = {path}", LABELS))


def break_link(folder: Path) -> None:
    (folder / "img" / "a4.png").symlink_to(folder / "gone.png")


def make_folder(folder: Path) -> None:
    (folder / "img" / "a4.png").mkdir()


def lose_label(folder: Path) -> None:
    (folder / "lab" / "a2.png").unlink()


def link_label(folder: Path) -> None:
    lose_label(folder)
    (folder / "lab" / "a2.png").symlink_to(folder / "gone.png")


def lose_images(folder: Path) -> None:
    shutil.rmtree(folder / "img")
    pair(folder, "img/below/a1.png", "lab/a1.png", 1)


def add_twin(folder: Path) -> None:
    write_scene(folder / "img" / "a1.tif", None, draw(64, 64))


def add_masks(folder: Path) -> None:
    for number in (1, 2, 3):
        Image.fromarray(draw(64, 64)).save(folder / "img" / f"a{number}_mask.png")


def add_folder(folder: Path) -> None:
    shutil.copytree(folder / "lab", folder / "img" / "labels")


@pytest.mark.parametrize(
    ("change", "source", "labels", "message"),
    [
        (break_link, "", LABELS, r"a4\.png is a link to .*gone\.png, which does not exist"),
        (make_folder, "", LABELS, r"a4\.png is a folder and not an image"),
        (lose_label, "", LABELS, r"There is no label .*a2\.png: every image .* holds a1\.png, a3\.png: labels\.suffix"),
        (link_label, "", LABELS, r"lab/a2\.png is a link to .*gone\.png"),
        (lose_images, "", LABELS, r'holds no image \* .* 1 images lie in folders below it: pattern = "\*\*/\*"'),
        (add_twin, "", LABELS, r"holds 2 images named a1: their tiles would be mixed up"),
        (add_masks, "", LABELS, r"holds 3 files that look like labels .*, such as a1_mask\.png beside a1\.png"),
        (
            add_folder,
            'pattern = "**"',
            LABELS,
            r"holds 3 files that look like labels .*, such as labels/a1\.png beside a1\.png",
        ),
        (None, 'pattern = "*.tif"', LABELS, r"holds no image \*\.tif .* It holds a1\.png, a2\.png, a3\.png"),
        (None, "", 'path = "img"\nsuffix = ".png"', r"label of .*a1\.png would be the image itself"),
        (None, "", 'path = "lab/a1.png"', r"a1\.png would be the label of .*a1\.png and of .*a2\.png"),
        (None, 'pattern = "a*.png"', 'path = "lab"\nname = "*/*.png"', r"has 2 wildcards and pattern 'a\*\.png' has 1"),
        (None, "", 'path = "lab"\nname = "*.png"\nsuffix = ".png"', r"labels\.suffix and labels\.name both name"),
        (None, "", "ignore = [9]", r"labels\.path is missing"),
        (os.mkfifo, "", LABELS, r"a4\.png is no file that can be read"),
        (None, 'files = "list.txt"', LABELS, r"images and files both name the images"),
    ],
)
def test_refusals_say_what_to_do(tmp_path: Path, change, source: str, labels: str, message: str) -> None:
    three(tmp_path, "img/a{}.png", "lab/a{}.png")
    if change is not None:
        change(tmp_path / "img" / "a4.png" if change is os.mkfifo else tmp_path)
    with pytest.raises(RsAdaptError, match=message):
        prepare(write_bench(tmp_path, f'images = "img"\n{source}', labels))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("img/a1.png,lab/a1.png\nimg/a7.png,lab/a2.png\n", r"line 2: there is no image .*a7\.png. Paths are relative"),
        ("img/a1.png,lab/a1.png\nimg/a2.png,lab/a9.png\n", r"line 2: there is no label .*a9\.png"),
        ("img/a1.png,lab/a1.png,train\n", r"line 1: 3 columns; allowed are two"),
        ("img/a1.png,lab/a1.png\nimg/a2.png\n", r"There is no label|lists no label of .*a2\.png"),
        ("# nothing\n", "lists no image"),
        ("img/a1.png,lab/a1.png\nimg/a1.png,lab/a2.png\n", r"2 images named .*a1"),
        ("img/a1.png,lab/a1.png\nimg/a2.png,lab/a1.png\n", r"a1\.png would be the label of .*a1\.png and of .*a2\.png"),
    ],
)
def test_lists_with_faults_are_refused_by_line(tmp_path: Path, text: str, message: str) -> None:
    three(tmp_path, "img/a{}.png", "lab/a{}.png")
    (tmp_path / "pairs.csv").write_text(text)
    with pytest.raises((DataError, DataNotFound), match=message):
        prepare(write_bench(tmp_path, 'files = "pairs.csv"', "ignore = [7]"))


def test_files_that_may_not_be_read_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    three(tmp_path, "img/a{}.png", "lab/a{}.png")
    allowed = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: "a2" not in str(path) and allowed(path, mode))
    with pytest.raises(DataError, match=r"a2\.png may not be read: its permissions"):
        prepare(write_bench(tmp_path, 'images = "img"', LABELS))


def test_hidden_files_and_folders_are_no_images(tmp_path: Path) -> None:
    three(tmp_path, "img/a{}.png", "lab/a{}.png")
    (tmp_path / "img" / "._a1.png").write_bytes(b"forked")
    (tmp_path / "img" / ".cache").mkdir()
    Image.fromarray(paint(draw(64, 64))).save(tmp_path / "img" / ".cache" / "a9.png")
    check(tmp_path, 'images = "img"\npattern = "**/*.png"', LABELS)


def test_a_target_that_only_scores_needs_labels_to_hold_out(tmp_path: Path) -> None:
    three(tmp_path, "img/a{}.png", "lab/a{}.png")
    target = 'images = "tgt"\nval_share = 0\n[target.labels]\npath = "lab"\n[target.labels.classes]\nfield = [0]'
    with pytest.raises(ConfigError, match=r"target\.val_share is 0, so its labels score nothing"):
        prepare(write_bench(tmp_path, 'images = "img"', LABELS, target=target))


def test_wildcards_stand_for_the_same_text_in_label_names() -> None:
    pattern = Pattern("**/tile[123]_?_*.tif")
    path = PurePosixPath("a/b/tile2_x_7.TIF")
    assert pattern.match(path) == ["a/b/", "2", "x", "7"]
    assert pattern.fill("**/mask[123]_?_*.png", path) == "a/b/mask2_x_7.png"
    assert pattern.fill("mask_*.png", path) == "mask_7.png"
    assert pattern.match(PurePosixPath("a/tile4_x_7.tif")) is None
    assert Pattern("*").fill("*_mask.png", PurePosixPath("a.b.jpg")) == "a.b_mask.png"
