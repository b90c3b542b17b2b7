"""The model card: front matter that YAML reads, scores as the manifest has them, labels and licences plainly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from rs_adapt.config import axes
from rs_adapt.downloads.hub import HubAddress
from rs_adapt.exchange.model_card import write_card
from rs_adapt.runs.records import Manifest

STORED = Path(__file__).parents[1] / "runs" / "stored_0_1_0" / "finished" / "manifest.json"
ADDRESS = HubAddress(repository="alice/first")


def card(**changes: Any) -> tuple[dict[str, Any], str]:
    """Return front matter and text of the card of the stored pack with other values; `cell__x` is a key of the cell."""
    content = json.loads(STORED.read_text())
    for name, value in changes.items():
        outer, _, inner = name.partition("__")
        if inner:
            content[outer] = {**content[outer], inner: value}
        else:
            content[outer] = value
    text = write_card(Manifest.model_validate(content), ADDRESS)
    _, header, rest = text.split("---\n", 2)
    return yaml.safe_load(header), rest


def test_scores_are_those_of_the_manifest() -> None:
    metrics = json.loads(STORED.read_text())["metrics"]
    _, text = card()
    assert "Measured on south test" in text
    for name in ("miou_pct", "aacc_pct", "macc_pct"):
        assert f"| {metrics[name]} |" in text
    for name, value in metrics["iou_pct"].items():
        assert f"| IoU of {name} | {value} |" in text
    assert "| iterations | 6 |" in text
    header, text = card(metrics=None)
    assert "The manifest has no scores" in text
    assert header["library_name"] == "rs-adapt"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({}, "No image of the target (south) was seen in training."),
        ({}, "The checkpoint was chosen without labels of the target (last)."),
        ({"cell__setting": "ss"}, "Trained on labelled tiles of the target itself (south)."),
        ({"metrics__headline": "best_label_free"}, "Images of the target chose the checkpoint, without their labels."),
        ({"metrics__headline": "guarded"}, "Images of the target chose the checkpoint, without their labels."),
        ({"metrics__headline": "oracle"}, "Labels of the target chose the checkpoint"),
        (
            {"metrics__protocol": {"unlabelled_split": "south train", "target_crops": "by_labels"}},
            "Images of the target (south train) were seen in training, without their labels.",
        ),
        (
            {"metrics__protocol": {"target_crops": "by_labels"}},
            "Crops of the target's images were chosen by their labels",
        ),
        ({"notes": ["Two tiles are missing."]}, "- Two tiles are missing."),
    ],
)
def test_use_of_labels_is_stated(changes: dict[str, Any], sentence: str) -> None:
    assert sentence in card(**changes)[1]


@pytest.mark.parametrize(
    ("bench", "backbone", "licence", "base"),
    [
        ("synthetic", "dinov2_nano", "apache-2.0", None),
        ("loveda_r2u", "dinov2_l", "cc-by-nc-sa-4.0", "facebook/dinov2-large"),
        ("isprs_p2v", "dinov2_l", "other", "facebook/dinov2-large"),
        ("loveda_r2u", "dinov3_l", "other", None),
        ("casid_sub2tem", "clip_l_14", "cc-by-4.0", "openai/clip-vit-large-patch14"),
    ],
)
def test_licences_follow_from_data_and_base(bench: str, backbone: str, licence: str, base: str | None) -> None:
    header, text = card(cell__bench=bench, cell__backbone=backbone)
    assert (header["license"], header.get("base_model")) == (licence, base)
    assert ("license_name" in header) == (licence == "other")
    assert header["pipeline_tag"] == "image-segmentation"
    assert header["datasets"]
    assert "Whether and how the licence of data binds" in text


@pytest.mark.parametrize("backbone", [name.replace("-", "_") for name in axes.values_for("backbone", "synthetic")])
def test_base_weights_of_every_backbone_can_be_had_as_the_card_states(backbone: str) -> None:
    from rs_adapt.config.weights_files import find_weights_file

    _, text = card(cell__backbone=backbone)
    fetched = [line.split()[-1] for line in text.splitlines() if line.startswith("rs-adapt weights fetch")]
    assert len(fetched) + ("are gated" in text) + ("nano" in backbone) == 1
    for name in fetched:
        assert find_weights_file(name)


def test_names_of_a_bench_are_text_and_no_markup() -> None:
    own = {"name": "<b>mine</b>", "class": []}
    header, text = card(own_bench=own, cell__bench="mine.toml", cell__method="a: [b", classes=["x|y"])
    assert "a: [b" in header["tags"]
    assert r"\<b\>mine" in text
    assert r"x\|y" in text
    assert "their licence is not recorded" in text
    assert header["license"] == "other"


def test_a_temperature_holds_on_its_own_tiles_only() -> None:
    before = {"ece_pct": 9.0, "nll": 1.0, "bins": []}
    calibration = {"temperature": 1.5, "split": "north val", "tiles": 3, "pixels": 9, "before": before, "after": before}
    _, text = card(calibration=calibration)
    assert "a temperature of 1.5, fitted on north val. Under a shift they are no longer calibrated" in text
    assert "are not calibrated" in card()[1]
