"""What the command line may load: help, lists and configs work without torch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

STORED_RUN = Path(__file__).parent / "runs" / "stored_0_1_0" / "finished"
HEAVY = ("torch", "mmcv", "mmseg", "rasterio", "transformers")

SCRIPT = """
import contextlib, io, json, sys
from rs_adapt.commands import main
for arguments in json.loads(sys.argv[1]):
    shown, code = io.StringIO(), 0
    try:
        with contextlib.redirect_stdout(shown):
            main(arguments)
    except SystemExit as stop:
        code = stop.code or 0
    print(json.dumps({"code": code, "characters": len(shown.getvalue()), "modules": sorted(sys.modules)}))
"""


def loaded_by(*commands: list[str]) -> list[set[str]]:
    """Return the modules that are loaded after each command, all run one after the other in a process of their own."""
    command = [sys.executable, "-c", SCRIPT, json.dumps(commands)]
    run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    reports = [json.loads(line) for line in run.stdout.splitlines()]
    assert len(reports) == len(commands)
    assert [report["code"] for report in reports] == [0] * len(commands)
    assert all(report["characters"] > 0 for report in reports)
    assert run.stderr == ""
    return [set(report["modules"]) for report in reports]


def test_reading_configs_loads_no_torch() -> None:
    commands = [
        ["list", "benches"],
        ["list", "methods"],
        ["data", "list"],
        ["data", "fetch", "synthetic"],
        ["weights", "list"],
        ["show", "--bench", "loveda-da"],
        ["lint", "--bench", "loveda-da", "--no-data"],
        ["show", "--bench", "isprs-dg", "--direction", "v2p", "--json"],
        ["sweep", "synthetic_all", "--dry-run"],
    ]
    for arguments, loaded in zip(commands, loaded_by(*commands), strict=True):
        assert not loaded & set(HEAVY), arguments


def test_reading_a_run_loads_no_torch(tmp_path: Path) -> None:
    run = str(STORED_RUN)
    commands = [
        ["verify", run, "--against", run],
        ["compare", run, run],
        ["score", run],
        ["report", run, "--out", str(tmp_path / "report")],
        # Last, as it composes the cell, for which mmengine's Config is loaded, and nothing below it.
        ["lint", run, "--no-data"],
    ]
    for arguments, loaded in zip(commands, loaded_by(*commands), strict=True):
        allowed = {"mmengine"} if arguments[0] == "lint" else set()
        assert not loaded & ({*HEAVY, "mmengine"} - allowed), arguments


def test_stored_scores_are_read_without_torch(tmp_path: Path) -> None:
    import numpy as np

    from rs_adapt.scores.per_image import PerImage

    counts = np.random.default_rng(0).integers(0, 99, (3, 2, 2))
    names = {"tiles": ("a", "b", "c"), "scenes": ("", "", ""), "cities": ("", "", ""), "classes": ("x", "y")}
    PerImage(**names, counts_NKK=counts, facts={"split": "north test"}).save(tmp_path / "x.npz")
    file = str(tmp_path / "x.npz")
    commands = [["score", file, "--classes", "no-x", "--worst", "1"], ["compare", file, file]]
    for loaded in loaded_by(*commands):
        assert not loaded & {*HEAVY, "mmengine", "scipy", "matplotlib"}


@pytest.mark.parametrize("arguments", [["--help"], ["data", "--help"], ["weights", "--help"]], ids=" ".join)
def test_help_of_a_group_loads_no_verb(arguments: list[str]) -> None:
    (loaded,) = loaded_by(arguments)
    # Typer itself loads pydantic as soon as it reads a value.
    assert not loaded & {*HEAVY, "numpy", "mmengine", "rich", *(["pydantic"] if arguments == ["--help"] else [])}
    ours = {"rs_adapt", "rs_adapt.commands", "rs_adapt.commands.lazy", "rs_adapt.errors", "rs_adapt.threads"}
    group = {f"rs_adapt.commands.{arguments[0]}"} if len(arguments) > 1 else set()
    assert {name for name in loaded if name.startswith("rs_adapt")} == ours | group


def test_help_of_a_verb_loads_no_config_library() -> None:
    (loaded,) = loaded_by(["train", "--help"])
    assert not loaded & {*HEAVY, "numpy", "mmengine"}
