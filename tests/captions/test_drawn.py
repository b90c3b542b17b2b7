"""The drawn bench: its texts are true and false of the facts of their tiles, and the same seed draws the same."""

from __future__ import annotations

from typing import Any

import numpy as np

from rs_adapt.captions.drawn import _MAKERS, COVERS, KINDS_OF_ITEMS
from rs_adapt.pretraining.captioned import SeenObject, TileFacts


def seen(kind: str, colour: str, x: float, number: int) -> SeenObject:
    return SeenObject(kind=kind, colour=colour, roof="", size="", x=x, y=30.0, number=number)


def facts(*objects: SeenObject, shares: dict[str, float] | None = None) -> TileFacts:
    object_HW = np.zeros((64, 64), np.uint16)
    for one in objects:
        object_HW[28:32, int(one.x) : int(one.x) + 4] = one.number
    return TileFacts(
        shares=shares or {"meadow": 1.0},
        objects=objects,
        uncountable=frozenset(),
        season="summer",
        material_HW=np.zeros((64, 64), np.uint8),
        object_HW=object_HW,
    )


def made(kind: str, given: TileFacts) -> list[Any]:
    return [tuple(texts) for texts in _MAKERS[kind](np.random.default_rng(0), given)]


PAIR = facts(seen("house", "red", 10, 1), seen("boat", "white", 40, 2))


def test_relations_are_turned_around_or_exchanged() -> None:
    found = dict(made("relation", PAIR))
    assert found.keys() == {"a red house left of a white boat", "a white boat right of a red house"}
    assert found["a red house left of a white boat"] in (
        "a red house right of a white boat",
        "a white boat left of a red house",
    )
    # With a second house on the other side, either order is true.
    assert made("relation", facts(*PAIR.objects, seen("house", "red", 58, 3))) == []


def test_colours_are_exchanged_only_where_that_is_false() -> None:
    assert ("a red house and a white boat", "a white house and a red boat") in made("attribute", PAIR)
    assert made("attribute", facts(*PAIR.objects, seen("house", "white", 58, 3), seen("boat", "red", 2, 4))) == []


def test_replaced_words_are_not_on_the_tile() -> None:
    assert all(false != "a white boat" for _, false in made("colour", PAIR))
    assert all(false not in ("a house", "a boat") for _, false in made("object", PAIR))
    assert len(made("object", PAIR)) == 2


def test_the_main_cover_stands_among_all_covers() -> None:
    (texts,) = made("zero_shot", facts(shares={"water": 0.7, "meadow": 0.3}))
    assert texts[0] == "water"
    assert sorted(texts) == sorted(COVERS)
    assert made("zero_shot", facts(shares={"water": 0.5, "meadow": 0.5})) == []
    assert set(_MAKERS) == set(KINDS_OF_ITEMS)
