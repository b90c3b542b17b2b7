"""Configurations are read as data: literals and `dict(...)`, nothing that could run."""

from __future__ import annotations

import pytest

from rs_adapt.audit.verify.config_text import MISSING, Tree, parse_config
from rs_adapt.errors import ConfigError


def test_literals_and_dict_calls_are_read() -> None:
    text = "a = dict(b=[1, -2.5, (3, None)], c={'x.y': True, 0: 'z'})\nd = 'text'\ne = float_value = 3\n"
    with pytest.raises(ConfigError, match="line 3 .*`e = float_value = 3` is refused"):
        parse_config(text, where="log")
    assert parse_config(text.partition("e =")[0], where="log") == {
        "a": {"b": [1, -2.5, [3, None]], "c": {"x.y": True, 0: "z"}},
        "d": "text",
    }


@pytest.mark.parametrize(
    "hostile",
    [
        "a = __import__('os').system('touch hacked')",
        "import os",
        "a = open('x').read()",
        "a = [one for one in range(9)]",
        "a = dict([('b', 1)])",
        "a = dict(**other)",
        "a = {**other}",
        "a = dict(type=list)",
        "a = f'{print(1)}'",
        "a = 'x' * 10**9",
        "a.b = 1",
        "def f(): pass",
        "a = (lambda: 1)()",
        "_base_ = other",
        "a = b'bytes' + b''",
    ],
)
def test_anything_that_could_run_is_refused(hostile: str) -> None:
    with pytest.raises(ConfigError, match="a log is read, never run"):
        parse_config(f"good = 1\n{hostile}\n", where="some.log")


@pytest.mark.parametrize("text", ["a = dict(b=1", "a = " + "[" * 5000, "a = 1\n  b = 2", "a = " + "-" * 100_000 + "1"])
def test_text_that_is_cut_off_or_too_deep_is_one_error(text: str) -> None:
    with pytest.raises(ConfigError, match=r"some.log"):
        parse_config(text, where="some.log")


def test_a_configuration_of_megabytes_is_refused() -> None:
    with pytest.raises(ConfigError, match="at most 5000000 are read"):
        parse_config("a = 1\n" * 1_000_000, where="some.log")


def test_tree_counts_what_nobody_asked_for() -> None:
    pipeline = [{"type": "RandomCrop", "crop_size": [4, 4]}]
    tree = Tree({"pipeline": pipeline, "data": {"pipeline": pipeline.copy(), "n": 2}, "lr": 1.0, "extra": {}})
    assert tree.at("data", "pipeline", 0, "crop_size") == [4, 4]
    assert tree.at("data", "missing") is MISSING
    # The variable `pipeline` at the top is a copy of what the data hold.
    assert tree.unasked() == {"data.pipeline.0.type": "RandomCrop", "data.n": 2, "lr": 1.0, "extra": {}}
    tree.at("data")
    assert tree.unasked() == {"lr": 1.0, "extra": {}}
