"""Protocols: what each shows of the target, what it scores, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from rs_adapt.config import axes, compose, resolve_cell
from rs_adapt.config.cell import default_run_dir
from rs_adapt.config.wire_protocol import SELECTIONS
from rs_adapt.errors import ConfigError, IncompatibleCell, UnknownName


def composed(bench: str, *overrides: str, **names: Any) -> Any:
    return compose(resolve_cell(bench, **names), overrides=overrides, data_root="/data")


def folder(dataset: Any, kind: str = "img_dir") -> str | None:
    path = dataset[kind]
    return path and path.removeprefix("/data/")


def steps(dataset: Any) -> list[str]:
    return [step["type"] for step in dataset.pipeline]


def test_strict_is_the_default_and_reads_no_target_label() -> None:
    cfg = composed("loveda-da")
    assert (cfg.cell.protocol, cfg.protocol.name, cfg.protocol.version) == ("strict", "strict", 1)
    unlabelled = cfg.train_dataloader.dataset.unlabelled
    assert (folder(unlabelled), unlabelled.ann_dir) == ("loveda/urban/train/img_dir", None)
    assert "LoadAnnotations" not in steps(unlabelled)
    assert cfg.protocol.selection == "last"


def test_paper_draws_target_crops_by_labels_and_forgets_them() -> None:
    unlabelled = composed("loveda-da", protocol="paper").train_dataloader.dataset.unlabelled
    assert folder(unlabelled, "ann_dir") == "loveda/urban/train/ann_dir"
    order = steps(unlabelled)
    assert order.index("LoadAnnotations") < order.index("RandomCrop") < order.index("rs_adapt.ForgetLabels")
    assert unlabelled.pipeline[order.index("RandomCrop")].cat_max_ratio == 0.75


def test_paper_reports_the_validation_tiles() -> None:
    strict, paper = composed("synthetic-da"), composed("synthetic-da", protocol="paper")
    assert strict.test_dataloader.dataset.name == "synthetic/south/test"
    assert paper.test_dataloader.dataset.to_dict() == paper.val_dataloader.dataset.to_dict()
    assert paper.protocol.selection == "oracle"


def test_lovedas_own_protocol_learns_from_validation_images_and_has_no_score() -> None:
    cfg = composed("loveda-da", protocol="loveda-server")
    assert folder(cfg.train_dataloader.dataset.unlabelled) == "loveda/urban/val/img_dir"
    assert cfg.train_dataloader.dataset.unlabelled.ann_dir is None
    assert (cfg.test_dataloader, cfg.test_evaluator, cfg.test_cfg) == (None, None, None)
    assert folder(cfg.monitor.label_free.dataset) == "loveda/urban/val/img_dir"


def test_generalization_looks_at_no_training_image_of_the_target() -> None:
    cfg = composed("loveda-dg", protocol="crossearth")
    text = cfg.pretty_text
    assert "loveda/urban/val/img_dir" in text
    assert "/data/loveda/urban/train" not in text
    assert folder(cfg.monitor.label_free.dataset) == "loveda/urban/val/img_dir"
    assert cfg.monitor.label_free.dataset.ann_dir is None


@pytest.mark.parametrize("setting", ["da", "dg", "ss"])
def test_source_and_label_free_scores_are_monitored_on_spread_tiles(setting: str) -> None:
    cfg = composed(f"loveda-{setting}")
    label_free = cfg.monitor.label_free.dataset
    assert (label_free.ann_dir, label_free.spread) == (None, 64)
    assert "LoadAnnotations" not in steps(label_free)
    if setting == "ss":
        assert cfg.monitor.source_val is None
    else:
        assert folder(cfg.monitor.source_val.dataset) == "loveda/rural/val/img_dir"
        assert cfg.monitor.source_val.dataset.spread == 128
        assert "spread" not in cfg.source_val_dataloader.dataset


def test_inference_of_a_protocol_goes_before_the_benchs() -> None:
    cfg = composed("loveda-dg", "protocol.inference=whole")
    assert (cfg.bench.inference.mode, cfg.model.test_cfg.mode) == ("whole", "whole")


@pytest.mark.parametrize(
    ("bench", "names", "overrides", "message"),
    [
        ("loveda-dg", {}, ["protocol.selection=best"], "selection is 'best'. Allowed: last, guarded, best_source_val"),
        ("loveda-dg", {}, ["protocol.report_split=train"], "report_split is 'train'. Allowed: test, val, server"),
        ("loveda-dg", {}, ["protocol.label_free_tiles=0"], "label_free_tiles is 0; it must be 1 or larger"),
        (
            "loveda-dg",
            {},
            ["protocol.weights=teacher"],
            "weights is 'teacher', but strategy source_only",
        ),
        ("loveda-dg", {}, ["protocol.label_free=agreement"], "strategy source_only has no teacher"),
        ("synthetic-da", {"protocol": "loveda-server"}, [], "is for the benches loveda, loveda_1024 only"),
        ("isprs-da", {"protocol": "crossearth"}, [], "is for dg only, but the setting is da"),
    ],
)
def test_impossible_protocols_are_refused(
    bench: str, names: dict[str, str], overrides: list[str], message: str
) -> None:
    with pytest.raises((ConfigError, IncompatibleCell), match=message):
        composed(bench, *overrides, **names)


def test_an_unknown_protocol_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        UnknownName,
        match=r"no protocol 'papr'. Did you mean paper\? Known: captions, crossearth, few-shot, loveda-server",
    ):
        resolve_cell("loveda-da", protocol="papr")


def test_other_protocols_have_run_folders_and_names_of_their_own() -> None:
    strict, paper = resolve_cell("loveda-da"), resolve_cell("loveda-da", protocol="paper")
    assert str(strict).endswith("/ seed 0")
    assert str(paper).endswith("/ seed 0 / protocol paper")
    assert default_run_dir(strict) != default_run_dir(paper)
    assert "da-paper" in default_run_dir(paper).parts


@pytest.mark.parametrize("name", axes.values_of_task("protocol", "segmentation"))
def test_every_protocol_has_the_same_keys(name: str) -> None:
    protocol = axes.load("protocol", name)["protocol"]
    assert protocol.keys() == axes.load("protocol", "strict")["protocol"].keys()
    assert protocol["selection"] in SELECTIONS
    setting = protocol["settings"][0]
    bench = (protocol["families"] or ["loveda"])[0]
    cfg = composed(f"{bench}-{setting}", protocol=name)
    for key in protocol["recipe"]:
        node = cfg
        for part in key.split("."):
            node = node[int(part)] if part.isdigit() else node[part]
