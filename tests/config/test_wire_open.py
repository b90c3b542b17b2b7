"""The setting ov: which labels training reads, what is scored, what is refused; and other settings as they were."""

from __future__ import annotations

from typing import Any

import pytest

from rs_adapt.config import axes, compose, resolve_cell
from rs_adapt.config.cell import settings_of
from rs_adapt.config.class_means import mean_name, seen_words
from rs_adapt.errors import ConfigError, IncompatibleCell

BENCHES = ("synthetic", "dubai", "loveda", "isprs")


def composed(bench: str = "synthetic-ov", *overrides: str, **names: Any) -> Any:
    return compose(resolve_cell(bench, **{"head": "text", **names}), overrides=overrides, weights="random")


def steps(dataset: Any) -> list[str]:
    return [step["type"].rpartition(".")[2] for step in dataset.pipeline]


def test_training_and_selection_read_no_label_of_an_unseen_class_and_scoring_reads_all() -> None:
    cfg = composed()
    for dataset in (cfg.train_dataloader.dataset.labelled, cfg.monitor.source_val.dataset):
        index = steps(dataset).index("IgnoreClasses")
        assert steps(dataset)[index - 1] == "LoadAnnotations"
        assert dataset.pipeline[index].classes == [3, 5]
    for loader in (cfg.val_dataloader, cfg.test_dataloader, cfg.source_val_dataloader):
        assert "IgnoreClasses" not in steps(loader.dataset)
    assert cfg.train_dataloader.dataset.unlabelled is None
    head = cfg.model.decode_head
    assert (head.seen_classes, head.num_classes, head.learned_classes) == ([0, 1, 2, 4], 6, [0])
    assert cfg.protocol.classes == "background,building,road,vegetation | water,bare"
    assert (mean_name(cfg.protocol.classes), seen_words(cfg.protocol.classes)) == (
        "hIoU",
        "background,building,road,vegetation",
    )


def test_classes_that_are_learned_are_seen_ones() -> None:
    cfg = composed("synthetic-ov", "bench.ov.unseen=['background', 'road']")
    assert cfg.model.decode_head.learned_classes == []
    assert cfg.protocol.classes == "building,water,vegetation,bare | background,road"


@pytest.mark.parametrize("bench", BENCHES)
def test_benches_state_classes_and_default_names(bench: str) -> None:
    cell = resolve_cell(f"{bench}-ov")
    assert (cell.strategy, cell.protocol, cell.head.partition("_")[0]) == ("source_only", "strict", "cost")
    cfg = compose(cell, weights="random")
    assert set(cfg.bench.ov.unseen) < set(cfg.bench.classes)
    assert f"{bench}_ov" in {f"{bench}_{setting}" for setting in settings_of(cell.bench)}


@pytest.mark.parametrize("setting", ["da", "dg", "ss"])
def test_other_settings_are_what_they_were(setting: str) -> None:
    cfg = compose(resolve_cell(f"synthetic-{setting}"))
    assert "ov" not in cfg.bench
    assert "ov" not in cfg.bench.schedule.batch_size
    assert "ov" not in cfg.protocol.settings
    assert "ov" not in cfg.strategy.settings
    assert cfg.protocol.classes == "all"
    text = compose(resolve_cell(f"synthetic-{setting}", head="text"), weights="random").model
    assert not {"seen_classes", "text_tower"} & set(text.get("segmentor", text).decode_head)


@pytest.mark.parametrize(
    ("unseen", "told"),
    [
        ("['watr']", "There is no class 'watr'. Did you mean water"),
        ("[]", "no class is unseen"),
        ("['water', 'WATER']", "names a class twice"),
        ("['background', 'building', 'road', 'water', 'vegetation', 'bare']", "no class is left to train on"),
        ("[3]", "must be a list of class names"),
    ],
)
def test_wrong_unseen_classes_are_refused(unseen: str, told: str) -> None:
    with pytest.raises(ConfigError) as error:
        composed("synthetic-ov", f"bench.ov.unseen={unseen}")
    assert told in str(error.value)


@pytest.mark.parametrize("head", ["linear", "mask2former", "segmenter"])
def test_heads_with_a_weight_a_class_are_refused(head: str) -> None:
    with pytest.raises(IncompatibleCell, match="has one weight a class.*--head cost or --head text"):
        composed(head=head)


def test_what_the_setting_cannot_be_is_refused() -> None:
    with pytest.raises(IncompatibleCell, match="does not say which of its classes are unseen.*synthetic"):
        resolve_cell("rescuenet-ov")
    with pytest.raises(IncompatibleCell, match="Strategy dacs works in da only"):
        resolve_cell("synthetic-ov", strategy="dacs")
    with pytest.raises(IncompatibleCell, match="Protocol paper"):
        resolve_cell("loveda-ov", protocol="paper")
    with pytest.raises(ConfigError, match="harmonic mean of two groups"):
        composed("synthetic-ov", "protocol.classes=no-water")
    groups = composed("synthetic-ov", "protocol.classes=building | water")
    assert groups.protocol.classes == "building | water"


def test_a_method_on_both_towers_gets_the_text_towers_sizes_and_the_head_keeps_it() -> None:
    cfg = composed(method="hclip-both", backbone="clip-b-16")
    adapter = cfg.model.backbone.adapter
    assert (adapter.text_embed_dim, adapter.text_depth) == (512, 12)
    assert cfg.model.decode_head.text_tower == {"embed_dim": 512, "depth": 12, "num_heads": 8}
    assert "text_tower" not in composed(method="lora").model.decode_head
    stacked = composed(method="hclip-both+vpt", backbone="clip-b-16").model
    assert stacked.decode_head.text_tower == cfg.model.decode_head.text_tower
    with pytest.raises(IncompatibleCell, match="puts one that sits in both towers of CLIP inside another"):
        composed(method="gate:hclip-both", backbone="clip-b-16")
    with pytest.raises(IncompatibleCell, match="is no CLIP"):
        composed(method="hclip-both", backbone="dinov2-nano")
    with pytest.raises(IncompatibleCell, match="reads no texts"):
        composed("synthetic-dg", method="hclip-both", backbone="clip-b-16", head="linear")
    with pytest.raises(IncompatibleCell, match="does not work with strategy dacs"):
        composed("synthetic-da", method="hclip-both", backbone="clip-b-16")


def test_the_cost_head_reads_two_earlier_blocks_of_clip_and_tokens_of_others() -> None:
    on_clip = composed(head="cost", backbone="clip-b-16").model
    assert on_clip.backbone.out_layers == [3, 7, 10]
    assert on_clip.decode_head.in_channels == [768] * 3
    assert on_clip.decode_head.value_path is True
    other = composed("synthetic-dg", head="cost-small", backbone="dinov2-nano").model
    assert (other.decode_head.value_path, len(other.decode_head.in_channels)) == (False, 4)
    assert other.backbone.level_scales == [1.0] * 4
    with pytest.raises(IncompatibleCell, match="pyramid"):
        composed("synthetic-dg", head="cost-small", backbone="mit-b0", method="full")
    assert axes.title("head", "cost")
