from __future__ import annotations

import json
import re

import pytest
from typer.testing import CliRunner

from rs_adapt.api.schemas import file_schemas
from rs_adapt.commands import app
from rs_adapt.config import axes
from rs_adapt.errors import ConfigError, UnknownName


@pytest.mark.parametrize(
    ("axis", "folder"),
    [("methods", "method"), ("backbones", "backbone"), ("heads", "head"), ("strategies", "strategy")],
)
def test_every_value_is_listed_with_its_title(axis: str, folder: str) -> None:
    shown = CliRunner().invoke(app, ["list", axis])
    assert shown.exit_code == 0
    rows = [line.split() for line in shown.stdout.splitlines()]
    for name in axes.values(folder):
        (row,) = [row for row in rows if row and row[0] == name.replace("_", "-")]
        assert row[1:] == axes.title(folder, name).split()


def test_benches_are_listed_by_family() -> None:
    shown = CliRunner().invoke(app, ["list", "benches"])
    assert shown.exit_code == 0
    (loveda,) = [line for line in shown.stdout.splitlines() if line.split()[:1] == ["loveda"]]
    for part in ("da, dg, ss", "r2u (default), u2r", "7: background, building, road"):
        assert part in loveda
    assert "potsdam, vaihingen" in shown.stdout


def test_an_unknown_axis_lists_the_axes() -> None:
    failed = CliRunner().invoke(app, ["list", "datasets"])
    assert failed.exit_code == 2
    assert "benches" in failed.stderr


def test_schemas_are_listed_and_each_is_printed_with_a_description_of_every_field() -> None:
    shown = CliRunner().invoke(app, ["list", "schemas"])
    assert shown.exit_code == 0
    for name in file_schemas():
        assert any(line.split()[:1] == [name] for line in shown.stdout.splitlines())
        printed = CliRunner().invoke(app, ["list", "schemas", name])
        schema = json.loads(printed.stdout)
        assert (printed.exit_code, schema["title"]) == (0, name)
        for table in (schema, *schema.get("$defs", {}).values()):
            for field, facts in table.get("properties", {}).items():
                assert re.search(r"description|\$ref", json.dumps(facts)), f"{name}: {field}"


def test_an_unknown_schema_lists_the_known_ones() -> None:
    failed = CliRunner().invoke(app, ["list", "schemas", "bnch"])
    assert isinstance(failed.exception, UnknownName)
    assert "Did you mean bench?" in str(failed.exception)
    with pytest.raises(ConfigError, match="takes no further name, and 'bench' is given"):
        CliRunner().invoke(app, ["list", "methods", "bench"], catch_exceptions=False)
