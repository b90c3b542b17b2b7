"""A small LoveDA cell on the command line, run in this process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from rs_adapt.commands import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Train = Callable[..., tuple[Any, str, str]]


@pytest.fixture(scope="session")
def small() -> tuple[str, ...]:
    """Return the options that make a LoveDA run small enough for a CPU and tiles of 64 px."""
    return (
        *("--backbone", "dinov2-nano", "--head", "linear", "--num-workers", "0", "--iters", "2", "--device", "cpu"),
        *("--set", "bench.tile_px=64", "--set", "bench.crop_px=64", "--set", "bench.inference.mode='whole'"),
    )


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
