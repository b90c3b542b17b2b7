"""Damaged images: bytes, and rasters of other types, sizes and bands."""

from __future__ import annotations

import random
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from fuzz.damage import Damaged, damage_bytes


def damage_raster(path: Path, rng: random.Random) -> Damaged:
    """Return a damaged version of a GeoTIFF."""
    content = path.read_bytes()
    if rng.random() < 0.6:
        return damage_bytes(content, rng)
    import rasterio

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with rasterio.open(path) as file:
            pixels, profile = file.read(), dict(file.profile)
    changes: dict[str, Any] = {
        "complex": lambda: pixels.astype(np.complex64),
        "float": lambda: pixels.astype(np.float32),
        "nan": lambda: np.full(pixels.shape, np.nan, np.float32),
        "inf": lambda: np.full(pixels.shape, np.inf, np.float64),
        "int16": lambda: pixels.astype(np.int16) - 300,
        "uint32": lambda: pixels.astype(np.uint32) + 2**31,
        "one band": lambda: pixels[:1],
        "seven bands": lambda: np.concatenate([pixels] * 7)[:7],
        "one pixel": lambda: pixels[:, :1, :1],
        "half as wide": lambda: pixels[:, :, :32],
        "one colour": lambda: np.zeros_like(pixels),
        "value 200": lambda: np.full_like(pixels, 200),
    }
    name = rng.choice(list(changes))
    changed = changes[name]()
    facts = {"driver": "GTiff", "dtype": changed.dtype, "count": len(changed)}
    facts |= {"height": changed.shape[1], "width": changed.shape[2], "crs": profile["crs"]}
    other = path.with_name("damaged.tif.tmp")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with rasterio.open(other, "w", **facts, transform=profile["transform"]) as file:
            file.write(changed)
    damaged = other.read_bytes()
    other.unlink()
    return name, damaged
