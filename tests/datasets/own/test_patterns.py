"""Patterns of names that cost too much, or mean nothing."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from rs_adapt.datasets.own.patterns import Pattern
from rs_adapt.errors import DataError


@pytest.mark.parametrize("text", ["[" * 300_000, "*a" * 20 + "b", "a" * 2000, "[z-a]*", "**/" * 10])
def test_patterns_that_cost_much_or_mean_nothing_are_refused(text: str) -> None:
    with pytest.raises(DataError, match="The pattern"):
        Pattern(text)


def test_a_name_of_labels_has_a_length() -> None:
    with pytest.raises(DataError, match=r"labels\.name has 300000 characters"):
        Pattern("*.tif").fill("[" * 300_000, PurePosixPath("a.tif"))


def test_patterns_in_use_are_read() -> None:
    assert Pattern("**/img/*_[a-c]?_*/*.tif").match(PurePosixPath("x/img/a_b1_c/d.tif")) is not None
