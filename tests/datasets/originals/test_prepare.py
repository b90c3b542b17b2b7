"""Preparing: the tiles, and what happens when it is done again, interrupted, damaged or incomplete."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rs_adapt.datasets.originals import Prepared, load_layout, prepare_originals
from rs_adapt.datasets.originals import prepare as module
from rs_adapt.errors import ConfigError, DataError, DataNotFound

ALL = {
    name: [scene for part in load_layout(name).parts for scene in part.scenes or ()]
    for name in ("potsdam", "vaihingen")
}

FEW = [*ALL["potsdam"][:6], *ALL["potsdam"][-2:]]


def prepare(name: str, source: Path, root: Path, **changes: object) -> Prepared:
    return prepare_originals(name, source, root, **{"tile_px": 16, "jobs": 1, **changes})  # type: ignore[arg-type]


def tree(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def read(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


@pytest.mark.parametrize("name", ["potsdam", "potsdam_irrg", "vaihingen"])
def test_every_scene_gets_into_its_split(write_originals, tmp_path: Path, name: str) -> None:
    stem = "vaihingen" if name == "vaihingen" else "potsdam"
    written = write_originals(name, tmp_path / "s", ALL[stem])
    done = prepare(name, tmp_path / "s", tmp_path / "data")
    layout = load_layout(name)
    assert {part.title: len(done.of(part)) for part in layout.parts} == {
        part.title: len(part.scenes or ()) for part in layout.parts
    }
    assert not done.plan.missing()
    for part in layout.parts:
        images, labels = (tmp_path / "data" / name / folder for folder in layout.folders(part))
        # 40 x 24 px in tiles of 16: three columns and two rows.
        assert len([*images.iterdir()]) == len([*labels.iterdir()]) == 6 * part.num_scenes
        scene = (part.scenes or ())[-1]
        tile = f"{'area' if name == 'vaihingen' else ''}{scene}_24_8_40_24.png"
        image, label = written[scene]
        assert np.array_equal(read(images / tile), image[8:24, 24:40])
        assert np.array_equal(read(labels / tile), label[8:24, 24:40])


def test_loveda_keeps_the_domain(write_originals, tmp_path: Path) -> None:
    ids = ["0", "1365", "1366", "2521", "2522", "3513", "3514", "4190"]
    written = write_originals("loveda", tmp_path / "s", ids, size_px=(32, 32))
    # One folder for both domains, as some converters leave it.
    merged = tmp_path / "m"
    for split in ("Train", "Val"):
        for kind, folder in (("images_png", "img_dir"), ("masks_png", "ann_dir")):
            (merged / folder / split.lower()).mkdir(parents=True)
            for file in (tmp_path / "s" / split).glob(f"*/{kind}/*.png"):
                shutil.copy(file, merged / folder / split.lower())
    prepare("loveda", tmp_path / "s", tmp_path / "data", partial=True)
    prepare("loveda", merged, tmp_path / "again", partial=True)
    assert tree(tmp_path / "data" / "loveda") == tree(tmp_path / "again" / "loveda")
    folder = tmp_path / "data" / "loveda"
    names = {
        f"{region}/{split}": sorted(
            {path.name.split("_")[0] for path in (folder / region / split / "img_dir").iterdir()}
        )
        for region in ("rural", "urban")
        for split in ("train", "val")
    }
    assert names == {
        "rural/train": ["0", "1365"],
        "urban/train": ["1366", "2521"],
        "rural/val": ["2522", "3513"],
        "urban/val": ["3514", "4190"],
    }
    assert np.array_equal(
        read(folder / "urban" / "val" / "ann_dir" / "4190_16_0_32_16.png"), written["4190"][1][:16, 16:]
    )


def test_isaid_is_padded_with_its_ignore_value(write_originals, tmp_path: Path) -> None:
    _, label = write_originals("isaid", tmp_path / "s", ["P0007"], size_px=(24, 12))["P0007"]
    prepare("isaid", tmp_path / "s", tmp_path / "data", partial=True, stride_px=8)
    folder = tmp_path / "data" / "isaid"
    values = read(folder / "ann_dir" / "train" / "P0007_0_16_8_24_instance_color_RGB.png")
    assert sorted(path.name for path in (folder / "img_dir" / "train").iterdir()) == [
        "P0007_0_16_0_16.png",
        "P0007_0_16_8_24.png",
    ]
    assert np.array_equal(values[:12], label[:, 8:])
    assert (values[12:] == 255).all()


def test_a_finished_folder_is_verified_and_only_damaged_tiles_are_replaced(write_originals, tmp_path: Path) -> None:
    write_originals("potsdam", tmp_path / "s", FEW)
    first = prepare("potsdam", tmp_path / "s", tmp_path / "data", partial=True)
    before = tree(tmp_path / "data" / "potsdam")
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "data" / "potsdam").rglob("*.png")}
    again = prepare("potsdam", tmp_path / "s", tmp_path / "data", partial=True)
    assert (first.num_cut, first.num_kept, again.num_cut, again.num_kept) == (8, 0, 0, 8)
    assert {path: path.stat().st_mtime_ns for path in times} == times
    damaged = tmp_path / "data" / "potsdam" / "ann_dir" / "val" / "7_13_0_0_16_16.png"
    damaged.write_bytes(b"")
    (tmp_path / "data" / "potsdam" / "img_dir" / "train" / "2_10_0_0_16_16.png").unlink()
    mended = prepare("potsdam", tmp_path / "s", tmp_path / "data", partial=True)
    assert (mended.num_cut, mended.num_kept) == (2, 6)
    assert tree(tmp_path / "data" / "potsdam") == before
    # Without its originals a damaged scene cannot be mended, and nothing is touched.
    damaged.write_bytes(b"")
    for file in (tmp_path / "s").glob("*7_13*"):
        file.unlink()
    with pytest.raises(DataError, match=r"1 scene\(s\) .* are damaged, first 7_13, and their originals are not in"):
        prepare("potsdam", tmp_path / "s", tmp_path / "data", partial=True)
    assert damaged.is_file()


def test_an_interrupted_run_continues(write_originals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_originals("potsdam", tmp_path / "s", FEW)
    prepare("potsdam", tmp_path / "s", tmp_path / "whole", partial=True)
    real = module.cut_scenes

    def stopping(*arguments: Any, **options: Any) -> Iterator[Any]:
        for number, record in enumerate(real(*arguments, **options)):
            if number == 5:
                raise KeyboardInterrupt
            yield record

    monkeypatch.setattr(module, "cut_scenes", stopping)
    with pytest.raises(KeyboardInterrupt):
        prepare("potsdam", tmp_path / "s", tmp_path / "data", partial=True)
    monkeypatch.undo()
    building = tmp_path / "data" / ".potsdam.preparing"
    assert not (tmp_path / "data" / "potsdam").exists()
    # A line that was cut off is a scene that was not done.
    with (building / "journal.jsonl").open("a") as journal:
        journal.write('{"region": null, "spl')
    (building / "img_dir" / "train" / "2_10_0_0_16_16.png").write_bytes(b"half")
    done = prepare("potsdam", tmp_path / "s", tmp_path / "data", partial=True)
    assert (done.num_kept, done.num_cut) == (4, 4)
    assert tree(tmp_path / "data" / "potsdam") == tree(tmp_path / "whole" / "potsdam")
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == [".potsdam.lock", "potsdam"]


def test_killed_between_marker_and_name_nothing_is_cut_again(write_originals, tmp_path: Path) -> None:
    write_originals("vaihingen", tmp_path / "s", ["1", "2", "3"])
    prepare("vaihingen", tmp_path / "s", tmp_path / "data", partial=True)
    (tmp_path / "data" / "vaihingen").rename(tmp_path / "data" / ".vaihingen.preparing")
    done = prepare("vaihingen", tmp_path / "s", tmp_path / "data", partial=True)
    assert (done.num_kept, done.num_cut) == (3, 0)
    assert (tmp_path / "data" / "vaihingen" / "prepared.json").is_file()


def test_missing_scenes_are_reported_before_anything_is_written(write_originals, tmp_path: Path) -> None:
    write_originals("potsdam", tmp_path / "s", ALL["potsdam"][:3])
    seen = []
    with pytest.raises(
        DataNotFound, match=r"train: 21 of 24 \(images and labels of 3_10, .*val: all 14\..*with --partial"
    ):
        prepare("potsdam", tmp_path / "s", tmp_path / "data", on_plan=seen.append)
    assert [len(one.pairs) for one in seen[0].found] == [3, 0]
    assert not (tmp_path / "data").exists()
    with pytest.raises(DataNotFound, match=r"holds no image of vaihingen with a label; looked for were top/top_mosaic"):
        prepare("vaihingen", tmp_path / "s", tmp_path / "data", partial=True)
    assert not (tmp_path / "data").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s"]


def test_partial_tiles_are_completed(write_originals, tmp_path: Path) -> None:
    write_originals("potsdam", tmp_path / "s1", ALL["potsdam"][:30])
    write_originals("potsdam", tmp_path / "s2", ALL["potsdam"][30:])
    first = prepare("potsdam", tmp_path / "s1", tmp_path / "data", partial=True)
    assert (first.num_cut, len(first.plan.missing())) == (30, 1)
    assert json.loads((tmp_path / "data" / "potsdam" / "prepared.json").read_text())["missing"] == first.plan.missing()
    # Scenes that are cut need not be in the source any more.
    second = prepare("potsdam", tmp_path / "s2", tmp_path / "data")
    assert (second.num_cut, second.num_kept, second.plan.missing()) == (8, 30, [])
    assert json.loads((tmp_path / "data" / "potsdam" / "prepared.json").read_text())["missing"] == []


def test_different_originals_are_cut_again(write_originals, tmp_path: Path) -> None:
    write_originals("vaihingen", tmp_path / "s", ["1", "2", "3"])
    prepare("vaihingen", tmp_path / "s", tmp_path / "data", partial=True)
    write_originals("vaihingen", tmp_path / "s", ["1"], size_px=(48, 32))
    done = prepare("vaihingen", tmp_path / "s", tmp_path / "data", partial=True)
    assert (done.num_cut, done.num_kept) == (1, 2)


def test_folders_of_others_and_other_grids_are_refused(write_originals, tmp_path: Path) -> None:
    write_originals("vaihingen", tmp_path / "s", ["1", "2", "3"])
    theirs = tmp_path / "data" / "vaihingen" / "img_dir"
    theirs.mkdir(parents=True)
    (theirs / "x.png").touch()
    with pytest.raises(ConfigError, match=r"vaihingen is not empty and was not made by `rs-adapt data prepare`"):
        prepare("vaihingen", tmp_path / "s", tmp_path / "data", partial=True)
    shutil.rmtree(tmp_path / "data" / "vaihingen")
    prepare("vaihingen", tmp_path / "s", tmp_path / "data", partial=True)
    with pytest.raises(ConfigError, match=r"cut differently \(tile_px 16 instead of 8, stride_px 16 instead of 8\)"):
        prepare("vaihingen", tmp_path / "s", tmp_path / "data", partial=True, tile_px=8)
    with pytest.raises(ConfigError, match=r"tiles of 8 px with a stride of 9 px"):
        prepare("vaihingen", tmp_path / "s", tmp_path / "data", partial=True, tile_px=8, stride_px=9)


def test_wrong_numbers_of_tiles_are_reported_for_the_published_grid(write_originals, tmp_path: Path) -> None:
    write_originals("vaihingen", tmp_path / "s", ALL["vaihingen"])
    done = prepare("vaihingen", tmp_path / "s", tmp_path / "data", tile_px=None)
    assert done.wrong_counts() == ["train: 16 tiles, published are 344", "val: 17 tiles, published are 398"]


def test_colours_off_the_legend_stay_in_the_record(write_originals, tmp_path: Path) -> None:
    from rs_adapt.scenes import write_geotiff

    write_originals("potsdam", tmp_path / "s", ["2_10"])
    colours = np.full((24, 40, 3), 255, np.uint8)
    colours[:2, :3] = (252, 255, 0)
    write_geotiff(tmp_path / "s" / "top_potsdam_2_10_label_noBoundary.tif", colours)
    (record,) = prepare("potsdam", tmp_path / "s", tmp_path / "data", partial=True).records
    assert record.off_legend == {"252,255,0": 6}
    (again,) = prepare("potsdam", tmp_path / "s", tmp_path / "data", partial=True).records
    assert again == record


def test_a_damaged_original_is_named_and_finished_tiles_remain(write_originals, tmp_path: Path) -> None:
    write_originals("potsdam", tmp_path / "s", FEW)
    file = tmp_path / "s" / "top_potsdam_2_12_RGB.tif"
    good = file.read_bytes()
    file.write_bytes(good[:200])
    with pytest.raises(DataError, match=r"top_potsdam_2_12_RGB\.tif"):
        prepare("potsdam", tmp_path / "s", tmp_path / "data", partial=True)
    file.write_bytes(good)
    done = prepare("potsdam", tmp_path / "s", tmp_path / "data", partial=True)
    assert (done.num_kept, done.num_cut) == (2, 6)
