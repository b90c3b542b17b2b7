"""The step of a pipeline that enlarges images by a model of super-resolution, and the same for all tiles beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform, LoadImageFromFile

from rs_adapt.datasets.sample import Sample
from rs_adapt.datasets.tile_files import list_tiles
from rs_adapt.progress import OnProgress, no_progress
from rs_adapt.registry import TRANSFORMS
from rs_adapt.runs.resolvers import resolving_step
from rs_adapt.superresolution.resolver import ResolvedImages


@TRANSFORMS.register_module()
class ResolveImage(BaseTransform):  # type: ignore[misc]
    """Enlarges `img` (H, W, 3, uint8 BGR) by a model of super-resolution; labels are repeated along.

    Predictions are scored at the size of the file, which stays in `ori_shape`.

    Args:
        model: Folder of the model.
    """

    def __init__(self, *, model: str) -> None:
        self.images = ResolvedImages(Path(model))

    def transform(self, results: Sample) -> Sample:
        """Return the sample with `img` (H s, W s, 3), and its labels at the same size."""
        fine = self.images.enlarge(results["img"][..., ::-1])
        results["img"] = np.ascontiguousarray(fine[..., ::-1])
        results["img_shape"] = results["img"].shape[:2]
        for key in results.get("seg_fields", []):
            scale = self.images.scale
            results[key] = results[key].repeat(scale, axis=0).repeat(scale, axis=1)
        return results


def enlarge_tiles(settings: Mapping[str, Any], on_progress: OnProgress = no_progress) -> None:
    """Enlarge the images of a set once, on the device of the run, so that its loaders find them stored.

    Args:
        settings: The arguments of `TileDataset`; nothing is done for a set without `ResolveImage`.
        on_progress: Called after each image.

    Raises:
        CheckpointMismatch, ConfigError: See `rs_adapt.runs.resolvers.read_resolver`.
    """
    if (step := resolving_step(settings)) is None:
        return
    load, enlarge = LoadImageFromFile(imdecode_backend="pillow"), ResolveImage(model=str(step["model"]))
    tiles = list_tiles(settings)
    for done, tile in enumerate(tiles, start=1):
        enlarge.transform(load.transform({"img_path": str(tile.image)}))
        on_progress("enlarging images", done, len(tiles))
