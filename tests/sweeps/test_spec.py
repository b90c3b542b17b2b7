from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rs_adapt.config.axis_files import FILE_AXES
from rs_adapt.errors import ConfigError
from rs_adapt.sweeps.spec import SWEEP_AXES, SweepFile, read_spec

if TYPE_CHECKING:
    from pathlib import Path

START = 'name = "mine"\nbench = "loveda-da"\n'


def write(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "mine.toml"
    file.write_text(text)
    return file


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('bench = "loveda-da"', "mine.toml: name is missing"),
        ('name = "mine"', "mine.toml: bench is missing: the bench, or a list of them, such as"),
        (START + "sede = [0]", "mine.toml: there is no key sede. Did you mean seed?"),
        (START + 'seed = ["0"]', r"seed is \['0'\]; it must be one or a list of whole numbers"),
        (START + "seed = [0, -1]", "seed is .*; it must be one or a list of whole numbers from 0"),
        (START + "seed = true", "seed is True"),
        (START + "method = []", r"method is \[\]; it must be one or a list of names"),
        (START + "iters = 0", "iters is 0; it must be 1 or larger"),
        (START + 'set = "a=1"', "set is 'a=1'; it must be a list of texts"),
        (START + "retries = -1", "retries is -1; it must be 0 or larger"),
        (START + 'untuned = "yes"', "untuned is 'yes'; it must be true or false"),
        (
            START + '[[skip]]\nreason = "no"',
            "mine.toml: skip 1: no axis is named, so it would skip all cells; allowed are bench,",
        ),
        (START + '[[skip]]\nmethod = "lora"', "skip 1.reason is missing"),
        (START + '[skip]\nmethod = "lora"', r"skip is .*; it must be tables \[\[skip\]\]"),
        (START + "[[include]]\nretries = 2", "there is no key include 1.retries"),
        (
            START + '[[include]]\nname = "With Blanks"',
            "include 1.name is 'With Blanks'; a name consists of lower-case letters",
        ),
        (START + '[launcher]\nkind = "pbs"', "launcher.kind is 'pbs'; allowed are 'local', 'inline' or 'slurm'"),
        (START + '[launcher]\ngpus = "0,1"', "launcher.gpus is '0,1'; it must be a list of numbers"),
        (START + "[launcher]\njobs = 0", "launcher.jobs is 0"),
        (
            START + '[launcher]\ncommand = ["x"]\nprocesses_per_cell = 2',
            "launcher.command is .'x'.; it cannot be combined with",
        ),
        ("name = ", "mine.toml is not valid TOML"),
    ],
)
def test_mistakes_in_a_file_are_named_with_their_key(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_spec(write(tmp_path, text))


def test_error_of_a_missing_file_names_the_folder_of_shipped_ones(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file .*configs/sweep/"):
        read_spec(tmp_path / "none.toml")


def test_an_extra_group_inherits_missing_keys(tmp_path: Path) -> None:
    text = START + (
        'method = ["lora", "rein"]\nseed = [0, 1]\niters = 10\nset = ["optim.lr=1e-3"]\n'
        '[[include]]\nbench = "loveda-dg"\nset = ["optim.weight_decay=0.0"]\nname = "plain"\nuntuned = true\n'
    )
    own, extra = read_spec(write(tmp_path, text)).groups
    assert own.axes == {"bench": ("loveda-da",), "method": ("lora", "rein"), "seed": (0, 1)}
    assert extra.axes == own.axes | {"bench": ("loveda-dg",)}
    assert (extra.name, extra.iters, extra.untuned) == ("plain", 10, True)
    assert extra.set == ("optim.lr=1e-3", "optim.weight_decay=0.0")


def test_the_axes_are_those_with_files_and_those_that_select_among_them() -> None:
    assert {*SWEEP_AXES} - {"setting", "direction", "seed"} == {*FILE_AXES} - {"runtime"}


def test_the_schema_describes_every_key() -> None:
    schema = SweepFile.model_json_schema()
    assert schema["required"] == ["bench", "name"]
    assert {*SWEEP_AXES, "include", "skip", "launcher"} < schema["properties"].keys()
    tables = (schema, *schema["$defs"].values())
    assert all(key["description"] for table in tables for key in table.get("properties", {}).values())
    assert {"type": "string", "minLength": 1} in schema["properties"]["bench"]["anyOf"]
    assert schema["$defs"]["LauncherSpec"]["properties"]["kind"]["enum"] == ["local", "inline", "slurm"]
