from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from rs_adapt.config import paths

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def own_configs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of the shipped configs that a test may change, and that is read instead of them."""
    copy = tmp_path / "configs"
    shutil.copytree(paths.configs_dir(), copy)
    monkeypatch.setenv("RS_ADAPT_CONFIGS", str(copy))
    return copy
