"""The way a pack sees scenes: bands, stretch and nodata value of the region that is mapped."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rs_adapt.errors import CheckpointMismatch, ConfigError, DataError
from rs_adapt.prediction.appearance import Appearance, appearance_of
from rs_adapt.runs.records import Manifest
from rs_adapt.scenes import write_geotiff

RANGE = [[100.0, 3000.0], [110.0, 3100.0], [120.0, 3200.0]]
OWN = {
    "name": "mine",
    "class": [{"name": "land", "colour": "#C8C8C8"}, {"name": "water", "colour": "#285ADC"}],
    "source": {"name": "here", "images": "a", "labels": {"path": "b", "classes": {"land": [1], "water": [2]}}},
    "target": {"images": "c", "bands": [4, 3, 2], "nodata": 0},
}
STRETCH = {
    "here": {"from": "as stored", "range": None},
    "target": {"from": "percentiles", "range": RANGE, "pct": [2.0, 98.0], "images": 1, "step_px": 1, "pixels": 9},
}


def make_manifest(**changes: object) -> Manifest:
    content = {
        "cell": {"bench": "mine.toml", "setting": "da", "method": "lora", "backbone": "dinov2_nano", "head": "linear"}
        | {"strategy": "dacs", "seed": 0},
        "overrides": [],
        "base": {"name": "dinov2_nano", "sha256": "0"},
        "classes": ["land", "water"],
        "own_bench": OWN,
        "stretch": STRETCH,
    }
    return Manifest.model_validate({**content, **changes})


def test_scenes_are_seen_as_those_of_the_target() -> None:
    seen = appearance_of(make_manifest())
    assert seen == Appearance(
        bands=(4, 3, 2), ranges=tuple((low, high) for low, high in RANGE), nodata=0, region="target"
    )
    assert appearance_of(make_manifest(), region="here") == Appearance(region="here")
    assert appearance_of(make_manifest(own_bench=None, stretch=None)) == Appearance()


def test_matched_pixels_are_those_of_the_pack_and_not_of_its_regions() -> None:
    sizes = {"own_bench": OWN | {"gsd_m": 0.8}, "gsd_m": 0.5}
    assert appearance_of(make_manifest(**sizes)).gsd_m == 0.8
    matched = appearance_of(make_manifest(**sizes, gsd_matched=True))
    assert (matched.gsd_m, matched.gsd_matched) == (0.5, True)
    shipped = appearance_of(make_manifest(own_bench=None, stretch=None, gsd_m=0.5, gsd_matched=True))
    assert shipped == Appearance(gsd_m=0.5, gsd_matched=True)


def test_what_a_pack_does_not_know_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"--region is there\. The pack was trained on: here, target\."):
        appearance_of(make_manifest(), region="there")
    with pytest.raises(CheckpointMismatch, match=r"stretch of the manifest.*Copy the pack again"):
        appearance_of(make_manifest(stretch={"target": {"from": "percentiles", "range": "wide"}}))


def test_deep_scenes_become_what_the_model_was_trained_on(tmp_path: Path) -> None:
    pixels = np.full((8, 8, 4), 100, np.uint16)
    pixels[..., 3] = 3000
    pixels[:4] = 0
    write_geotiff(tmp_path / "deep.tif", pixels)
    with appearance_of(make_manifest()).open(tmp_path / "deep.tif") as scene:
        rgb_HW3, valid_HW = scene.read_rgb()
    # Red is band 4; black and white are those of the training.
    assert rgb_HW3[7, 7].tolist() == [255, 0, 0]
    assert valid_HW.tolist() == [[False] * 8] * 4 + [[True] * 8] * 4
    write_geotiff(tmp_path / "bytes.tif", np.ones((8, 8, 4), np.uint8))
    with pytest.raises(DataError, match=r"is of 8 bit, and the model was trained on values of 100 to 3200"):
        appearance_of(make_manifest()).open(tmp_path / "bytes.tif")


def test_scenes_with_other_bands_are_refused_with_a_remedy(tmp_path: Path) -> None:
    write_geotiff(tmp_path / "three.tif", np.full((8, 8, 3), 200, np.uint16))
    with pytest.raises(DataError, match=r"three.tif has 3 bands, and bands 4,3,2 are to be red.* with --bands\."):
        appearance_of(make_manifest()).open(tmp_path / "three.tif")
    write_geotiff(tmp_path / "one.tif", np.full((8, 8), 200, np.uint8))
    with pytest.raises(DataError, match=r"one.tif has one band.* add --bands 1,1,1\."):
        Appearance().open(tmp_path / "one.tif")
    with Appearance(bands=(1, 1, 1)).open(tmp_path / "one.tif") as scene:
        assert scene.read_rgb()[0].tolist() == [[[200] * 3] * 8] * 8


def test_the_ground_size_of_the_training_is_that_of_the_region_else_of_the_bench() -> None:
    assert appearance_of(make_manifest(gsd_m=0.4)).gsd_m == 0.4
    sized = OWN | {"gsd_m": 0.3, "source": OWN["source"] | {"gsd_m": 0.2}}
    assert appearance_of(make_manifest(own_bench=sized, gsd_m=0.4)).gsd_m == 0.3
    assert appearance_of(make_manifest(own_bench=sized, gsd_m=0.4), region="here").gsd_m == 0.2
    assert appearance_of(make_manifest(own_bench=None, stretch=None, gsd_m=0.7)).gsd_m == 0.7
