"""Small data of scene classes for tests: folders of coloured images, and the options of a tiny random CLIP."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

# Folder names of RSSCN7, of which the bench has the words.
RSSCN7 = ("aGrass", "bField", "cIndustry", "dRiverLake", "eForest", "fResident", "gParking")
TINY = (
    "model.backbone.embed_dim=16",
    "model.backbone.depth=2",
    "model.backbone.num_heads=2",
    "model.decode_head.text_width=16",
    "model.decode_head.text_dim=16",
    "model.decode_head.text_depth=2",
    "model.decode_head.text_heads=2",
    "bench.crop_px=32",
    "bench.shots=2",
    "bench.schedule.eval_every=2",
)


def write_rsscn7(root: Path, *, images: int = 8) -> Path:
    """Write RSSCN7's folders with images of one colour a class and noise, and return the data root."""
    rng = np.random.default_rng(0)
    for number, folder in enumerate(RSSCN7):
        (root / "rsscn7" / folder).mkdir(parents=True)
        for index in range(images):
            rgb = np.full((40, 40, 3), (number * 35, 255 - number * 30, (number * 90) % 256), dtype=np.float64)
            noisy = np.clip(rgb + rng.normal(0, 20, rgb.shape), 0, 255).astype(np.uint8)
            Image.fromarray(noisy).save(root / "rsscn7" / folder / f"{index:03d}.png")
    return root
