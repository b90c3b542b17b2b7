"""Where objects of a tile lie: relations of captions, as conditions on middles and masks."""

from __future__ import annotations

import numpy as np

from rs_adapt.pretraining.captioned.facts import TILE_PX, SeenObject, TileFacts, touches
from rs_adapt.pretraining.captioned.words import OPPOSITES

# Pixels by which middles lie apart in a relation, at most apart in "next to", and the cosine of "between".
APART_PX, NEAR_PX, BETWEEN = 10.0, 4, -0.8


def related(facts: TileFacts, relation: str, one: SeenObject, other: SeenObject) -> bool:
    """Return whether `one` is in a relation of `RELATIONS` to `other`."""
    dx, dy = other.x - one.x, other.y - one.y
    if relation == "next to":
        return touches(facts.object_HW == one.number, facts.object_HW == other.number, NEAR_PX)
    if relation in OPPOSITES.values():
        opposite = next(word for word, contrary in OPPOSITES.items() if contrary == relation)
        return related(facts, opposite, other, one)
    ahead, aside = (dx, dy) if relation == "left of" else (dy, dx)
    return ahead >= APART_PX and ahead >= abs(aside)


def lies_between(one: SeenObject, middle: SeenObject, other: SeenObject) -> bool:
    """Return whether `middle` lies between two objects: they are in nearly opposite directions from it."""
    a, b = (np.array([end.x - middle.x, end.y - middle.y]) for end in (one, other))
    lengths = float(np.linalg.norm(a)), float(np.linalg.norm(b))
    return float(a @ b) <= BETWEEN * lengths[0] * lengths[1] and min(lengths) > 4


def in_place(seen: SeenObject, place: str) -> bool:
    """Return whether an object is in a place of `PLACES`: thirds of the tile."""
    x, y = seen.x / TILE_PX, seen.y / TILE_PX
    is_middle = abs(x - 0.5) < 1 / 6, abs(y - 0.5) < 1 / 6
    at = {
        "in the middle": all(is_middle),
        "on the left": x < 1 / 3,
        "on the right": x > 2 / 3,
        "at the top": y < 1 / 3,
        "at the bottom": y > 2 / 3,
    }
    return at[place]
