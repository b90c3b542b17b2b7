"""Small rasters whose pixels tell the truth: the red channel of an image is 40 + 80 times its class (H/W pixels)."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from PIL import Image
from rasterio.errors import NotGeoreferencedWarning
from rasterio.transform import Affine

UTM = "EPSG:32632"
# Metres of a pixel.
PIXEL_M = 2.0
PLACE = Affine(PIXEL_M, 0.0, 500_000.0, 0.0, -PIXEL_M, 5_000_000.0)


def draw_classes(height_px: int = 96, width_px: int = 120, *, num_classes: int = 3, seed: int = 0) -> NDArray[np.uint8]:
    """Return blocks of 8 px of classes that are drawn by lot, so that no shift or turn goes unseen."""
    drawn = np.random.default_rng(seed).integers(0, num_classes, (-(-height_px // 8), -(-width_px // 8)))
    return np.kron(drawn, np.ones((8, 8)))[:height_px, :width_px].astype(np.uint8)


def paint(classes_HW: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the image of a class map, shape (H, W, 3)."""
    red_HW = (40 + 80 * classes_HW).astype(np.uint8)
    return np.stack([red_HW, 255 - red_HW, red_HW // 2], axis=-1)


def read_classes(rgb_HW3: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the classes that an image shows."""
    return (rgb_HW3[..., 0] // 80).astype(np.uint8)


def write_raster(
    path: Path,
    bands_CHW: NDArray[Any],
    *,
    crs: str | None = UTM,
    transform: Affine | None = PLACE,
    mask: NDArray[Any] | None = None,
    colours: dict[int, tuple[int, int, int]] | None = None,
    scale: float | None = None,
    offset: float = 0.0,
    overviews: Sequence[int] = (),
    **profile: Any,
) -> Path:
    """Write bands, shape (C, H, W) or (H, W), as a raster of any kind that rasterio writes."""
    bands_CHW = bands_CHW if bands_CHW.ndim == 3 else bands_CHW[None]
    count, height, width = bands_CHW.shape
    placed = {"crs": crs, "transform": transform} if transform is not None else {"crs": crs}
    facts = {"driver": "GTiff", "dtype": bands_CHW.dtype, "count": count, "height": height, "width": width}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path, "w", **(facts | placed | profile)) as file:
            file.write(bands_CHW)
            if mask is not None:
                file.write_mask(mask)
            if colours is not None:
                file.write_colormap(1, colours)
            if scale is not None:
                file.scales, file.offsets = [scale] * count, [offset] * count
        if overviews:
            with rasterio.open(path, "r+") as file:
                file.build_overviews(list(overviews))
    return path


def write_image(path: Path, classes_HW: NDArray[np.uint8], **how: Any) -> Path:
    """Write the image of a class map: through PIL where its ending is that of a plain image."""
    if path.suffix in (".jpg", ".png", ".bmp"):
        Image.fromarray(paint(classes_HW)).save(path, **({"quality": 100, "subsampling": 0} | how))
        return path
    return write_raster(path, paint(classes_HW).transpose(2, 0, 1), **how)


def write_world_file(path: Path, transform: Affine) -> None:
    """Write a world file: it places the centre of the first pixel."""
    x, y = transform @ (0.5, 0.5)
    numbers = (transform.a, transform.d, transform.b, transform.e, x, y)
    path.write_text("".join(f"{number!r}\n" for number in numbers))
