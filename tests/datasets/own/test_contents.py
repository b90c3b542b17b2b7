"""What is in the tiles and not in the files: counted by split and class, and where the other pixels went."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from own_benches import count_pixels, draw, paint, prepare, tiles_of, write_bench, write_scene
from PIL import Image

from rs_adapt.datasets.own.contents import ClassPixels, describe_contents, read_contents
from rs_adapt.errors import DataError
from rs_adapt.scenes import write_geotiff

LABELS = 'path = "lab"\nsuffix = ".tif"\nignore = [7]'
SOURCE = 'images = "img"\nval = ["a3"]'


def write(folder: Path, name: str, classes: Any, image: Any = None, **label: Any) -> None:
    """Write a scene; the image may differ from what the label says, 0 is its nodata."""
    for kind in ("img", "lab"):
        (folder / kind).mkdir(exist_ok=True)
    write_geotiff(folder / "img" / f"{name}.tif", paint(classes) if image is None else image, nodata=0)
    write_geotiff(folder / "lab" / f"{name}.tif", classes, **label)


def three(folder: Path, *, first: Any = None, **label: Any) -> None:
    for number in (1, 2, 3):
        classes = draw(64, 64, number) if first is None or number == 3 else first
        write(folder, f"a{number}", classes, **label)


@pytest.mark.parametrize("stride_px", [32, 24, 16, 11])
def test_each_pixel_of_a_scene_counts_once_also_where_tiles_overlap(tmp_path: Path, stride_px: int) -> None:
    for number, size in enumerate(((70, 90), (64, 64), (33, 100)), start=1):
        classes = draw(*size, seed=number)
        classes[:5, :7] = 7
        write(tmp_path, f"a{number}", classes)
    out, contents = prepare(write_bench(tmp_path, SOURCE, LABELS, head=f"stride_px = {stride_px}"))
    for split, numbers in (("train", (1, 2)), ("val", (3,))):
        classes = [np.asarray(_label(tmp_path, number)) for number in numbers]
        part = contents.regions["source"].splits[split]
        assert part.classes is not None
        for index, name in enumerate(("field", "roof")):
            assert part.classes[name] == ClassPixels(tiles=sum(int((one == index).sum()) for one in classes))
        assert part.ignored == 35 * len(numbers)
        assert (part.pixels, part.image_no_data, part.unlabelled) == (sum(one.size for one in classes), 0, 0)
        assert count_pixels(out, f"source/{split}")[1] == 0
    held = {"0": 0, "1": 0, "7": 0}
    for number in (1, 2, 3):
        for value in held:
            held[value] += int((_label(tmp_path, number) == int(value)).sum())
    assert contents.regions["source"].holds == held


def _label(folder: Path, number: int) -> Any:
    from rs_adapt.scenes import Scene

    with Scene(folder / "lab" / f"a{number}.tif") as scene:
        return scene.read_classes()[0]


def test_several_processes_give_the_same_tiles_and_numbers(tmp_path: Path) -> None:
    from rs_adapt.datasets.own import scenes

    three(tmp_path)
    write(tmp_path, "a4", draw(300, 520, 4))
    file = write_bench(tmp_path, 'images = "img"\nval = ["a3"]', LABELS)
    steps: list[tuple[str, int, int | None]] = []
    alone, contents = prepare(file, on_progress=lambda *step: steps.append(step))
    # The large scene is reported part by part.
    cut = [step for step in steps if step[0] == "cutting tiles"]
    assert len(cut) > len(list((tmp_path / "img").iterdir()))
    assert cut[-1][1] == cut[-1][2] == 3 * 4 + 10 * 17 + 4
    assert scenes.MANY_PX > 300 * 520
    alone.rename(tmp_path / "alone")
    several, again = prepare(file, jobs=2)
    assert again == contents
    files = sorted(path.relative_to(several) for path in several.rglob("*.*"))
    assert files == sorted(path.relative_to(tmp_path / "alone") for path in (tmp_path / "alone").rglob("*.*"))
    for path in files:
        assert (several / path).read_bytes() == (tmp_path / "alone" / path).read_bytes()


def test_a_class_that_no_label_holds_is_told_with_what_they_hold(tmp_path: Path) -> None:
    three(tmp_path, first=np.full((64, 64), 7, np.uint8))
    write(tmp_path, "a3", np.full((64, 64), 7, np.uint8))
    with pytest.raises(DataError, match=r"labels hold no pixel of field, roof.* They hold: 7 100\.0 %\."):
        prepare(write_bench(tmp_path, SOURCE, LABELS))


def spaced(count: int) -> str:
    """Return a count as messages print it."""
    return f"{count:,}".replace(",", " ")


def test_a_class_in_held_out_scenes_alone_is_not_learnt(tmp_path: Path) -> None:
    three(tmp_path, first=np.zeros((64, 64), np.uint8))
    held = int((_label(tmp_path, 3) == 1).sum())
    with pytest.raises(DataError, match="training tiles hold no pixel of roof, so it cannot be learnt") as error:
        prepare(write_bench(tmp_path, SOURCE, LABELS))
    assert f"Of roof, {spaced(held)} px are in held-out tiles. Hold out other scenes (val)." in str(error.value)


def test_a_class_under_image_nodata_alone_is_not_learnt(tmp_path: Path) -> None:
    classes = np.zeros((64, 64), np.uint8)
    classes[:, :10] = 1
    image = paint(classes)
    image[:, :10] = 0
    for name in ("a1", "a2", "a3"):
        write(tmp_path, name, classes, image)
    with pytest.raises(DataError, match=r"no pixel of roof.* Of roof, 1 920 px where the image has no data\. Check"):
        prepare(write_bench(tmp_path, SOURCE, LABELS))


def test_a_class_whose_value_is_the_labels_nodata_is_not_learnt(tmp_path: Path) -> None:
    three(tmp_path, nodata=0)
    hidden = sum(int((_label(tmp_path, number) == 0).sum()) for number in (1, 2, 3))
    with pytest.raises(DataError, match="no pixel of field") as error:
        prepare(write_bench(tmp_path, SOURCE, LABELS))
    assert f"Of field, {spaced(hidden)} px have the value that the labels' files declare" in str(error.value)
    assert "labels.nodata" in str(error.value)


def test_a_class_in_places_without_image_alone_is_not_learnt(tmp_path: Path) -> None:
    classes = np.zeros((64, 64), np.uint8)
    classes[:32, :32] = 1
    image = paint(classes)
    # 40 % of the upper left tile shows an image.
    image[:19, :32] = 0
    for name in ("a1", "a2", "a3"):
        write(tmp_path, name, classes, image)
    with pytest.raises(DataError, match=r"1 248 px where more than half of a tile has no image.*smaller tiles"):
        prepare(write_bench(tmp_path, SOURCE, LABELS))


def test_what_only_scoring_lacks_is_a_line(tmp_path: Path) -> None:
    three(tmp_path)
    write(tmp_path, "a3", np.zeros((64, 64), np.uint8))
    _, contents = prepare(write_bench(tmp_path, SOURCE, LABELS))
    lines = describe_contents(contents)
    assert "source val warning: no pixel of roof is in these tiles" in lines
    assert "source val: 4 tiles of 1 scene, 4 096 px labelled: field 100.0 %" in lines


def test_losses_are_told_by_class_and_reason(tmp_path: Path) -> None:
    three(tmp_path)
    classes = draw(64, 64, 5)
    image = paint(classes)
    image[:20] = 0
    image[32:, :31] = 0
    write(tmp_path, "a4", classes, image)
    _, contents = prepare(write_bench(tmp_path, SOURCE, LABELS))
    part = contents.regions["source"].splits["train"]
    assert part.classes is not None
    dropped = np.zeros((64, 64), bool)
    # Rows 0 to 19 of the upper tiles are without image, so is most of the lower left one.
    dropped[:32] = True
    dropped[32:, :32] = True
    valid = image.any(axis=-1)
    for index, name in enumerate(("field", "roof")):
        pixels = part.classes[name]
        mine = classes == index
        assert pixels.image_no_data == int((mine & ~valid).sum())
        assert pixels.dropped_tiles == int((mine & valid & dropped).sum())
        elsewhere = sum(int((_label(tmp_path, number) == index).sum()) for number in (1, 2))
        assert pixels.tiles == elsewhere + int((mine & valid & ~dropped).sum())
    assert (part.tiles, part.dropped_tiles) == (2 * 4 + 1, 3)
    assert "source train tiles left out: 3 more than half without image" in describe_contents(contents)


def test_training_tiles_without_a_labelled_pixel_are_left_out(tmp_path: Path) -> None:
    three(tmp_path)
    classes = draw(64, 64, 5)
    classes[:32] = 7
    write(tmp_path, "a4", classes)
    out, contents = prepare(write_bench(tmp_path, 'images = "img"\nval = ["a3"]', LABELS))
    part = contents.regions["source"].splits["train"]
    assert (part.tiles, part.unlabelled_tiles) == (10, 2)
    assert "source train tiles left out: 2 without any labelled pixel" in describe_contents(contents)
    for kind in ("img_dir", "ann_dir"):
        assert len(list((out / "source" / "train" / kind).iterdir())) == len(tiles_of(out, "source/train")) == 10
    # Scoring leaves nothing out.
    write(tmp_path, "a3", classes)
    assert prepare(tmp_path / "bench.toml")[1].regions["source"].splits["val"].tiles == 4


def test_a_scene_without_any_labelled_pixel_is_named(tmp_path: Path) -> None:
    three(tmp_path)
    write(tmp_path, "a4", np.full((64, 64), 7, np.uint8))
    _, contents = prepare(write_bench(tmp_path, SOURCE, LABELS))
    assert contents.regions["source"].notes == [
        "warning: no labelled pixel of a4 is in any tile: all of its label is ignored"
    ]


@pytest.mark.parametrize("label", ["ignored", "without data"])
def test_held_out_tiles_without_any_labelled_pixel_are_refused(tmp_path: Path, label: str) -> None:
    for number in (1, 2):
        write(tmp_path, f"a{number}", draw(64, 64, number))
    write(tmp_path, "a3", np.full((64, 64), 7, np.uint8), nodata=None if label == "ignored" else 7)
    none, ignored = ("0", "4 096") if label == "ignored" else ("4 096", "0")
    with pytest.raises(DataError, match=f"to score: {none} of their 4 096 px have no label, {ignored} are ignored"):
        prepare(write_bench(tmp_path, SOURCE, LABELS))
    # What is not held out is enough to train on.
    out, _ = prepare(write_bench(tmp_path, SOURCE.replace("a3", "a1"), LABELS))
    assert count_pixels(out, "source/val") == (4096, 0)
    assert count_pixels(out, "source/train") == (4096, 0)


@pytest.mark.parametrize("side_px", [9, 15, 20, 31])
def test_chips_below_half_a_tile_stay_and_are_padded(tmp_path: Path, side_px: int) -> None:
    for number in (1, 2, 3):
        write(tmp_path, f"a{number}", draw(side_px, side_px, number))
    out, contents = prepare(write_bench(tmp_path, SOURCE, LABELS))
    for split, count in (("train", 2), ("val", 1)):
        assert count_pixels(out, f"source/{split}") == (count * side_px**2, 0)
        for file in (out / "source" / split / "ann_dir").iterdir():
            label = np.array(Image.open(file))
            assert (label[side_px:] == 255).all()
            assert (label[:, side_px:] == 255).all()
    notes = contents.regions["source"].notes
    assert notes[0].startswith(f"all 3 images are smaller than a tile of 32 px (the largest side is {side_px} px)")


def test_masks_of_unlabelled_tiles_say_where_they_show_an_image(tmp_path: Path) -> None:
    three(tmp_path)
    classes = draw(40, 64, 8)
    image = paint(classes)
    image[:6] = 0
    (tmp_path / "tgt").mkdir()
    write_geotiff(tmp_path / "tgt" / "t.tif", image, nodata=0)
    write_scene(tmp_path / "tgt" / "u.png", None, draw(32, 32))
    write_scene(tmp_path / "tgt" / "v.png", None, draw(20, 10))
    out, _ = prepare(write_bench(tmp_path, SOURCE, LABELS))
    masks = {path.name: np.array(Image.open(path)) for path in (out / "target" / "train" / "valid_dir").iterdir()}
    assert {*masks} == {"t_0_0_32_32.png", "t_32_0_64_32.png", "v_0_0_10_20.png"}
    assert masks["t_0_0_32_32.png"].tolist() == [[0] * 32] * 6 + [[1] * 32] * 26
    assert masks["v_0_0_10_20.png"].sum() == masks["v_0_0_10_20.png"][:20, :10].sum() == 200
    assert not (out / "source" / "train" / "valid_dir").exists()


def test_a_damaged_record_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"contents\.json cannot be read: .*rs-adapt data clean"):
        read_contents(tmp_path)
    (tmp_path / "contents.json").write_text(json.dumps({"format": 2, "regions": {}}))
    with pytest.raises(DataError, match=r"contents\.json.*format"):
        read_contents(tmp_path)
