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
shown, code = io.StringIO(), 0
try:
    with contextlib.redirect_stdout(shown):
        main({arguments!r})
except SystemExit as stop:
    code = stop.code or 0
print(json.dumps({{"code": code, "characters": len(shown.getvalue()), "modules": sorted(sys.modules)}}))
"""


def loaded_by(arguments: list[str]) -> set[str]:
    """Return the modules that a command leaves loaded, in a process of its own."""
    command = [sys.executable, "-c", SCRIPT.format(arguments=arguments)]
    run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    report = json.loads(run.stdout.splitlines()[-1])
    assert report["code"] == 0
    assert report["characters"] > 0
    assert run.stderr == ""
    return set(report["modules"])


@pytest.mark.parametrize(
    "arguments",
    [
        ["list", "benches"],
        ["list", "methods"],
        ["data", "list"],
        ["data", "fetch", "synthetic"],
        ["weights", "list"],
        ["show", "--bench", "loveda-da"],
        ["lint", "--bench", "loveda-da", "--no-data"],
        ["show", "--bench", "isprs-dg", "--direction", "v2p", "--json"],
        ["sweep", "synthetic_all", "--dry-run"],
    ],
    ids=" ".join,
)
def test_reading_configs_loads_no_torch(arguments: list[str]) -> None:
    assert not loaded_by(arguments) & set(HEAVY)


@pytest.mark.parametrize(
    "arguments",
    [
        ["lint", "RUN", "--no-data"],
        ["verify", "RUN", "--against", "RUN"],
        ["compare", "RUN", "RUN"],
        ["score", "RUN"],
        ["report", "RUN", "--out", "OUT"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_reading_a_run_loads_no_torch(arguments: list[str], tmp_path: Path) -> None:
    places = {"RUN": str(STORED_RUN), "OUT": str(tmp_path / "report")}
    # `lint` composes the cell anew, for which mmengine's Config is loaded, and nothing below it.
    allowed = {"mmengine"} if arguments[0] == "lint" else set()
    assert not loaded_by([places.get(text, text) for text in arguments]) & ({*HEAVY, "mmengine"} - allowed)


def test_stored_scores_are_read_without_torch(tmp_path: Path) -> None:
    import numpy as np

    from rs_adapt.scores.per_image import PerImage

    counts = np.random.default_rng(0).integers(0, 99, (3, 2, 2))
    names = {"tiles": ("a", "b", "c"), "scenes": ("", "", ""), "cities": ("", "", ""), "classes": ("x", "y")}
    PerImage(**names, counts_NKK=counts, facts={"split": "north test"}).save(tmp_path / "x.npz")
    file = str(tmp_path / "x.npz")
    for arguments in (["score", file, "--classes", "no-x", "--worst", "1"], ["compare", file, file]):
        assert not loaded_by(arguments) & {*HEAVY, "mmengine", "scipy", "matplotlib"}


@pytest.mark.parametrize("arguments", [["--help"], ["data", "--help"], ["weights", "--help"]], ids=" ".join)
def test_help_of_a_group_loads_no_verb(arguments: list[str]) -> None:
    loaded = loaded_by(arguments)
    # Typer itself loads pydantic as soon as it reads a value.
    assert not loaded & {*HEAVY, "numpy", "mmengine", "rich", *(["pydantic"] if arguments == ["--help"] else [])}
    ours = {"rs_adapt", "rs_adapt.commands", "rs_adapt.commands.lazy", "rs_adapt.errors"}
    group = {f"rs_adapt.commands.{arguments[0]}"} if len(arguments) > 1 else set()
    assert {name for name in loaded if name.startswith("rs_adapt")} == ours | group


def test_help_of_a_verb_loads_no_config_library() -> None:
    assert not loaded_by(["train", "--help"]) & {*HEAVY, "numpy", "mmengine"}
