"""A small LoveDA cell on the command line, run in this process; runs with stored scores, written by hand."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from rs_adapt.commands import main
from rs_adapt.scores.per_image import PerImage

if TYPE_CHECKING:
    from collections.abc import Callable

    Train = Callable[..., tuple[Any, str, str]]

# ISPRS, as its bench names them.
CLASSES = ("impervious_surface", "building", "low_vegetation", "tree", "car", "clutter")
# What a run in adaptation says of its protocol.
PROTOCOL = {
    "name": "mine",
    "version": 1,
    "report_split": "vaihingen test",
    "unlabelled_split": "vaihingen train",
    "target_crops": "blind",
    "selection": "last",
    "weights": "student",
    "label_free": "info_max",
    "classes": "all",
}


@pytest.fixture(scope="session")
def small() -> tuple[str, ...]:
    """Return the options that make a LoveDA run small enough for a CPU and tiles of 64 px."""
    return (
        *("--backbone", "dinov2-nano", "--head", "linear", "--num-workers", "0", "--iters", "2", "--device", "cpu"),
        "--partial",
        *("--set", "bench.tile_px=64", "--set", "bench.crop_px=64", "--set", "bench.inference.mode='whole'"),
    )


@pytest.fixture
def drawn() -> None:
    """Ask for pictures that are really drawn; see `undrawn`."""


@pytest.fixture(autouse=True)
def undrawn(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write a picture of one pixel for each figure, except in tests that take `drawn`.

    Figures are made with the data of the run but not drawn, which takes as long as the small runs of these tests.
    """
    if "drawn" not in request.fixturenames:
        dot = Image.new("RGB", (1, 1))
        monkeypatch.setattr("rs_adapt.render.figures._draw_png", lambda figure, buffer: dot.save(buffer, "png"))


@pytest.fixture
def train(loveda_root: Path, tmp_path: Path, small: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> Train:
    """Return a function that trains a small cell into `run` and gives the exit code, stdout and stderr."""

    def run(*arguments: str, bench: str = "loveda-da") -> tuple[Any, str, str]:
        places = ("--data-root", str(loveda_root), "--work-dir", str(tmp_path / "run"))
        with pytest.raises(SystemExit) as stop:
            main(["train", "--bench", bench, *small, *places, *arguments])
        shown = capsys.readouterr()
        return stop.value.code or 0, shown.out, shown.err

    return run


@pytest.fixture
def run_verb(capsys: pytest.CaptureFixture[str]) -> Train:
    """Return a function that runs a verb and gives the exit code, stdout and stderr."""

    def run(*arguments: object) -> tuple[Any, str, str]:
        with pytest.raises(SystemExit) as stop:
            main([str(argument) for argument in arguments])
        shown = capsys.readouterr()
        return stop.value.code or 0, shown.out, shown.err

    return run


@pytest.fixture(name="variant")
def variant_fixture(tmp_path: Path) -> Path:
    """Return a copy of the stored run whose head prefers its second class."""
    from safetensors.torch import load_file, save_file

    from rs_adapt.files import file_sha256

    folder = tmp_path / "variant"
    shutil.copytree(Path(__file__).parents[1] / "runs" / "stored_0_1_0" / "finished", folder)
    tensors = load_file(folder / "adapter.safetensors")
    (name,) = [name for name, tensor in tensors.items() if name.endswith("bias") and tensor.shape == (6,)]
    tensors[name][1] += 1.0
    manifest = json.loads((folder / "manifest.json").read_text())
    save_file(tensors, folder / "adapter.safetensors")
    if manifest.get("tensors"):
        manifest["tensors"]["sha256"] = file_sha256(folder / "adapter.safetensors")
        (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


@pytest.fixture(name="stored")
def stored_fixture() -> Callable[..., PerImage]:
    """Return the function below."""
    return _stored


def _stored(*, seed: int = 0, better: float = 0.0, **changes: Any) -> PerImage:
    """Return matrices of 24 tiles in 12 scenes of 2 cities.

    The labels are always the same. `seed` decides where errors lie, `better` what share of the pixels of each class is
    right beyond 70 %; `changes` are arguments of `PerImage`, `facts` are added to those that are here.
    """
    labels, errors = np.random.default_rng(7), np.random.default_rng(seed)
    counts = np.zeros((24, 6, 6), dtype=np.int64)
    for tile in range(24):
        for truth in range(6):
            right = min(0.7 + 0.1 * errors.standard_normal() + better, 0.99)
            shares = np.where(np.arange(6) == truth, right, (1 - right) / 5)
            counts[tile, truth] = errors.multinomial(labels.integers(500, 2000), shares)
    facts = {
        "split": "vaihingen test",
        "bench": "isprs_p2v",
        "iter": 400,
        "weights": "student",
        "protocol": "mine-1",
        "inference": {"mode": "slide"},
        "pack_sha256": "0" * 64,
    }
    content: dict[str, Any] = {
        "tiles": tuple(f"area{tile % 12}_{tile}" for tile in range(24)),
        "scenes": tuple(f"area{tile % 12}" for tile in range(24)),
        "cities": tuple("east" if tile % 12 < 4 else "west" for tile in range(24)),
        "classes": CLASSES,
        "counts_NKK": counts,
    }
    return PerImage(**content | changes | {"facts": facts | changes.get("facts", {})})


@pytest.fixture
def write_run(tmp_path: Path) -> Callable[..., Path]:
    """Return a function (name, selection=matrices, ...) that writes a run folder which stored these selections."""

    def write(name: str, headline: str = "last", said: dict[str, Any] | None = None, **selections: PerImage) -> Path:
        folder, entries = tmp_path / name, dict.fromkeys(("last", "best_source_val", "best_label_free", "oracle"))
        for selection, per_image in (selections or {"last": _stored()}).items():
            file = f"confusions/{selection}.npz"
            per_image.save(folder / file)
            entries[selection] = {"iter": per_image.facts["iter"], "miou_pct": 0.0, "confusions": file}
        cell = {"bench": "isprs_p2v", "setting": "da", "method": "frozen", "backbone": "dinov2_l", "head": "linear"}
        cell |= {"strategy": "dacs", "seed": 0}
        result = {"cell": cell, "headline": headline, "selections": entries, "protocol": PROTOCOL | (said or {})}
        (folder / "result.json").write_text(json.dumps(result))
        return folder

    return write


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where finished runs are kept: each is trained once a session, and each test gets a copy."""
    return tmp_path_factory.mktemp("trained")


@pytest.fixture
def run(store: Path, loveda_root: Path, tmp_path: Path, small: tuple[str, ...], capsys) -> Path:
    """Return a finished run's folder, whose data lie in a folder of their own."""
    if not (store / "run").exists():
        shutil.copytree(loveda_root, store / "data")
        places = ("--data-root", str(store / "data"), "--work-dir", str(store / "run"))
        with pytest.raises(SystemExit):
            main(["train", "--bench", "loveda-da", *small, *places])
        capsys.readouterr()
    shutil.copytree(store / "run", tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture
def evaluate(run: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[Any, str, str]]:
    """Return a function that evaluates the run, or another checkpoint, and gives exit code, stdout and stderr."""

    def call(*arguments: str, checkpoint: Path = run) -> tuple[Any, str, str]:
        with pytest.raises(SystemExit) as stop:
            main(["eval", "--checkpoint", str(checkpoint), "--device", "cpu", *arguments])
        shown = capsys.readouterr()
        return stop.value.code or 0, shown.out, shown.err

    return call
