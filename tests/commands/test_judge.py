"""`rs-adapt judge` on the stored run and on a variant of it, whose head is turned."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

import rs_adapt as rsa
from rs_adapt.files import file_sha256

RUN = Path(__file__).parents[1] / "runs" / "stored_0_1_0" / "finished"
Verb = Callable[..., tuple[Any, str, str]]


@pytest.fixture(name="variant")
def variant_fixture(tmp_path: Path) -> Path:
    """Return a copy of the stored run whose head prefers its second class."""
    folder = tmp_path / "variant"
    shutil.copytree(RUN, folder)
    tensors = load_file(folder / "adapter.safetensors")
    (name,) = [name for name, tensor in tensors.items() if name.endswith("bias") and tensor.shape == (6,)]
    tensors[name][1] += 1.0
    manifest = json.loads((folder / "manifest.json").read_text())
    save_file(tensors, folder / "adapter.safetensors")
    if manifest.get("tensors"):
        manifest["tensors"]["sha256"] = file_sha256(folder / "adapter.safetensors")
        (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


@pytest.mark.slow
def test_two_runs_are_judged_on_the_target(variant: Path, tmp_path: Path, run_verb: Verb, shared_home: Path) -> None:
    out = tmp_path / "judge"
    options = ("--device", "cpu", "--num-tiles", 4, "--pictures", 2, "-o", out)
    code, printed, error = run_verb("judge", variant, "--against", RUN, *options)
    assert code == 0, error
    assert "Both predict 4 tiles of south " in printed
    assert "No label was read." in printed
    assert "RUN and AGAINST give the same class to " in printed
    assert printed.rstrip().endswith("index.html")
    numbers = json.loads((out / "judge.json").read_text())
    assert 0 < numbers["agreement"] < 1
    # The preferred class can only win pixels.
    assert {pair["run"] for pair in numbers["differences"]} == {"building"}
    assert numbers["class_shares"]["source"] is not None
    assert (out / "index.html").read_text().count("data:image/jpeg") == 6
    points = tmp_path / "points" / "points.csv"
    options = ("--device", "cpu", "--num-tiles", 4, "--pictures", 0, "--sample", 6, "-o", points.parent)
    code, printed, error = run_verb("judge", variant, "--against", RUN, *options)
    assert code == 0, error
    assert "Points to label: 3 where the maps differ (" in printed
    answers = ("judge", variant, "--against", RUN, "--answers", points)
    code, _, error = run_verb(*answers)
    assert code == 2
    assert "6 of 6 points have no label" in error
    points.write_text(points.read_text().replace(",\n", ",building\n"))
    code, printed, error = run_verb(*answers)
    assert code == 0, error
    # The variant says building wherever the two differ.
    assert "Of the 3 points where the maps differ, RUN is right at 3, AGAINST at 0, neither at 0." in printed
    verdict = json.loads(run_verb(*answers, "--json")[1])
    assert verdict["difference"]["value"] == pytest.approx(
        100 * (1 - json.loads((points.parent / "judge.json").read_text())["agreement"]), abs=1e-3
    )
    code, _, error = run_verb("judge", variant, "--against", RUN, *options, "--overwrite")
    assert code == 2
    assert "labels of points are never replaced" in error
    same = rsa.judge(RUN, RUN, out=None, num_tiles=2, device="cpu", progress=False)
    assert same.evidence.agreement == 1
    assert {indicator.favours for indicator in same.indicators} == {"neither"}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "Judging needs two runs"),
        (("--against", "nothing"), "nothing does not exist"),
        (("--against", RUN, "-o", "taken"), "taken is not empty and contains no judge.json"),
    ],
)
def test_what_cannot_be_judged_is_refused(
    arguments: tuple[object, ...], sentence: str, tmp_path: Path, run_verb: Verb, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "notes.txt").write_text("mine")
    code, _, error = run_verb("judge", RUN, *arguments)
    assert code == 2
    assert sentence in error
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]
