"""Layouts: the parts and patterns of the manifests, and names."""

from __future__ import annotations

import pytest

from rs_adapt.config import axes
from rs_adapt.datasets.originals import layout_names, load_layout
from rs_adapt.datasets.originals.layout import path_pattern
from rs_adapt.errors import UnknownName


def test_all_families_and_variants_can_be_prepared() -> None:
    cut = ["isaid", "loveda", "loveda_1024", "potsdam", "potsdam_irrg", "potsdam_rgbir", "vaihingen"]
    assert layout_names() == sorted([*cut, "dlrsd", "uavid", "udd5", "vdd"])


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        (
            "loveda",
            {
                "rural train": (1366, 5464),
                "rural val": (992, 3968),
                "urban train": (1156, 4624),
                "urban val": (677, 2708),
            },
        ),
        (
            "loveda-1024",
            {
                "rural train": (1366, 1366),
                "rural val": (992, 992),
                "urban train": (1156, 1156),
                "urban val": (677, 677),
            },
        ),
        ("potsdam", {"train": (24, 3456), "val": (14, 2016)}),
        ("vaihingen", {"train": (16, 344), "val": (17, 398)}),
        ("isaid", {"train": (1411, 33978), "val": (458, 11644)}),
        ("dlrsd", {"train": (1680, 1680), "val": (420, 420)}),
        ("vdd", {"train": (280, 280), "val": (80, 80), "test": (40, 40)}),
    ],
)
def test_parts_have_the_published_numbers(name: str, wanted: dict[str, tuple[int, int]]) -> None:
    assert {part.title: (part.num_scenes, part.num_tiles) for part in load_layout(name).parts} == wanted


def test_region_and_split_follow_from_the_ids_of_loveda() -> None:
    ends = {part.title: (part.scenes[0], part.scenes[-1]) for part in load_layout("loveda").parts if part.scenes}
    assert ends == {
        "rural train": ("0", "1365"),
        "urban train": ("1366", "2521"),
        "rural val": ("2522", "3513"),
        "urban val": ("3514", "4190"),
    }


def test_variants_differ_in_images_and_bands_alone() -> None:
    plain, irrg, rgbir = (load_layout(name) for name in ("potsdam", "potsdam-irrg", "potsdam_rgbir"))
    assert irrg.bands == ("near infrared", "red", "green")
    assert rgbir.bands == ("red", "green", "blue", "near infrared")
    assert irrg.image_files == ("top_potsdam_{scene}_IRRG.tif",)
    assert plain.label_files == irrg.label_files == rgbir.label_files
    assert plain.parts == irrg.parts == rgbir.parts
    assert (irrg.suffixes(), rgbir.suffixes()) == ((".png", ".png"), (".tif", ".png"))


def test_folders_are_those_that_the_benches_read() -> None:
    made = {
        tuple(f"{layout.name}/{folder}" for folder in layout.folders(part)): layout
        for layout in map(load_layout, layout_names())
        for part in layout.parts
    }
    prepared = [
        facts
        for name in axes.values_of_task("bench", "segmentation")
        if not (facts := axes.load("bench", name)["bench"])["prepare"]
    ]
    seen = set()
    for facts in prepared:
        for split in ("train", "val"):
            for side in (facts["source"], facts["target"]):
                owner = side[split]["img_dir"].partition("/")[0]
                if owner not in layout_names():
                    continue
                seen.add(owner)
                layout = made[side[split]["img_dir"], side[split]["ann_dir"]]
                assert layout.suffixes() == (facts["img_suffix"], side.get("ann_suffix", facts["ann_suffix"]))
                # iSAID, and whole images, are trained at other scales than that of their tiles.
                of_own_size = layout.tile_px is None or "classes" in side
                assert layout.tile_px == facts["tile_px"] or owner == "isaid" or of_own_size
    # What no bench reads yet.
    assert {*layout_names()} - seen == {"potsdam_rgbir"}


@pytest.mark.parametrize(
    ("name", "pattern", "path", "fields"),
    [
        ("loveda", 0, "x/Train/Rural/images_png/12.png", {"split": "Train", "region": "Rural", "scene": "12"}),
        ("loveda", 2, "loveDA/img_dir/val/3000.png", {"split": "val", "scene": "3000"}),
        ("loveda", 1, "__MACOSX/xmasks_png/images_pngs/1.png", None),
        ("potsdam", 0, "2_Ortho_RGB.zip/2_Ortho_RGB/top_potsdam_2_10_RGB.tif", {"scene": "2_10"}),
        ("potsdam", 0, "a/old_top_potsdam_2_10_RGB.tif", None),
        ("isaid", 0, "train/images/part1.zip/images/P0001.png", {"split": "train", "scene": "P0001"}),
        ("isaid", 0, "train/images/P0001.png", {"split": "train", "scene": "P0001"}),
        ("isaid", 0, "train/Semantic_masks/images.zip/images/P0001_instance_color_RGB.png", None),
        ("isaid", 0, "test/images/P0001.png", None),
    ],
)
def test_patterns_read_the_end_of_a_path(name: str, pattern: int, path: str, fields: dict[str, str] | None) -> None:
    layout = load_layout(name)
    hit = path_pattern(layout.image_files[pattern], layout).search(path)
    assert (hit.groupdict() if hit else None) == fields


def test_unknown_names_are_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match=r"no data set 'potsdm' to prepare\. Did you mean potsdam"):
        load_layout("potsdm")
    with pytest.raises(
        UnknownName,
        match=r"The tiles of dubai are not made by this command\. .*Put the 72 images .* To prepare: dlrsd, isaid, ",
    ):
        load_layout("dubai")
