"""Wrong names and paths on the command line are told without torch, which takes seconds to load."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
STORED = ROOT / "tests" / "runs" / "stored_0_1_0" / "finished"
# Each line of the output: exit code and error of one command.
SCRIPT = """
import contextlib, io, json, sys
sys.modules["torch"] = None  # whoever imports it fails
from rs_adapt.commands import main
for words in json.loads(sys.argv[1]):
    errors = io.StringIO()
    with contextlib.redirect_stderr(errors):
        try:
            main(words)
        except SystemExit as end:
            print(json.dumps([end.code, errors.getvalue()]))
"""
TRAIN = ("train", "--bench", "synthetic-da")


def test_what_is_not_there_is_reported_without_torch(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "cell.json").touch()
    expected = {
        ("train", "--bench", "lovdea-da"): "There is no bench 'lovdea-da'",
        ("train", "--bench", "/nowhere.toml", "--setting", "da"): "There is no bench file /nowhere.toml",
        (*TRAIN, "--method", "loar"): "There is no method 'loar'. Did you mean lora",
        (*TRAIN, "--backbone", "dino"): "There is no backbone 'dino'",
        (*TRAIN, "--protocol", "strickt"): "There is no protocol 'strickt'",
        (*TRAIN, "--weights", "/nowhere.pth"): "Base weights not found: /nowhere.pth does not exist. Name a file",
        (*TRAIN, "--weights", "/nowhere.pth", "--dry-run"): "Base weights not found: /nowhere.pth",
        (*TRAIN, "--weights", "/nowhere.pth", "--processes", "2"): "Base weights not found: /nowhere.pth",
        (*TRAIN, "--work-dir", str(run)): f"{run} holds a run that has saved nothing yet",
        (*TRAIN, "--work-dir", str(run / "in")): "lies inside the folder of the run",
        (
            "train",
            "--bench",
            "dubai-da",
            "--data-root",
            "/nowhere",
        ): "There is no folder of images /nowhere/dubai/images",
        ("train", "--bench", "loveda-da", "--weights", "random", "--data-root", "/nowhere"): "/nowhere/loveda",
        ("eval", "/nowhere"): "/nowhere does not exist, so it holds no adapter pack",
        ("eval", str(run)): "holds no adapter pack: manifest.json is missing",
        ("eval", str(STORED), "--weights", "/nowhere.pth"): "Base weights not found: /nowhere.pth",
        ("eval", str(STORED), "--bench", "lovdea-da"): "There is no bench 'lovdea-da'",
        ("eval", str(STORED), "--bench", "loveda-da", "--data-root", "/nowhere"): "There is no folder /nowhere",
        ("export", "/nowhere", "--out", str(tmp_path / "out")): "/nowhere does not exist",
        ("inspect", "/nowhere", "--image", "x.png"): "/nowhere does not exist",
        ("inspect", str(STORED), "--image", "/x.png"): "There is no image /x.png",
        ("submit", "/nowhere"): "/nowhere does not exist",
    }
    environment = os.environ | {"RS_ADAPT_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps([*expected])],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
        cwd=tmp_path,
    )
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(results) == len(expected)
    for (words, sentence), (code, errors) in zip(expected.items(), results, strict=True):
        assert code == 2, (words, errors)
        assert errors.startswith("error: "), (words, errors)
        assert sentence in errors, (words, errors)
        assert "Loading" not in errors
