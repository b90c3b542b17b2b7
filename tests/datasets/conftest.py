"""Folders of small tiles with known content."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

WriteTiles = Callable[..., dict[str, Any]]


@pytest.fixture
def write_tiles(tmp_path: Path) -> WriteTiles:
    """Return a function that writes tiles holding their number, and gives the arguments of TileDataset."""

    def write(count: int = 4, *, size_px: int = 8, name: str = "region", labels: bool = True) -> dict[str, Any]:
        folders = {kind: tmp_path / name / kind for kind in ("img_dir", "ann_dir")}
        for folder in folders.values():
            folder.mkdir(parents=True, exist_ok=True)
        for number in range(count):
            image = np.full((size_px, size_px, 3), 10 * number, np.uint8)
            Image.fromarray(image).save(folders["img_dir"] / f"{number}.png")
            label = np.full((size_px, size_px), number % 3, np.uint8)
            Image.fromarray(label).save(folders["ann_dir"] / f"{number}.png")
        return {
            "name": name,
            "img_dir": str(folders["img_dir"]),
            "ann_dir": str(folders["ann_dir"]) if labels else None,
            "classes": ["a", "b", "c"],
            "palette": [[0, 0, 0], [255, 0, 0], [0, 0, 255]],
            "reduce_zero_label": False,
            "how_to_get": "Bring it like this.",
            "pipeline": [
                {"type": "mmcv.LoadImageFromFile", "imdecode_backend": "pillow"},
                *([{"type": "mmseg.LoadAnnotations", "imdecode_backend": "pillow"}] if labels else []),
                {"type": "mmseg.PackSegInputs"},
            ],
        }

    return write
