"""Which file is which image: places, preferences, copies and what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from rs_adapt.datasets.originals import load_layout
from rs_adapt.datasets.originals.matching import Matcher, PartFiles
from rs_adapt.datasets.originals.sources import Original
from rs_adapt.errors import DataError


def found(name: str, *paths: str) -> dict[str, PartFiles]:
    layout = load_layout(name)
    matcher = Matcher(layout)
    originals = [Original(path=path, num_bytes=1, member=path, crc=7) for path in paths if matcher.wanted(path)]
    return {one.part.title: one for one in matcher.match(originals)}


def pairs(one: PartFiles) -> list[tuple[str, str, str]]:
    return [(pair.scene, pair.image.path, pair.label.path) for pair in one.pairs]


def test_merged_domains_of_loveda_are_taken_apart_by_id() -> None:
    parts = found(
        "loveda",
        *(
            f"img_dir/{split}/{scene}.png"
            for split, scene in (("train", 1365), ("train", 1366), ("val", 3513), ("val", 3514))
        ),
        *(
            f"ann_dir/{split}/{scene}.png"
            for split, scene in (("train", 1365), ("train", 1366), ("val", 3513), ("val", 3514))
        ),
    )
    assert {title: [pair.scene for pair in one.pairs] for title, one in parts.items()} == {
        "rural train": ["1365"],
        "urban train": ["1366"],
        "rural val": ["3513"],
        "urban val": ["3514"],
    }


def test_test_images_and_tiles_of_loveda_are_not_originals() -> None:
    assert not any(
        one.pairs
        for one in found(
            "loveda", "Test/Rural/images_png/4191.png", "loveda/rural/train/img_dir/0_0_0_512_512.png"
        ).values()
    )


def test_labels_with_borders_are_not_images_of_vaihingen() -> None:
    parts = found(
        "vaihingen",
        "V.zip/top/top_mosaic_09cm_area1.tif",
        "V.zip/gts_for_participants/top_mosaic_09cm_area1.tif",
        "V_ground_truth_COMPLETE.zip/top_mosaic_09cm_area1.tif",
        "V_ground_truth_eroded_COMPLETE.zip/top_mosaic_09cm_area1_noBoundary.tif",
        "flat/top_mosaic_09cm_area2.tif",
        "V_ground_truth_COMPLETE.zip/top_mosaic_09cm_area2.tif",
        "labels/top_mosaic_09cm_area2_noBoundary.tif",
        # Not part of the protocol.
        "V.zip/top/top_mosaic_09cm_area9.tif",
    )
    assert pairs(parts["train"]) == [
        (
            "1",
            "V.zip/top/top_mosaic_09cm_area1.tif",
            "V_ground_truth_eroded_COMPLETE.zip/top_mosaic_09cm_area1_noBoundary.tif",
        )
    ]
    assert pairs(parts["val"]) == [
        ("2", "flat/top_mosaic_09cm_area2.tif", "labels/top_mosaic_09cm_area2_noBoundary.tif")
    ]


def test_the_split_of_isaid_follows_from_the_folders() -> None:
    parts = found(
        "isaid",
        "train/images/part1.zip/images/P0001.png",
        "train/Semantic_masks/images.zip/images/P0001_instance_color_RGB.png",
        "iSAID/val/images/P0003.png",
        "iSAID/val/Semantic_masks/P0003_instance_color_RGB.png",
        "train/images/part1.zip/images/P0002.png",
    )
    assert [pair.scene for pair in parts["train"].pairs] == ["P0001"]
    assert [pair.scene for pair in parts["val"].pairs] == ["P0003"]
    assert parts["train"].missing() == "train: 1410 of 1411 (labels of P0002)"


def test_missing_scenes_are_counted_and_named() -> None:
    parts = found(
        "potsdam", "top_potsdam_2_10_RGB.tif", "top_potsdam_2_10_label_noBoundary.tif", "top_potsdam_2_13_RGB.tif"
    )
    text = parts["train"].missing()
    names = "2_11, 2_12, 3_10, 3_11, 3_12, 4_10, 4_11, 4_12 and 15 more"
    assert text == f"train: 23 of 24 (images and labels of {names})"
    assert parts["val"].missing() == "val: all 14"
    assert parts["val"].missing(done=["2_14"]).startswith("val: 13 of 14 (images of 3_13, 3_14")
    assert "; labels of 2_13, 3_13, " in parts["val"].missing(done=["2_14"])
    # Scenes that are cut already are not missing.
    scenes = parts["train"].part.scenes
    assert scenes is not None
    assert parts["train"].missing(done=scenes[1:]) == ""
    assert parts["train"].missing(done=scenes[2:]) == "train: 1 of 24 (images and labels of 2_11)"


def test_plain_files_come_before_archives_and_copies_are_fine(tmp_path: Path) -> None:
    layout = load_layout("potsdam")
    name = "top_potsdam_2_10_RGB.tif"
    files = [tmp_path / folder / name for folder in ("a", "b")]
    for file in files:
        file.parent.mkdir()
        file.write_bytes(b"same")
    label = Original(path="top_potsdam_2_10_label_noBoundary.tif", num_bytes=1, crc=1)
    plain = [Original(path=f"{file.parent.name}/{name}", num_bytes=4, disk=file) for file in files]
    packed = [Original(path=f"{zipped}.zip/{name}", num_bytes=4, crc=crc) for zipped, crc in (("y", 1), ("z", 2))]
    chosen = Matcher(layout).match([*packed, *plain, label])[0].pairs[0].image
    assert chosen.path == f"a/{name}"
    files[1].write_bytes(b"else")
    with pytest.raises(DataError, match=rf"Two different files .* the image of train 2_10: a/{name} and b/{name}"):
        Matcher(layout).match([*packed, *plain, label])
    with pytest.raises(DataError, match=r"y\.zip/.* and z\.zip/"):
        Matcher(layout).match([*packed, label])
