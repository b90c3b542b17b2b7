from __future__ import annotations

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
        ((), ()),
    ],
)
def test_words_for_layers_are_resolved(value: Any, expected: tuple[int, ...]) -> None:
    assert words.resolve_layers(value, depth=24, key="k") == expected


@pytest.mark.parametrize("value", ["first 25", "middle 3", "first", (24,), (-1,), (1, 1), (True,), 3, None])
def test_wrong_words_for_layers_are_refused(value: Any) -> None:
    with pytest.raises(ConfigError, match=r"^k is .*'first N' or 'last N' with N up to 24"):
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
