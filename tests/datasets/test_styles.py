from __future__ import annotations

import itertools

import numpy as np

from rs_adapt.datasets.synthetic import REGIONS, make_style_scene
from rs_adapt.datasets.synthetic.styles import LEAST_APART, look_apart, random_region


def test_no_style_looks_like_a_region_of_the_bench() -> None:
    rng = np.random.default_rng(0)
    regions = [random_region(rng, f"style{i}") for i in range(100)]
    nearest = min(look_apart(region, known) for region in regions for known in REGIONS.values())
    assert nearest > LEAST_APART
    # They differ from each other too: as much as from the bench's.
    apart = [look_apart(a, b) for a, b in itertools.pairwise(regions)]
    assert np.median(apart) > LEAST_APART


def test_distance_of_looks_is_a_mean_over_materials_and_bands() -> None:
    north = REGIONS["north"]
    assert look_apart(north, north) == 0
    assert look_apart(north, REGIONS["south"]) == look_apart(REGIONS["south"], north) > 0


def test_scenes_of_a_style_are_functions_of_seed_and_number() -> None:
    image, material = make_style_scene(seed=0, number=3, size_px=96)
    again, _ = make_style_scene(seed=0, number=3, size_px=96)
    other, _ = make_style_scene(seed=0, number=4, size_px=96)
    assert np.array_equal(image, again)
    assert not np.array_equal(image, other)
    assert (image.shape, material.shape) == ((96, 96, 3), (96, 96))
    assert image.min() >= 1
