"""Fixtures of all tests: no network, a cache folder of their own, and fixed seeds. Imports no torch by itself."""

from __future__ import annotations

import os
import random
import socket
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

# Read when torch is imported. The tensors here are tiny: more threads only wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "2")

_LOOPBACK = ("127.", "::1", "localhost")


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make any connection that leaves this machine an error."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and not str(address[0]).startswith(_LOOPBACK):
            raise RuntimeError(f"a test tried to reach {address}: tests run without a network")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(autouse=True)
def own_home(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give each test an empty cache folder, and none of the caller's data or configs."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("RS_ADAPT_HOME", str(home))
    monkeypatch.delenv("RS_ADAPT_DATA", raising=False)
    monkeypatch.delenv("RS_ADAPT_CONFIGS", raising=False)
    return home


@pytest.fixture(scope="session")
def session_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return one cache folder for the whole session, so that synthetic tiles are written once."""
    return tmp_path_factory.mktemp("session_home")


@pytest.fixture
def shared_home(own_home: Path, session_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Use the session's cache folder in this test. Only for what is the same in every test, such as prepared tiles."""
    monkeypatch.setenv("RS_ADAPT_HOME", str(session_home))
    return session_home


@pytest.fixture(autouse=True)
def fixed_seeds() -> None:
    """Start each test from the same random state, in the libraries that are loaded."""
    random.seed(0)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(0)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@pytest.fixture
def loveda_root(tmp_path: Path) -> Path:
    """Write a data root with LoveDA's layout: 4 training and 2 validation tiles of 64 px a region, seeded."""
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(0)
    for region, tint in (("rural", 0), ("urban", 40)):
        for split, count in (("train", 4), ("val", 2)):
            folders = [tmp_path / "data" / "loveda" / region / split / kind for kind in ("img_dir", "ann_dir")]
            for folder in folders:
                folder.mkdir(parents=True)
            for number in range(count):
                # Blocks of 8 px with a class each, whose colour tells the class; value 0 is no data.
                label = np.kron(rng.integers(0, 8, (8, 8)), np.ones((8, 8))).astype(np.uint8)
                image = np.stack([label * 25 + tint, 200 - label * 20, np.full_like(label, 90)], axis=-1)
                noise = rng.integers(0, 20, image.shape)
                Image.fromarray((image + noise).clip(0, 255).astype(np.uint8)).save(folders[0] / f"{number}.png")
                Image.fromarray(label).save(folders[1] / f"{number}.png")
    return tmp_path / "data"
