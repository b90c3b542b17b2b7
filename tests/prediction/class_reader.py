"""A predictor that reads classes from colours, and maps that it makes of small scenes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray

from rs_adapt.prediction.appearance import Appearance
from rs_adapt.prediction.predict import MapRecord, predict_scene
from rs_adapt.prediction.settings import MapSettings
from rs_adapt.prediction.writing import MapClasses
from tests.geodata import draw_classes, paint, read_classes, write_raster

CLASSES = MapClasses(names=("a", "b", "c"), palette=((1, 2, 3), (4, 5, 6), (7, 8, 9)))
TRUTH = draw_classes()
HEIGHT_PX, WIDTH_PX = TRUTH.shape
# A rectangle of the scene in its coordinates, and in pixels: columns 10 to 90, rows 20 to 70.
BOUNDS = (500_020.0, 4_999_860.0, 500_180.0, 4_999_960.0)
WINDOW = np.s_[20:70, 10:90]


class Reader:
    """A predictor that reads the class of each pixel from its red channel."""

    num_classes = 3
    patch_px = 16
    numerics = ("fp32", "cpu")

    def __init__(self) -> None:
        self.num_tiles = 0

    def predict_tiles(self, tiles_NHW3: NDArray[np.uint8], *, tta: object = None) -> NDArray[np.float32]:
        """Return probabilities (N, 3, H, W)."""
        self.num_tiles += len(tiles_NHW3)
        return np.eye(3, dtype=np.float32)[read_classes(tiles_NHW3).clip(0, 2)].transpose(0, 3, 1, 2)


def predict(scene: Path, *, appearance: Appearance | None = None, reader: Reader | None = None, **options: Any) -> Any:
    """Predict a scene; return the record, and the open map."""
    settings = MapSettings(**{"tile_px": 32, "overlap_px": 8, "batch_size": 4, "overwrite": True} | options)
    record: MapRecord = predict_scene(
        reader or Reader(),  # type: ignore[arg-type]
        scene,
        scene.with_name("map.tif"),
        appearance=appearance or Appearance(),
        classes=CLASSES,
        settings=settings,
        model_sha256="",
    )
    return record, rasterio.open(record.files[0])


def scene(folder: Path, **facts: Any) -> Path:
    return write_raster(folder / "scene.tif", paint(TRUTH).transpose(2, 0, 1), **facts)
