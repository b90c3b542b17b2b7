"""Source and target with class lists of their own: the joint list, numbers, and what training and scoring see of it."""

from __future__ import annotations

from typing import Any

import pytest

from rs_adapt.config import axes, compose, resolve_cell
from rs_adapt.config.vocabularies import join_class_lists, plain_name
from rs_adapt.errors import ConfigError, IncompatibleCell

DIRECTIONS = ("isaid", "loveda_rural", "loveda_urban", "potsdam", "vaihingen", "uavid", "udd5", "vdd")


def region(name: str, *classes: str, colours: int | None = None) -> Any:
    return {"region": name, "classes": list(classes), "palette": [[1, 2, 3]] * (len(classes) if colours is None else 1)}


def composed(direction: str, *overrides: str) -> Any:
    cell = resolve_cell("ovrsis-ov", direction=direction, backbone="nano_clip", head="cost_small")
    return compose(cell, overrides=overrides, weights="random")


def test_plurals_and_spellings_are_one_class_and_synonyms_are_not() -> None:
    joined = join_class_lists(
        {"ov": {"unseen": [], "defaults": {}}},
        region("a", "bare soil", "buildings", "water"),
        region("b", "Building", "Bare-Soil", "plane"),
        file="x.py",
    )
    assert joined["classes"] == ["bare soil", "buildings", "water", "plane"]
    assert joined["ov"]["unseen"] == ["plane"]
    assert len(joined["palette"]) == 4
    assert plain_name("store_tank") == plain_name("Store-Tanks") != plain_name("tanks")


def test_regions_without_lists_stay_as_they_are_and_half_of_them_is_refused() -> None:
    bare: Any = {"region": "a"}
    assert join_class_lists({}, bare, bare, file="x.py") == {}
    with pytest.raises(ConfigError, match=r"x\.py: give classes and palette to each of bench\.regions, or to none"):
        join_class_lists({}, bare, region("b", "road"), file="x.py")
    with pytest.raises(ConfigError, match=r"region b has 2 classes and 1 colours"):
        join_class_lists({}, region("a", "road"), region("b", "road", "car", colours=1), file="x.py")


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_training_knows_the_classes_of_dlrsd_and_predictions_the_names_of_the_target(direction: str) -> None:
    cfg = composed(direction)
    bench, head = cfg.bench, cfg.model.decode_head
    source, target = list(bench.source.classes), list(bench.target.classes)
    assert head.seen_classes == [*range(17)] == [bench.classes.index(name) for name in source]
    predicted = [plain_name(bench.classes[number]) for number in head.predicted_classes]
    assert sorted(predicted) == sorted(map(plain_name, target))
    assert len(bench.classes) == 17 + len(bench.ov.unseen) == head.num_classes == len(bench.palette)
    seen, unseen = (words.split(",") for words in cfg.protocol.classes.split(" | "))
    assert unseen == bench.ov.unseen
    assert seen == [name for name in source if plain_name(name) in map(plain_name, target)] != []


def test_labels_get_the_numbers_of_the_joint_list_before_anything_reads_them() -> None:
    cfg = composed("vdd")
    names = list(cfg.bench.classes)
    labelled, scored = cfg.train_dataloader.dataset.labelled, cfg.test_dataloader.dataset
    for dataset, numbers in ((labelled, [*range(17)]), (scored, [17, 18, 19, 20, 21, 22, 16])):
        steps = [step["type"].rpartition(".")[2] for step in dataset.pipeline]
        index = steps.index("RenumberClasses")
        assert steps[index - 1] == "LoadAnnotations"
        assert dataset.pipeline[index].numbers == numbers
    assert [step["type"] for step in labelled.pipeline].count("rs_adapt.IgnoreClasses") == 1
    assert list(scored.classes) == ["other", "wall", "road", "vegetation", "vehicle", "roof", "water"]
    assert [names[number] for number in (17, 16)] == ["other", "water"]
    assert scored.img_dir.endswith("vdd/img_dir/test")


def test_each_data_set_keeps_the_names_and_sizes_of_its_files() -> None:
    cfg = composed("isaid")
    assert cfg.test_dataloader.dataset.ann_suffix == "_instance_color_RGB.png"
    assert cfg.train_dataloader.dataset.labelled.ann_suffix == ".png"
    scales = {
        name: next(step["scale"] for step in loader.dataset.pipeline if step["type"] == "Resize")
        for name, loader in {"target": cfg.test_dataloader, "source": cfg.source_val_dataloader}.items()
    }
    assert scales == {"target": (896, 896), "source": (384, 384)}
    assert cfg.bench.inference.resize_px == 896


def test_a_joint_list_that_lacks_a_class_and_other_settings_are_refused() -> None:
    classes = list(axes.bench_facts("ovrsis_udd5")["classes"])
    with pytest.raises(ConfigError, match=r"bench\.classes lacks 'other', which bench\.target\.classes has"):
        composed("udd5", f"bench.classes={[*classes[:-1], 'rest']}", "bench.ov.unseen=['vegetation']")
    with pytest.raises(IncompatibleCell, match=r"impossible\. Allowed: ov"):
        resolve_cell("ovrsis-dg")
