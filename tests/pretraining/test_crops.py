from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from rs_adapt.datasets.synthetic import make_style_scene
from rs_adapt.pretraining import MATERIALS, NANO, StyleCrops
from rs_adapt.pretraining.crops import restyle

SMALL = dataclasses.replace(NANO, num_scenes=2, scene_px=160, crop_px=64, batch_size=3)


@pytest.fixture(scope="module")
def crops() -> StyleCrops:
    return StyleCrops(SMALL)


def test_batches_have_the_stated_shapes_and_ranges(crops: StyleCrops) -> None:
    images, materials = crops.batch(0)
    assert (images.shape, images.dtype) == ((3, 3, 64, 64), np.float32)
    assert (materials.shape, materials.dtype) == ((3, 64, 64), np.int64)
    assert images.min() >= 0
    assert images.max() <= 255
    assert materials.min() >= 0
    assert materials.max() < len(MATERIALS)


def test_a_batch_is_a_function_of_its_number(crops: StyleCrops) -> None:
    first, again, other = crops.batch(5), StyleCrops(SMALL).batch(5), crops.batch(6)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])


def test_images_and_materials_stay_together() -> None:
    # Without zoom a crop is a window of the scene, turned and mirrored: the material under each colour must not change.
    recipe = dataclasses.replace(SMALL, num_scenes=1, zoom=(1.0, 1.0), batch_size=16)
    crops = StyleCrops(recipe)
    crops.images[0] = np.repeat((crops.materials[0] * 20)[..., None], 3, axis=-1)
    images, materials = crops.batch(1)
    plain = [i for i in range(16) if np.array_equal(images[i, 0], images[i, 0].round())]
    assert plain, "one image in five is not restyled"
    for i in plain:
        assert np.array_equal(images[i, 0], materials[i] * 20)


def test_restyling_stays_in_range_and_changes_colours() -> None:
    image = np.random.default_rng(0).uniform(0, 255, (8, 8, 3)).astype(np.float32)
    changed = [restyle(np.random.default_rng(seed), image) for seed in range(20)]
    assert all(out.min() >= 0 and out.max() <= 255 and out.dtype == np.float32 for out in changed)
    same = sum(np.array_equal(out, image) for out in changed)
    assert 0 < same < 12


def test_material_names_follow_the_layout() -> None:
    # Water is 8 and never lies on top of a road, a crown or a building.
    _, material = make_style_scene(seed=0, number=0, size_px=160)
    assert set(np.unique(material)) <= set(range(len(MATERIALS)))
    assert MATERIALS[7:] == ("road", "water", "crown", "building")
