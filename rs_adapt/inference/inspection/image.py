"""One image through a trained segmentor: the cut, the prediction, and a record of every block.

Shapes: D embed, h/w token grid, H/W pixels, P = h * w patches.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps

from rs_adapt.adapters import Adapter
from rs_adapt.backbones import Vit
from rs_adapt.engine.optim import autocast
from rs_adapt.errors import ConfigError, DataError, DataNotFound
from rs_adapt.inference.inspection.recording import Array, BlockRecord, record_blocks, relative_change
from rs_adapt.inference.predictor import Predictor
from rs_adapt.pictures import open_picture


@dataclass(frozen=True, kw_only=True)
class Cut:
    """The part of an image that the model processes.

    Attributes:
        pixels_HW3: RGB uint8; sides are multiples of the patch.
        image_wh: Size of the whole image, pixels.
        box_px: Corners x0, y0, x1, y1 of the image within the square, pixels, ends not included; the rest is padding.
    """

    pixels_HW3: Array
    image_wh: tuple[int, int]
    box_px: tuple[int, int, int, int]

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height of the cut with its padding, pixels."""
        return self.pixels_HW3.shape[1], self.pixels_HW3.shape[0]

    @property
    def filled_hw(self) -> tuple[int, int]:
        """Number of rows and columns of the cut that belong to the image; padding follows them."""
        x0, y0, x1, y1 = self.box_px
        return y1 - y0, x1 - x0


@dataclass(frozen=True, kw_only=True)
class BlockInspection:
    """A block with its adapter and without: the record of the adapted stream, and the output of the base."""

    record: BlockRecord
    base_PD: Array

    @property
    def update_norm(self) -> float:
        """Mean over the patches of |with - without| / |without| for the outputs with and without adapter."""
        return relative_change(self.record.after_PD, self.base_PD)

    @property
    def own_step(self) -> float:
        """The same for the adapter's step after this block only; 0 where it acts inside the blocks only."""
        return relative_change(self.record.after_PD, self.record.before_PD)


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """The records of one image.

    Attributes:
        cut: The part of the image that the model processed.
        prediction_HW: Class indices, uint8, of the cut.
        adapter: Name of the adapter's class, or None.
        blocks: All blocks in use, first to last.
    """

    cut: Cut
    prediction_HW: Array
    adapter: str | None
    blocks: tuple[BlockInspection, ...]

    @property
    def grid_hw(self) -> tuple[int, int]:
        """Rows and columns of the token grid."""
        return self.blocks[-1].record.grid_hw

    @property
    def acts_between_blocks(self) -> bool:
        """Whether the adapter changes the outputs of blocks, rather than their inputs or their inside."""
        return any(block.own_step > 0 for block in self.blocks)


def read_image(path: Path) -> Array:
    """Read an image file as an RGB array (H, W, 3), uint8.

    Args:
        path: An 8-bit RGB PNG, JPEG or TIFF.

    Raises:
        DataNotFound: There is no such file.
        DataError: The file is not an image, is damaged, or is not 8-bit RGB.
    """
    if not path.exists():
        raise DataNotFound(f"There is no image {path}. Check --image.")
    try:
        with open_picture(path) as image:
            mode = image.mode
            # As the loader of the tiles does with images that a camera rotated.
            pixels_HW3 = np.asarray(ImageOps.exif_transpose(image))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"Cannot read the image {path}: {error}. Name an 8-bit RGB PNG, JPEG or TIFF.") from error
    if mode != "RGB":
        raise DataError(f"{path} is an image of mode {mode}; 8-bit RGB is needed (PNG, JPEG or TIFF). Convert it.")
    return pixels_HW3


def smallest_side_px(vit: Vit) -> int:
    """Return the smallest side that a ViT accepts, pixels: its coarsest map needs a row."""
    return math.ceil(1 / min(1.0, *vit.level_scales)) * vit.patch_px


def cut_centre(image_HW3: Array, *, size_px: int, patch_px: int, smallest_px: int, mean: Sequence[float]) -> Cut:
    """Cut the centre out of an image.

    Sides are at most `size_px` and cut down to a multiple of the patch. A side smaller than `smallest_px` is padded at
    the right or below with the mean colour, which is the model's zero, as training pads.

    Args:
        image_HW3: RGB, uint8.
        size_px: Largest side of the cut.
        patch_px: Patch of the ViT.
        smallest_px: Smallest side that the ViT accepts, a multiple of the patch.
        mean: RGB, 0 to 255.

    Raises:
        ConfigError: `size_px` is smaller than `smallest_px`.
    """
    if size_px < smallest_px:
        raise ConfigError(
            f"--size-px is {size_px}; it must be at least {smallest_px}, the smallest side that the backbone accepts."
        )
    height, width = image_HW3.shape[:2]
    rows, columns = (
        side if side < smallest_px else min(side, size_px) // patch_px * patch_px for side in (height, width)
    )
    top, left = (height - rows) // 2, (width - columns) // 2
    pixels_HW3 = np.empty((max(rows, smallest_px), max(columns, smallest_px), 3), dtype=np.uint8)
    pixels_HW3[:] = np.round(mean)
    pixels_HW3[:rows, :columns] = image_HW3[top : top + rows, left : left + columns]
    return Cut(pixels_HW3=pixels_HW3, image_wh=(width, height), box_px=(left, top, left + columns, top + rows))


@torch.no_grad()
def inspect_image(predictor: Predictor, cut: Cut) -> Inspection:
    """Predict a cut in a single forward pass and record every block, with the adapter and without.

    Args:
        predictor: Predictor whose segmentor has a `Vit` as backbone. Its sliding window, if any, is not used.
        cut: From `cut_centre`.
    """
    vit: Vit = predictor.model.backbone
    adapter: Adapter | None = vit.adapter
    inputs_13HW = predictor.preprocess(cut.pixels_HW3)
    with record_blocks(vit) as adapted:
        scores_KHW = predictor.forward(inputs_13HW)
    if adapter is None:
        base = adapted
    else:
        with autocast(predictor.precision, inputs_13HW.device.type), vit.without_adapter(), record_blocks(vit) as base:
            vit(inputs_13HW)
    # Blocks that a head's queries join are run by the head, which the base has not.
    blocks = zip(adapted[: len(base)], base, strict=True)
    return Inspection(
        cut=cut,
        prediction_HW=scores_KHW.argmax(dim=0).to("cpu", torch.uint8).numpy(),
        adapter=None if adapter is None else type(adapter).__name__,
        blocks=tuple(
            BlockInspection(record=with_adapter, base_PD=without.after_PD) for with_adapter, without in blocks
        ),
    )
