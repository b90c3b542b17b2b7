"""Configurations are read as data: literals and `dict(...)`, nothing that could run."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from rs_adapt.config.literals import LiteralConfig, parse_literals, read_literals
from rs_adapt.errors import ConfigError, DataNotFound


def parse(text: str, *, file: str = "some.log") -> LiteralConfig:
    return parse_literals(text, file=file, remedy="Copy it again.")


def test_literals_and_dict_calls_are_read() -> None:
    text = "a = dict(b=[1, -2.5, (3, None)], c={'x.y': True, 0: 'z'})\nd = 'text'\ne = float_value = 3\n"
    with pytest.raises(
        ConfigError, match="some.log, line 3: `e = float_value = 3` is refused: it is not an assignment"
    ):
        parse(text)
    assert parse(text.partition("e =")[0]).values == {
        "a": {"b": [1, -2.5, (3, None)], "c": {"x.y": True, 0: "z"}},
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
        "a = dict(b=1, **{})",
        "a = {1.5: 2}",
        "a = 1 + 2j",
        "a = ...",
        "'a text that is no docstring'",
        "a: int = 1",
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
    with pytest.raises(ConfigError, match="line 2: .* is refused: .*nothing in it is executed. Copy it again."):
        parse(f"good = 1\n{hostile}\n")


@pytest.mark.parametrize("text", ["a = dict(b=1", "a = " + "[" * 5000, "a = 1\n  b = 2", "a = " + "-" * 100_000 + "1"])
def test_text_that_is_cut_off_or_too_deep_is_one_error(text: str) -> None:
    with pytest.raises(ConfigError, match=r"some.log"):
        parse(text)


def test_a_configuration_of_megabytes_is_refused() -> None:
    with pytest.raises(ConfigError, match="at most 5000000 are read"):
        parse("a = 1\n" * 1_000_000)


def test_every_key_has_its_line() -> None:
    text = '"""A docstring."""\na = dict(\n  b=[\n    1,\n    (2,\n      {"c d": 3}),\n  ],\n  e=+4)\n'
    config = parse_literals(text, file="config.py", remedy="")
    assert config.values == {"a": {"b": [1, (2, {"c d": 3})], "e": 4}}
    lines = {"a": 2, "a.b": 3, "a.b.0": 4, "a.b.1": 5, "a.b.1.0": 5, "a.b.1.1": 6, "a.b.1.1.c d": 6, "a.e": 8}
    assert config.lines == lines
    assert parse_literals(text, file="x.log", remedy="", first_line=11).lines == {
        key: line + 10 for key, line in lines.items()
    }


def test_numbers_that_are_none_and_sets_are_read() -> None:
    config = parse("a = [inf, -2, nan]\nb = {3, 1}\n")
    assert config.values["a"][:2] == [float("inf"), -2]
    assert math.isnan(config.values["a"][2])
    assert config.values["b"] == [3, 1]


def test_errors_name_the_line_of_the_file() -> None:
    with pytest.raises(ConfigError, match=r"x.log, line 41: `b = open\(1\)` is refused: b is not a literal"):
        parse_literals("a = 1\nb = open(1)\n", file="x.log", remedy="", first_line=40)


def test_a_file_that_is_absent_or_no_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataNotFound, match=r"There is no config .*config.py. Name a run."):
        read_literals(tmp_path / "config.py", remedy="Name a run.")
    (tmp_path / "config.py").write_bytes(b"a = '\xff'")
    with pytest.raises(ConfigError, match=r"config.py cannot be read: .* UTF-8. Name a run."):
        read_literals(tmp_path / "config.py", remedy="Name a run.")
