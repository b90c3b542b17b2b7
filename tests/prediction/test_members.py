"""Checkpoints that are averaged: refused where they differ in base, classes or the way they see scenes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rs_adapt.errors import ConfigError, RsAdaptError
from rs_adapt.prediction.appearance import Appearance
from rs_adapt.prediction.members import check_members, describe_calibration
from rs_adapt.runs.records import Calibration, Manifest, Reliability

CELL = {"bench": "mine.toml", "setting": "da", "method": "lora", "backbone": "dinov2_nano", "head": "linear"}
FIRST = Manifest.model_validate(
    {
        "cell": {**CELL, "strategy": "dacs", "seed": 0},
        "overrides": [],
        "base": {"name": "dinov2_nano", "sha256": "0" * 64},
        "classes": ["land", "water"],
    }
)
SEEN = Appearance(bands=(4, 3, 2), ranges=((0.0, 3000.0),) * 3, nodata=0)


def check(manifest: Manifest = FIRST, seen: Appearance = SEEN, name: str = "b") -> None:
    check_members([Path("a"), Path(name)], [FIRST, manifest], [SEEN, seen])


def test_equal_checkpoints_are_averaged_whatever_their_region_is_called() -> None:
    check(seen=replace(SEEN, region="south"))
    check_members([Path("a")], [FIRST], [SEEN])


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"classes": ["land", "sea"]}, "the classes of one are land, water, and those of the other land, sea"),
        (
            {"base": FIRST.base.model_copy(update={"sha256": "1" * 64})},
            r"they stand on different base weights, .*0000\.\.\. and .*1111\.\.\. Give checkpoints on one base",
        ),
    ],
)
def test_different_models_are_refused(changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(RsAdaptError, match=rf"a and b cannot be averaged: {sentence}"):
        check(FIRST.model_copy(update=changes))


@pytest.mark.parametrize(
    ("seen", "sentence"),
    [
        (replace(SEEN, bands=None), r"bands is \(4, 3, 2\) and not set\. Give --bands, which then applies to all"),
        (replace(SEEN, ranges=None, by_scene=True), r"ranges is .* and not set\. Give --stretch"),
        (replace(SEEN, nodata=255), r"nodata is 0 and 255\. Predict with each of them alone"),
    ],
)
def test_different_ways_to_see_scenes_are_refused(seen: Appearance, sentence: str) -> None:
    with pytest.raises(RsAdaptError, match=rf"they see scenes differently, {sentence}"):
        check(seen=seen)


def test_probabilities_that_are_calibrated_are_explained() -> None:
    measured = Reliability(ece_pct=1.0, nll=0.5, bins=[])
    facts = {"split": "north val", "tiles": 1, "pixels": 1, "before": measured, "after": measured}
    fitted = FIRST.model_copy(update={"calibration": Calibration.model_validate({"temperature": 1.5, **facts})})
    assert describe_calibration([FIRST], ["classes", "confidence"]) == ()
    assert describe_calibration([fitted], ["classes"]) == ()
    (sentence,) = describe_calibration([fitted], ["classes", "confidence"])
    assert sentence.startswith("Probabilities are calibrated on north val (temperature 1.5): on a different region")
    (sentence,) = describe_calibration([FIRST, fitted], ["entropy"])
    assert "Probabilities of 1 of the 2 checkpoints are calibrated" in sentence


def test_a_checkpoint_counts_once() -> None:
    with pytest.raises(ConfigError, match="--checkpoint names a twice"):
        check(name="a")
    with pytest.raises(ConfigError, match="There is no checkpoint"):
        check_members([], [], [])
