"""Points in the plane whose front can be seen by eye."""

from __future__ import annotations

import random

from rs_adapt.cost.pareto import non_dominated


def test_the_front_of_points_in_the_plane() -> None:
    points = {"best in x": (0, 9), "corner": (2, 2), "beaten": (3, 3), "beaten in one": (2, 4), "best in y": (9, 0)}
    assert non_dominated(points) == ["best in x", "corner", "best in y"]


def test_equal_points_do_not_beat_each_other() -> None:
    assert non_dominated({"a": (1, 1), "b": (1, 1), "c": (1, 2)}) == ["a", "b"]


def test_one_or_no_point() -> None:
    assert non_dominated({"a": (5, 5)}) == ["a"]
    assert non_dominated({}) == []


def test_who_is_left_out_is_beaten_by_somebody_in_the_front_and_nobody_in_it_is() -> None:
    points = {str(number): (random.randrange(20), random.randrange(20), random.randrange(20)) for number in range(80)}
    front = {points[name] for name in non_dominated(points)}
    assert 1 < len(front) < 80

    def beaten(point: tuple[int, ...]) -> bool:
        return any(rival != point and all(a <= b for a, b in zip(rival, point, strict=True)) for rival in front)

    assert all(beaten(point) == (point not in front) for point in points.values())
