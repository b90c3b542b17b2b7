"""Folders of small reference images with known content."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

WriteImages = Callable[..., str]


@pytest.fixture
def write_images(tmp_path: Path) -> WriteImages:
    """Return a function that writes RGB images as 0.png, 1.png, ... and gives their folder."""

    def write(*images_RGB: np.ndarray[Any, Any]) -> str:
        folder = tmp_path / "references"
        folder.mkdir(exist_ok=True)
        for number, image in enumerate(images_RGB):
            Image.fromarray(image).save(folder / f"{number}.png")
        return str(folder)

    return write


@pytest.fixture
def noise_HWC() -> Callable[..., np.ndarray[Any, Any]]:
    """Return a function that draws a uint8 image of values 1 to 255, none of them nodata."""

    def draw(seed: int, height: int = 24, width: int = 30) -> np.ndarray[Any, Any]:
        return np.random.default_rng(seed).integers(1, 256, (height, width, 3)).astype(np.uint8)

    return draw
