from __future__ import annotations

import math
from typing import Any

import pytest

from rs_adapt.config import words
from rs_adapt.errors import ConfigError


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("first 3", (0, 1, 2)),
        ("last 3", (21, 22, 23)),
        ("last 24", tuple(range(24))),
        ("first 0", ()),
        ((5, 2), (2, 5)),
        ([0], (0,)),
        ("all", tuple(range(24))),
        ((), ()),
    ],
)
def test_words_for_layers_are_resolved(value: Any, expected: tuple[int, ...]) -> None:
    assert words.resolve_layers(value, depth=24, key="k") == expected


@pytest.mark.parametrize("value", ["first 25", "middle 3", "first", (24,), (-1,), (1, 1), (True,), 3, None])
def test_wrong_words_for_layers_are_refused(value: Any) -> None:
    with pytest.raises(ConfigError, match=r"^k is .*'all', 'first N' or 'last N' with N up to 24"):
        words.resolve_layers(value, depth=24, key="k")


@pytest.mark.parametrize(("value", "expected"), [(0, 0), (4000, 4000), ("20%", 4000), ("0.5 %", 100), ("100%", 20000)])
def test_words_for_durations_are_resolved(value: Any, expected: int) -> None:
    assert words.resolve_duration(value, total_iters=20000, key="k") == expected


def test_duration_rounds_down() -> None:
    assert words.resolve_duration("20%", total_iters=9, key="k") == 1


@pytest.mark.parametrize("value", [-1, "20", "a fifth", 0.2, None, True])
def test_wrong_words_for_durations_are_refused(value: Any) -> None:
    with pytest.raises(ConfigError, match=r"^k is .*a percentage such as '20%'"):
        words.resolve_duration(value, total_iters=20000, key="k")


@pytest.mark.parametrize(
    ("value", "iters", "expected"),
    [
        # Published values, from the length of their schedules on.
        ("0.99 at 20000", 20_000, 0.99),
        ("0.999 at 20000", 40_000, 0.999),
        # The same half-life as a share of the schedule: 68.97 of 20 000 iterations, 1.379 of 400.
        ("0.99 at 20000", 400, 0.99**50),
        (".999 at 20000", 400, 0.999**50),
        # Numbers are taken as they are.
        (0.99, 400, 0.99),
        (0, 400, 0),
    ],
)
def test_a_decay_keeps_its_half_life_as_a_share_of_the_schedule(
    value: float | str, iters: int, expected: float
) -> None:
    decay = words.resolve_decay(value, total_iters=iters, key="k")
    assert decay == pytest.approx(expected, rel=1e-12)
    if expected == 0.99**50:
        assert math.log(0.5) / math.log(decay) / iters == pytest.approx(math.log(0.5) / math.log(0.99) / 20_000)


@pytest.mark.parametrize("value", ["0.99", "1.5 at 20000", "0.99 at 0", "0.99 at", "slow", None, True, [0.9]])
def test_what_is_no_decay_is_refused(value: Any) -> None:
    with pytest.raises(ConfigError, match=r"k is .*\. Allowed: a number from 0 to below 1, or .*'0.99 at 20000'"):
        words.resolve_decay(value, total_iters=400, key="k")


@pytest.mark.parametrize(("value", "expected"), [("60%", 0.6), ("0.5 %", 0.005), ("100%", 1.0)])
def test_shares_of_sure_pixels_are_resolved(value: str, expected: float) -> None:
    assert words.resolve_sure_share(value, key="k") == expected


@pytest.mark.parametrize("value", ["0%", "100.1%", "0.6", "half", "-1%"])
def test_wrong_shares_of_sure_pixels_are_refused(value: str) -> None:
    with pytest.raises(ConfigError, match=r"^k is .*a probability from 0 to 1, .*or the share .* such as '60%'"):
        words.resolve_sure_share(value, key="k")


def test_temperatures_are_numbers_above_0_or_auto() -> None:
    for value in (0.01, 1, "auto"):
        words.check_temperature(value, key="k")
    for wrong in (0, -0.1, "cold", "0.1", None, True, math.inf):
        with pytest.raises(ConfigError, match=r"^k is .*; it must be .*larger than 0, or 'auto'"):
            words.check_temperature(wrong, key="k")


@pytest.mark.parametrize(("value", "expected"), [("25%", 0.25), ("0.5 %", 0.005), ("100%", 1.0)])
def test_percentages_are_shares(value: str, expected: float) -> None:
    assert words.resolve_share(value, key="k") == expected


@pytest.mark.parametrize("value", ["0%", "101%", "a quarter", "25"])
def test_wrong_percentages_are_refused(value: str) -> None:
    with pytest.raises(ConfigError, match=r"^k is .*above 0% and up to 100%"):
        words.resolve_share(value, key="k")
