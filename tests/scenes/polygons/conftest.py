"""The scene that polygons lie on."""

from __future__ import annotations

from pathlib import Path

import pytest
from polygon_files import write_scene

from rs_adapt.scenes import SceneInfo


@pytest.fixture
def scene(tmp_path: Path) -> SceneInfo:
    """Return a scene of 8 x 6 pixels of 10 m, its upper left corner at (500000, 5000060)."""
    return write_scene(tmp_path / "scene.tif")
