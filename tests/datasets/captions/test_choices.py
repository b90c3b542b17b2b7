"""Benchmarks of composition in the forms in which they are released."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from rs_adapt.datasets.captions.choices import BENCHMARKS, read_choices
from rs_adapt.datasets.captions.order import perturbations
from rs_adapt.datasets.captions.parsing import normalized
from rs_adapt.errors import ConfigError, DataError, DataNotFound, RsAdaptError


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    for name in ("1.jpg", "coco/2.jpg"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 6), "green").save(folder / name)
    return folder


def write(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def test_sugarcrepe(tmp_path: Path, images: Path) -> None:
    entry = {"filename": "1.jpg", "caption": "A cat on a mat.", "negative_caption": "A mat on a cat."}
    write(tmp_path / "crepe" / "swap_obj.json", {"0": entry, "7": entry | {"negative_caption": "a cat on a mat ."}})
    write(tmp_path / "crepe" / "add_att.json", {"0": entry})
    choices = read_choices("sugarcrepe", tmp_path / "crepe", images)
    assert [(item.kind, item.key) for item in choices.items] == [("add_att", "0"), ("swap_obj", "0")]
    assert choices.items[0].texts == ("A cat on a mat.", "A mat on a cat.")
    # Its texts are equal for CLIP, which reads no capitals.
    assert choices.left_out == 1


def test_aro(tmp_path: Path, images: Path) -> None:
    box = {"image_path": "1.jpg", "bbox_x": -1, "bbox_y": 2.4, "bbox_w": 3, "bbox_h": 4}
    texts = {"true_caption": "the cat is on the mat", "false_caption": "the mat is on the cat"}
    relation = write(tmp_path / "aro" / "visual_genome_relation.json", [box | texts | {"relation_name": "on"}])
    (item,) = read_choices("aro", relation, images).items
    assert (item.kind, item.image.box, item.texts[1]) == ("on", (0, 2, 3, 4), "the mat is on the cat")
    attribution = write(
        tmp_path / "aro" / "visual_genome_attribution.json", [box | texts | {"attributes": ["red", "old"]}]
    )
    assert read_choices("aro", attribution, images).items[0].kind == "red and old"
    kinds = [item.kind for item in read_choices("aro", tmp_path / "aro", images).items]
    assert kinds == ["visual_genome_attribution/red and old", "visual_genome_relation/on"]


def test_valse_counts_only_foils_that_annotators_confirmed(tmp_path: Path, images: Path) -> None:
    entry = {"image_file": "2.jpg", "dataset": "coco", "caption": "There are cats.", "foil": "There are no cats."}
    votes = [{"caption": count, "foil": 3 - count, "other": 0} for count in (3, 2, 1)]
    path = write(tmp_path / "existence.json", {f"e_{i}": entry | {"mturk": v} for i, v in enumerate(votes)})
    choices = read_choices("valse", path, images)
    assert [item.key for item in choices.items] == ["e_0", "e_1"]
    assert choices.left_out == 1
    assert choices.items[0].image.path == images / "coco" / "2.jpg"


def test_order_has_reorderings_of_every_caption(tmp_path: Path, images: Path) -> None:
    caption = "a red car stands left of an old bridge over a wide river"
    path = write(tmp_path / "coco.json", [{"image": "1.jpg", "caption": [caption, "cat"]}])
    choices = read_choices("order", path, images)
    (item,) = choices.items
    assert choices.left_out == 1
    assert len(item.texts) == 5
    assert item.texts == read_choices("order", path, images).items[0].texts
    words = sorted(normalized(caption).split())
    assert all(sorted(normalized(text).split()) == words != normalized(text).split() for text in item.texts[1:])


def test_reorderings_move_what_they_say() -> None:
    caption = "a red car stands left of an old bridge over a wide river"
    content = {"red", "car", "old", "bridge", "wide", "river"}
    words = caption.split()
    nouns, others, trigrams, within = (text.split() for text in perturbations(caption, random.Random(0)))
    assert all(new == old or {new, old} <= content for new, old in zip(nouns, words, strict=True))
    assert all(new == old or not {new, old} & content for new, old in zip(others, words, strict=True))
    groups = [words[i : i + 3] for i in range(0, len(words), 3)]
    assert all(group in [trigrams[i : i + len(group)] for i in range(len(words))] for group in groups)
    assert [sorted(within[i : i + 3]) for i in range(0, len(words), 3)] == [sorted(group) for group in groups]


def test_folders_are_zero_shot_classification(tmp_path: Path) -> None:
    for name in ("storage_tank", "lake"):
        (tmp_path / "sets" / name).mkdir(parents=True)
        Image.new("RGB", (4, 4)).save(tmp_path / "sets" / name / "a.png")
    lake, tank = read_choices("folders", tmp_path / "sets", tmp_path, template="a photo of a {}.").items
    assert (lake.kind, lake.texts) == ("lake", ("a photo of a lake.", "a photo of a storage tank."))
    assert tank.texts == ("a photo of a storage tank.", "a photo of a lake.")
    with pytest.raises(ConfigError, match="with {} once"):
        read_choices("folders", tmp_path / "sets", tmp_path, template="a photo")
    with pytest.raises(DataError, match="needs a folder of images for each of two classes"):
        read_choices("folders", tmp_path / "sets" / "lake", tmp_path)


GOOD: dict[str, Any] = {
    "filename": "1.jpg",
    "image_path": "1.jpg",
    "image_file": "1.jpg",
    "image": "1.jpg",
    "caption": "a cat on a mat",
    "negative_caption": "a mat on a cat",
    "true_caption": "a cat",
    "false_caption": "a mat",
    "foil": "a mat",
    "relation_name": "on",
    "mturk": {"caption": 3},
    "kind": "swap",
    "texts": ["a cat", "a mat"],
    **{f"bbox_{side}": 2 for side in "xywh"},
}


@pytest.mark.parametrize(
    ("benchmark", "change", "message"),
    [
        ("sugarcrepe", {"negative_caption": None}, "item 0 has no negative_caption"),
        ("sugarcrepe", {"filename": "../1.jpg"}, "leads out of its folder"),
        ("sugarcrepe", {"filename": "3.jpg"}, r"there is no image .*3\.jpg \(item 0\)"),
        ("aro", {"bbox_w": "2"}, "item 0 has no bbox_x"),
        ("aro", {"relation_name": 3}, "item 0 has no relation_name"),
        ("valse", {"mturk": {}}, r"no votes mturk\.caption"),
        ("valse", {"foil": " "}, "item 0 has no foil"),
        ("order", {"caption": [""]}, "item 0 has no caption"),
        ("items", {"texts": ["a cat"]}, "item 0 has no texts: give two or more"),
        ("items", {"texts": ["a cat", "<|startoftext|>"]}, "of the item 0 holds CLIP's own mark"),
        ("items", {"kind": ""}, "item 0 has no kind"),
    ],
)
def test_items_that_are_not_of_the_benchmark_are_named(
    benchmark: Any, change: dict[str, Any], message: str, tmp_path: Path, images: Path
) -> None:
    assert len(read_choices(benchmark, write(tmp_path / "good.json", [GOOD]), images).items) == 1
    with pytest.raises(RsAdaptError, match=message):
        read_choices(benchmark, write(tmp_path / "bad.json", [GOOD | change]), images)


def test_files_that_are_no_benchmark_are_refused(tmp_path: Path, images: Path) -> None:
    for content, message in (("x", "neither a table nor a list"), ([3], "item 0 is no table"), ([], "holds no item")):
        with pytest.raises(DataError, match=message):
            read_choices("valse", write(tmp_path / "x.json", content), images)
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(DataError, match="no JSON"):
        read_choices("valse", tmp_path / "x.json", images)
    with pytest.raises(DataNotFound, match="holds no files"):
        read_choices("valse", images, images)
    with pytest.raises(DataNotFound, match="There is no file or folder"):
        read_choices("valse", tmp_path / "none", images)
    with pytest.raises(ConfigError, match=f"Allowed: {', '.join(BENCHMARKS)}"):
        read_choices("winoground", tmp_path, images)  # type: ignore[arg-type]
