"""Synthetic scenes: reproducible bytes, sound labels, and two regions that differ as stated."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from rs_adapt.datasets.synthetic import CLASSES, IGNORE_VALUE, PALETTE, REGIONS, make_scene, write_scenes
from rs_adapt.errors import ConfigError
from rs_adapt.scenes import Scene

FEW = {"train": 2, "val": 1, "test": 1}


def digests(root: Path) -> dict[str, str]:
    return {str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(root.rglob("*.tif"))}


def test_bytes_depend_on_the_seed_alone(tmp_path: Path) -> None:
    for folder, seed in (("a", 0), ("b", 0), ("c", 1)):
        write_scenes(tmp_path / folder, seed=seed, scenes=FEW, size_px=128)
    first, again, other = (digests(tmp_path / folder) for folder in "abc")
    assert len(first) == 2 * 2 * 4
    assert first == again
    assert first.keys() == other.keys()
    assert all(first[name] != other[name] for name in first)
    # No scene is drawn twice.
    assert len(set(first.values())) == len(first)


def test_a_scene_does_not_depend_on_how_many_there_are(tmp_path: Path) -> None:
    write_scenes(tmp_path / "one", scenes={"val": 1}, size_px=128)
    write_scenes(tmp_path / "two", scenes={"val": 2, "train": 1}, size_px=128)
    one, two = digests(tmp_path / "one"), digests(tmp_path / "two")
    assert all(two[name] == digest for name, digest in one.items())


def test_files_have_a_georeference_and_mark_missing_pixels(tmp_path: Path) -> None:
    seen: list[tuple[str, int, int | None]] = []
    files = write_scenes(tmp_path, scenes={"train": 1}, size_px=192, on_progress=lambda *step: seen.append(step))
    assert [(f.region, f.split) for f in files] == [("north", "train"), ("south", "train")]
    assert seen == [("drawing synthetic scenes", 1, 2), ("drawing synthetic scenes", 2, 2)]
    for file in files:
        region = REGIONS[file.region]
        with Scene(file.image) as image, Scene(file.label) as label:
            assert image.info.gsd_m == region.gsd_m
            assert image.info.transform == label.info.transform
            assert image.info.crs is not None
            assert str(region.epsg) in image.info.crs
            rgb, valid = image.read_rgb()
            classes, known = label.read_classes()
        assert np.array_equal(valid, known)
        assert 0.7 < valid.mean() < 1.0
        assert not rgb[~valid].any()
        assert rgb[valid].min() >= 1
        assert set(np.unique(classes[valid])) <= set(range(len(CLASSES)))
        assert (classes[~valid] == IGNORE_VALUE).all()


def test_every_class_occurs_in_both_regions() -> None:
    for region in REGIONS.values():
        counts = np.zeros(256, dtype=np.int64)
        for number in range(4):
            counts += np.bincount(make_scene(region, seed=0, split="train", number=number)[1].ravel(), minlength=256)
        shares = counts[: len(CLASSES)] / counts[: len(CLASSES)].sum()
        assert shares.min() > 0.02, region.name
        assert shares.max() < 0.6, region.name


def test_regions_differ_in_colour_and_scale() -> None:
    north, south = REGIONS["north"], REGIONS["south"]
    assert north.gsd_m < south.gsd_m
    means = []
    for region in (north, south):
        scenes = [make_scene(region, seed=0, split="train", number=n) for n in range(3)]
        rgb = np.concatenate([image[classes == 4] for image, classes in scenes]).astype(float)
        means.append(rgb.mean(axis=0))
    # Southern vegetation is drier: more red for the same green.
    assert means[1][0] / means[1][1] > means[0][0] / means[0][1] + 0.03


def test_palette_has_one_colour_a_class() -> None:
    assert len(PALETTE) == len(CLASSES) == len(set(PALETTE))


@pytest.mark.parametrize("wrong", [{"seed": -1}, {"scenes": {"training": 1}}, {"scenes": {"val": -1}}])
def test_impossible_sets_are_refused(tmp_path: Path, wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="train, val, test"):
        write_scenes(tmp_path, **wrong)  # type: ignore[arg-type]
