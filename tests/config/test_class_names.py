"""Names of classes that cannot be shown or told apart are refused where they are read."""

from __future__ import annotations

import pytest

from rs_adapt.config.class_names import check_class_names
from rs_adapt.errors import ConfigError


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["road", ""], "f.toml: a class is named ''; give every class a name"),
        (["road", "  "], "a class is named '  '"),
        (["road", 7], "a class is named 7"),
        (["road", "road"], "class holds a name twice: 'road' and 'road'"),
        (["road", " road "], "class holds a name twice: 'road' and ' road '"),
        (["Bare soil", "bare-soil"], "class holds a name twice"),
        (["caf\u00e9", "cafe\u0301"], "class holds a name twice"),
        (["road", "wa\x1b[31mter"], r"holds the control character U\+001B"),
        (["road", "wa\nter"], r"holds the control character U\+000A"),
        (["road", "wa\u202eter"], r"holds the control character U\+202E"),
        (["road", "wa\u2028ter"], r"holds the control character U\+2028"),
        (["road", "\ud800"], r"holds the control character U\+D800"),
        (["road", "x" * 101], "has 101 characters; at most 100 are allowed"),
    ],
)
def test_names_that_are_refused(names: list[object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_class_names(names, "f.toml")


def test_names_of_any_script_and_with_markup_are_fine() -> None:
    check_class_names(["road [paved]", r"$\\frac{$", "Straße", "水", "می‌خواهم", "=1+1", "a,b", "[/red]"], "f.toml")
