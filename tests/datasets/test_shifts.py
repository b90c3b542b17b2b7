"""Pairs of regions: fixed draws, differences that are those of the factors alone, and a bench that states them."""

from __future__ import annotations

from dataclasses import fields

import pytest

from rs_adapt.config import axes
from rs_adapt.datasets.synthetic import FACTORS, PAIRS, REGIONS, ShiftedPair, make_scene, region_named, shifted_pair
from rs_adapt.datasets.synthetic.shifts import LEAST_FACTORS
from rs_adapt.datasets.synthetic.styles import LEAST_APART, look_apart
from rs_adapt.errors import ConfigError

NAMES = [(kind, number) for kind in ("dev", "test") for number in range(1, PAIRS + 1)]
PLACE = {"name", "origin_m"}
# Which of a region's values a factor may change.
OWNED = {
    "season": {"ground", "crown", "water", "trees"},
    "pixel size": {"gsd_m"},
    "haze and sun": {"haze", "haze_rgb", "sun_azimuth_deg", "sun_elevation_deg"},
    "sensor": {"gain", "blur_px", "noise"},
    "buildings": {"roofs", "pitched_share", "house_m", "hall_m", "house_gap_m", "height_m"},
    "class shares": {"town_share", "river_share", "river_m", "blocks", "parcels", "parcel_m"},
    "roads": {"street_pattern", "block_m", "street_m", "main_road_m", "road", "road_wear", "markings"},
}


def differences(pair: ShiftedPair) -> set[str]:
    names = {field.name for field in fields(pair.source)}
    return {name for name in names if getattr(pair.source, name) != getattr(pair.target, name)}


def test_a_pair_differs_in_its_factors_and_in_nothing_else() -> None:
    assert OWNED.keys() == FACTORS.keys()
    for kind, number in NAMES:
        pair = shifted_pair(kind, number)
        assert len(pair.factors) >= LEAST_FACTORS
        assert differences(pair) == PLACE.union(*(OWNED[factor] for factor in pair.factors)), (kind, number)


def test_every_factor_occurs_in_both_sets_and_pixels_differ_by_up_to_two() -> None:
    for kind in ("dev", "test"):
        pairs = [shifted_pair(kind, number) for number in range(1, PAIRS + 1)]
        assert {factor for pair in pairs for factor in pair.factors} == set(FACTORS)
        ratios = [pair.target.gsd_m / pair.source.gsd_m for pair in pairs if "pixel size" in pair.factors]
        assert all(1.2 < max(ratio, 1 / ratio) < 2.05 for ratio in ratios)


def test_pairs_are_fixed_and_no_two_are_alike() -> None:
    sources = [shifted_pair(kind, number).source for kind, number in NAMES]
    for (kind, number), source in zip(NAMES, sources, strict=True):
        shifted_pair.cache_clear()
        assert shifted_pair(kind, number).source == source
        # Nor does one look like the regions of the synthetic bench.
        assert min(look_apart(source, known) for known in REGIONS.values()) > LEAST_APART
    assert len({source.roofs for source in sources}) == len(NAMES)


def test_scenes_of_source_and_target_have_layouts_of_their_own() -> None:
    pair = shifted_pair("dev", 1)
    regions = (pair.source, pair.target)
    labels = [make_scene(region, seed=0, split="test", number=0, size_px=96)[1] for region in regions]
    assert (labels[0] != labels[1]).mean() > 0.2


def test_regions_are_found_by_name() -> None:
    assert region_named("south") is REGIONS["south"]
    assert region_named("test6_target") == shifted_pair("test", 6).target
    assert region_named("dev2_source") == shifted_pair("dev", 2).source


@pytest.mark.parametrize("name", ["", "west", "dev7_source", "dev0_target", "dev1", "dev1_side", "test01_source"])
def test_a_region_that_does_not_exist_is_refused(name: str) -> None:
    with pytest.raises(
        ConfigError, match=r"no synthetic region .* Allowed: north, south, coarse_south, and dev1_source"
    ):
        region_named(name)


@pytest.mark.parametrize(("kind", "number"), [("val", 1), ("dev", 0), ("test", PAIRS + 1)])
def test_a_pair_that_does_not_exist_is_refused(kind: str, number: int) -> None:
    with pytest.raises(ConfigError, match="pairs are dev1 to dev6 and test1 to test6"):
        shifted_pair(kind, number)


def test_the_bench_states_the_pixels_and_factors_that_are_drawn() -> None:
    for kind, number in NAMES:
        pair, facts = shifted_pair(kind, number), axes.bench_facts(f"shifts_{kind}{number}")
        assert facts["title"] == f"Drawn shift {kind}{number}: {', '.join(pair.factors)}"
        for role, region in (("source", pair.source), ("target", pair.target)):
            assert facts[role]["region"] == region.name  # type: ignore[literal-required]
            assert facts[role]["gsd_m"] == region.gsd_m  # type: ignore[literal-required]
        assert facts["prepare"] is not None
        assert facts["prepare"]["regions"] == [pair.source.name, pair.target.name]
