"""`rs-adapt average`: a pack that loads like any other, and refusals before torch is loaded."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import rs_adapt as rsa
from rs_adapt.files import file_sha256

RUN = Path(__file__).parents[1] / "runs" / "stored_0_1_0" / "finished"
Verb = Callable[..., tuple[Any, str, str]]


@pytest.fixture
def packs(tmp_path: Path) -> tuple[Path, Path]:
    """Return a stored pack, and one of different weights that calls itself adapted."""
    other = tmp_path / "other"
    other.mkdir()
    moved = {name: value + 0.5 * value.abs() for name, value in load_file(RUN / "adapter.safetensors").items()}
    save_file(moved, other / "adapter.safetensors")
    manifest = json.loads((RUN / "manifest.json").read_text())
    manifest["tensors"]["sha256"] = file_sha256(other / "adapter.safetensors")
    manifest["cell"] |= {"strategy": "dacs", "setting": "da"}
    (other / "manifest.json").write_text(json.dumps(manifest))
    return RUN, other


def test_a_mean_is_a_pack_of_its_own(packs: tuple[Path, Path], tmp_path: Path, run_verb: Verb) -> None:
    out = tmp_path / "mean"
    code, printed, errors = run_verb("average", *packs, "--share", 0.25, "--share", 0.75, "--out", out)
    assert code == 0, errors
    assert "The weights are the mean of 2 packs: 25 % source-only" in printed
    assert f"rs-adapt eval {out}" in " ".join(printed.split())
    first, second, mean = (load_file(folder / "adapter.safetensors") for folder in (*packs, out))
    assert mean.keys() == first.keys()
    for name, value in mean.items():
        torch.testing.assert_close(value, 0.25 * first[name] + 0.75 * second[name], rtol=1e-6, atol=1e-8)
    image = np.random.default_rng(0).integers(1, 256, (64, 64, 3)).astype(np.uint8)
    changed, before = (rsa.load(folder, device="cpu").predict(image).probabilities_KHW for folder in (out, RUN))
    assert np.abs(changed - before).max() > 1e-4
    # A second time, the folder is there.
    code, _, errors = run_verb("average", *packs, "--out", out)
    assert code == 2
    assert str(out) in errors


def test_packs_and_shares_that_do_not_fit_leave_nothing(
    packs: tuple[Path, Path], tmp_path: Path, run_verb: Verb
) -> None:
    out = tmp_path / "mean"
    for arguments, words in (
        ((packs[0],), "needs two or more"),
        ((packs[0], packs[0]), "have the same weights"),
        ((*packs, "--share", "0.5"), "one above 0 for each of the 2 packs"),
        ((packs[0], tmp_path / "nowhere"), "does not exist"),
    ):
        code, _, errors = run_verb("average", *arguments, "--out", out)
        assert code == 2
        assert words in " ".join(errors.split())
        assert not out.exists()
    (packs[1] / "adapter.safetensors").write_bytes(b"damaged")
    code, _, errors = run_verb("average", *packs, "--out", out)
    assert code == 2
    assert "is damaged" in " ".join(errors.split())
    assert not out.exists()


def test_a_mean_is_not_trained(run_verb: Verb, tmp_path: Path) -> None:
    code, _, errors = run_verb(
        "train", "--bench", "synthetic-da", "--strategy", "average", "--work-dir", tmp_path / "run"
    )
    assert code == 2
    assert "trains nothing. Use a different strategy" in " ".join(errors.split())
    assert not (tmp_path / "run").exists()


def test_python_gives_the_manifest(packs: tuple[Path, Path], tmp_path: Path) -> None:
    manifest = rsa.average(packs, out=tmp_path / "mean", progress=False)
    assert [member.share for member in manifest.averaged] == [0.5, 0.5]
    assert manifest.cell.strategy == "average"


def test_packs_that_started_from_different_images_are_refused(
    packs: tuple[Path, Path], tmp_path: Path, run_verb: Verb
) -> None:
    for number, pack in enumerate(packs):
        (tmp_path / f"eva{number}").mkdir()
        manifest = json.loads((pack / "manifest.json").read_text())
        manifest["cell"]["method"] = "peft:eva"
        (tmp_path / f"eva{number}" / "manifest.json").write_text(json.dumps(manifest))
    code, _, errors = run_verb("average", tmp_path / "eva0", tmp_path / "eva1", "--out", tmp_path / "mean")
    assert code == 2
    assert "The method peft:eva starts from the images of its run" in errors
    assert not (tmp_path / "mean").exists()
