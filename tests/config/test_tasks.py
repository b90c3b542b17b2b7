from __future__ import annotations

import pytest

from rs_adapt.config.axes import bench_facts
from rs_adapt.config.bench_names import find_bench, settings_of
from rs_adapt.config.cell import resolve
from rs_adapt.config.class_groups import class_groups
from rs_adapt.config.compose import compose
from rs_adapt.errors import ConfigError, IncompatibleCell


def test_family_has_benches_of_both_tasks() -> None:
    assert find_bench("synthetic-da", None, None) == ("synthetic", "da")
    assert find_bench("synthetic-b2n", None, None) == ("synthetic_classes", "b2n")
    assert settings_of("synthetic") == ("da", "dg", "ss", "ov")


def test_defaults_of_the_task() -> None:
    cell = resolve("synthetic-b2n")
    assert (cell.strategy, cell.protocol, cell.head) == ("few_shot", "few_shot", "class_names")
    assert "protocol" not in str(cell)
    assert (resolve("synthetic-da").strategy, resolve("synthetic-da").protocol) == ("dacs", "strict")


@pytest.mark.parametrize(
    ("bench", "options", "message"),
    [
        ("synthetic-b2n", {"method": "earth-adapter"}, "is for segmentation.*coop"),
        ("synthetic-b2n", {"head": "linear"}, "Head linear is for segmentation.*class-names"),
        ("synthetic-da", {"method": "coop"}, "is for classification"),
        ("synthetic-da", {"strategy": "few-shot"}, "is for classification"),
        ("rsscn7-da", {}, "has the task classification.*b2n"),
        ("synthetic-xd", {}, "impossible"),
    ],
)
def test_what_does_not_fit_is_refused(bench: str, options: dict[str, str], message: str) -> None:
    with pytest.raises(IncompatibleCell, match=message):
        resolve(bench, **options)


def test_methods_of_segmentation_that_change_layers_work() -> None:
    cfg = compose(resolve("rsscn7-b2n", method="lora"), weights="random")
    assert cfg.model.type == "rs_adapt.SceneClassifier"
    assert cfg.model.backbone.adapter.type == "rs_adapt.Lora"


def test_backbone_without_texts_and_probe_across_data_sets() -> None:
    with pytest.raises(IncompatibleCell, match="no text tower"):
        compose(resolve("rsscn7-b2n", backbone="dinov2-s"))
    with pytest.raises(IncompatibleCell, match="linear-probe does not work in the setting xd"):
        compose(resolve("patternnet-resisc45-xd", method="linear-probe"))


def test_segmentation_states_nothing_of_tasks() -> None:
    cfg = compose(resolve("synthetic-da"))
    assert "task" not in cfg.bench
    assert cfg.val_evaluator.type == "rs_adapt.ConfusionMetric"


@pytest.mark.parametrize(
    ("bench", "base", "novel"),
    [
        ("aid", 15, 15),
        ("resisc45", 23, 22),
        ("ucm", 11, 10),
        ("whu_rs19", 10, 9),
        ("patternnet", 19, 19),
        ("mlrsnet", 23, 23),
        ("rsscn7", 4, 3),
        ("rsicd", 16, 15),
    ],
)
def test_base_and_novel_of_published_protocol(bench: str, base: int, novel: int) -> None:
    groups = class_groups(bench_facts(bench), "b2n")
    assert (len(groups.trained), len(groups.left_out)) == (base, novel)
    assert groups.base_indices() == list(range(base))


def test_novel_class_listed_as_base() -> None:
    facts = {"name": "x", "classes": ["a", "b", "c"], "base_classes": ["a", "b"], "novel_classes": ["b", "c"]}
    with pytest.raises(ConfigError, match="'b' is listed as base and as novel"):
        class_groups(facts, "b2n")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="no class 'z'"):
        class_groups({**facts, "base_classes": ["z"]}, "b2n")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="'b' is neither"):
        class_groups({**facts, "base_classes": ["a"], "novel_classes": ["c"]}, "b2n")  # type: ignore[arg-type]


@pytest.mark.parametrize("direction", ["rsicd", "resisc45", "mlrsnet"])
def test_shared_classes_are_classes_of_both_data_sets(direction: str) -> None:
    facts = bench_facts(f"shared_scenes_{direction}")
    assert class_groups(facts, "dg").trained == tuple(facts["classes"])
    for side in ("source", "target"):
        names, own = facts[side]["class_names"], bench_facts(facts[side]["region"])["classes"]
        assert set(names) <= set(facts["classes"])
        assert {names.get(name, name) for name in facts["classes"]} <= set(own)


def test_other_setting_decides_among_all_classes() -> None:
    groups = class_groups(bench_facts("patternnet_resisc45"), "xd")
    assert len(groups.trained) == 38
    assert len(groups.classes) == 45
    assert groups.base_indices() is None
