"""Tiles with captions: functions of seed and number, true, and without what training leaves out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import ndimage

from rs_adapt.datasets.synthetic import PAIRS, REGIONS, shifted_pair
from rs_adapt.datasets.synthetic.styles import look_apart
from rs_adapt.language.token_rows import unknown_words
from rs_adapt.pretraining.captioned import (
    HELD_OUT_KINDS,
    HELD_OUT_PAIRS,
    KINDS,
    TRAINING_KINDS,
    CaptionedTile,
    CaptionedTiles,
    Claim,
)
from rs_adapt.pretraining.captioned.facts import cover_of
from rs_adapt.pretraining.captioned.objects import draw_stamp, paint_stamp
from rs_adapt.pretraining.captioned.styles import draw_style_scene
from rs_adapt.pretraining.captioned.vocabulary import training_ids
from rs_adapt.pretraining.captioned.words import COVER_PHRASES, KIND_WORDS
from rs_adapt.pretraining.crops import MATERIALS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rs_adapt.pretraining.captioned import Described, SeenObject

NUMBER = 600


@pytest.fixture(scope="module")
def source() -> CaptionedTiles:
    return CaptionedTiles(seed=7, split="train", num_scenes=4, scene_px=160)


@pytest.fixture(scope="module")
def tiles(source: CaptionedTiles) -> list[CaptionedTile]:
    return [source.tile(number) for number in range(NUMBER)]


def test_a_tile_is_a_function_of_seed_and_number(source: CaptionedTiles, tiles: list[CaptionedTile]) -> None:
    again = CaptionedTiles(seed=7, split="train", num_scenes=4, scene_px=160)
    for number in (0, 5, 11):
        same = again.tile(number)
        assert np.array_equal(same.image_HW3, tiles[number].image_HW3)
        assert same.caption == tiles[number].caption
    images, captions = source.batch(3, 4)
    assert (images.shape, images.dtype) == ((4, 3, 64, 64), np.float32)
    assert captions == [tile.caption.text for tile in tiles[3:7]]
    assert images.min() >= 0
    assert images.max() <= 255
    assert len({tile.caption.text for tile in tiles}) > 0.9 * NUMBER
    other = CaptionedTiles(seed=8, split="train", num_scenes=1, scene_px=160)
    assert not np.array_equal(other.tile(0).image_HW3, tiles[0].image_HW3)


def test_every_claim_of_a_caption_is_true_of_the_maps(tiles: list[CaptionedTile]) -> None:
    checked: dict[str, int] = {}
    for tile in tiles:
        assert tile.caption.claims
        for claim in tile.caption.claims:
            assert is_true(claim, tile), (claim, tile.caption.text)
            checked[claim.says] = checked.get(claim.says, 0) + 1
    frequent = {"cover", "exists", "count", "buildings", "left of", "above", "next to", "beside", "season"}
    assert min(checked.get(says, 0) for says in frequent) >= 5
    assert checked["between"] >= 1


def is_true(claim: Claim, tile: CaptionedTile) -> bool:
    """Check a claim on the maps of a tile, written without the grammar's own functions."""
    facts = tile.facts
    season, size = facts.season, facts.material_HW.size
    if claim.says == "season":
        return claim.value == season
    if claim.says in ("cover", "forest"):
        # The map knows no stamped objects: they can only have hidden some of the cover.
        names = COVER_PHRASES[claim.value] if claim.says == "cover" else {"trees"}
        numbers = [index for index, material in enumerate(MATERIALS) if cover_of(material, season) in names]
        return float(np.isin(facts.material_HW, numbers).sum()) / size >= claim.share > 0
    if claim.says == "buildings":
        return sum(seen.kind in ("house", "warehouse", "building") for seen in facts.objects) == int(claim.value)
    groups = [[seen for seen in facts.objects if answers(described, seen)] for described in claim.of]
    if claim.says == "exists":
        return len(groups[0]) > 0
    if claim.says == "count":
        return len(groups[0]) == int(claim.value)
    if claim.says == "beside":
        numbers = [index for index, material in enumerate(MATERIALS) if cover_of(material, season) == claim.value]
        cover_HW = np.isin(facts.material_HW, numbers)
        far_HW = ndimage.distance_transform_cdt(~cover_HW, "chessboard")
        return any(far_HW[facts.object_HW == seen.number].min() <= 3 for seen in groups[0])
    return any(holds(claim.says, objects, facts.object_HW) for objects in combinations(groups))


def combinations(groups: Sequence[list[SeenObject]]) -> list[tuple[SeenObject, ...]]:
    found: list[tuple[SeenObject, ...]] = [()]
    for group in groups:
        found = [(*before, seen) for before in found for seen in group if seen not in before]
    return found


def answers(described: Described, seen: SeenObject) -> bool:
    own = {"colour": seen.colour, "size": seen.size, "roof": seen.roof}
    said = {"colour": described.colour, "size": described.size, "roof": described.roof}
    assert not described.noun or described.noun in KIND_WORDS[described.kind]
    return described.kind == seen.kind and all(own[name] == word for name, word in said.items() if word)


def holds(says: str, objects: tuple[SeenObject, ...], object_HW: np.ndarray) -> bool:
    x, y = [[getattr(seen, at) for seen in objects] for at in ("x", "y")]
    if says == "between":
        angle = np.angle(complex(x[1] - x[0], y[1] - y[0]) / complex(x[2] - x[0], y[2] - y[0]), deg=True)
        return bool(abs(angle) > 140)
    if says == "next to":
        far_HW = ndimage.distance_transform_cdt(object_HW != objects[0].number, "chessboard")
        return bool(far_HW[object_HW == objects[1].number].min() <= 4)
    places = {
        "in the middle": abs(x[0] - 32) < 11 and abs(y[0] - 32) < 11,
        "on the left": x[0] < 22,
        "on the right": x[0] > 42,
        "at the top": y[0] < 22,
        "at the bottom": y[0] > 42,
    }
    if says in places:
        return places[says]
    ahead = {"left of": x[-1] - x[0], "right of": x[0] - x[-1], "above": y[-1] - y[0], "below": y[0] - y[-1]}[says]
    return bool(ahead >= 10 and ahead >= max(abs(x[-1] - x[0]), abs(y[-1] - y[0])) - 1e-9)


def test_what_is_held_out_is_never_said(tiles: list[CaptionedTile]) -> None:
    pairs = [
        rf"\b{word} (\w+ )?{noun}\b" for word, kind in HELD_OUT_PAIRS for noun in KIND_WORDS[kind] if word != "small"
    ]
    forbidden = re.compile("|".join([*HELD_OUT_KINDS, *pairs]))
    known_R = training_ids()
    for tile in tiles:
        assert not forbidden.search(tile.caption.text), tile.caption.text
        for claim in tile.caption.claims:
            for described in claim.of:
                assert described.kind in TRAINING_KINDS
                said = {(word, described.kind) for word in (described.colour, described.size, described.roof) if word}
                assert not said & HELD_OUT_PAIRS
    every = " ".join(tile.caption.text for tile in tiles)
    assert unknown_words(known_R, every) == ()
    assert unknown_words(known_R, " ".join(HELD_OUT_KINDS)) == HELD_OUT_KINDS
    # Both words of a pair are known from other captions, and the pair can be drawn.
    assert all(word in every for word, _ in HELD_OUT_PAIRS)
    assert {kind for _, kind in HELD_OUT_PAIRS} <= set(TRAINING_KINDS)


def test_held_out_kinds_can_be_drawn_for_tests() -> None:
    source = CaptionedTiles(seed=0, split="val", num_scenes=1, scene_px=160, kinds=HELD_OUT_KINDS)
    seen = {one.kind for number in range(40) for one in source.tile(number).facts.objects}
    assert set(HELD_OUT_KINDS) <= seen
    assert all(kind not in source.tile(number).caption.text for number in range(40) for kind in HELD_OUT_KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_objects_have_the_size_that_they_state(kind: str) -> None:
    stamp = draw_stamp(np.random.default_rng(1), kind, 32.0, 32.0)
    window, covered, rgb = paint_stamp(stamp, 64)
    box = 4 * stamp.half_long * stamp.half_wide
    assert 0.7 * box < covered.sum() < 1.06 * box
    assert covered.max() == 1
    middle = np.array([window[0].start + np.nonzero(covered > 0.5)[0].mean(), 0])[0]
    assert middle == pytest.approx(31.5, abs=1)
    assert 0 <= rgb.min() <= rgb.max() <= 330


def test_styles_keep_away_from_the_regions_of_the_benches() -> None:
    regions = [
        region
        for kind in ("dev", "test")
        for number in range(1, PAIRS + 1)
        for region in (shifted_pair(kind, number).source, shifted_pair(kind, number).target)
    ]
    for number in range(3):
        scene = draw_style_scene(seed=0, split="train", number=number, size_px=96)
        assert all(look_apart(scene.region, known) > 14 for known in REGIONS.values())
        assert all(look_apart(scene.region, known) > 8 for known in regions)
        validation = draw_style_scene(seed=0, split="val", number=number, size_px=96)
        assert look_apart(scene.region, validation.region) > 0
