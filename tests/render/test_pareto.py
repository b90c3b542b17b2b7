"""Points in the plane whose front can be seen by eye."""

from __future__ import annotations

import random
import re

import pytest

from rs_adapt.render.pareto import ParetoPoint, pareto_front, pareto_plot


def test_the_front_of_points_in_the_plane() -> None:
    points = {"best in x": (0, 9), "corner": (2, 2), "beaten": (3, 3), "beaten in one": (2, 4), "best in y": (9, 0)}
    assert pareto_front(points) == ["best in x", "corner", "best in y"]


def test_equal_points_do_not_beat_each_other() -> None:
    assert pareto_front({"a": (1, 1), "b": (1, 1), "c": (1, 2)}) == ["a", "b"]


def test_one_or_no_point() -> None:
    assert pareto_front({"a": (5, 5)}) == ["a"]
    assert pareto_front({}) == []


def test_who_is_left_out_is_beaten_by_somebody_in_the_front_and_nobody_in_it_is() -> None:
    points = {str(number): (random.randrange(20), random.randrange(20), random.randrange(20)) for number in range(80)}
    front = {points[name] for name in pareto_front(points)}
    assert 1 < len(front) < 80

    def beaten(point: tuple[int, ...]) -> bool:
        return any(rival != point and all(a <= b for a, b in zip(rival, point, strict=True)) for rival in front)

    assert all(beaten(point) == (point not in front) for point in points.values())


def test_points_of_a_pareto_plot() -> None:
    front = [
        ParetoPoint(name="frozen", x=0, y=50, on_front=True),
        ParetoPoint(name="<lora>", x=1000, y=60, on_front=True),
    ]
    svg = pareto_plot([*front, ParetoPoint(name="full", x=100000, y=55)], x_label="x", y_label="y", alt="a")
    assert svg.count('class="best"') == 2
    assert svg.count('class="other"') == 1
    assert "&lt;lora&gt;" in svg
    found = {name: (float(x), float(y)) for x, y, name in re.findall(r'x="([\d.]+)" y="([\d.]+)">([^<]+)</text>', svg)}
    assert found["frozen"][0] < found["&lt;lora&gt;"][0] < found["full"][0]


def test_error_bars_and_the_reference_are_at_their_values() -> None:
    points = [
        ParetoPoint(name="frozen", x=0, y=10, y_range=(8, 14), is_reference=True),
        ParetoPoint(name="lora", x=1000, y=20, y_range=(20, 20)),
    ]
    svg = pareto_plot(points, x_label="x", y_label="y", alt="a")
    (bar,) = re.findall(r'class="error" d="M([\d.]+) ([\d.]+)V([\d.]+)"/><rect class="reference"', svg)
    (square,) = re.findall(r'<rect class="reference" x="([\d.]+)" y="([\d.]+)"', svg)
    (level,) = re.findall(r'<path class="reference" d="M\d+ ([\d.]+)H', svg)
    x, top, bottom = map(float, bar)
    assert float(square[0]) + 4 == x
    assert float(square[1]) + 4 == float(level)
    # 10 lies a third of the way from 8 to 14.
    assert (bottom - float(level)) / (bottom - top) == pytest.approx(1 / 3, abs=0.01)
    assert svg.count("<circle") == 1


def test_names_of_a_crowd_do_not_overlap() -> None:
    points = [ParetoPoint(name=f"method {k}", x=1000 + 10 * k, y=50 + 0.1 * k) for k in range(6)]
    svg = pareto_plot(points, x_label="x", y_label="y", alt="a")
    places = [(float(x), float(y)) for x, y in re.findall(r'class="name" x="([\d.]+)" y="([\d.]+)"', svg)]
    for number, (x, y) in enumerate(places):
        for other_x, other_y in places[:number]:
            assert abs(x - other_x) > 50 or abs(y - other_y) >= 12


def test_there_is_no_plot_without_points() -> None:
    assert pareto_plot([], x_label="", y_label="", alt="") == ""
