"""From the file of a tile to a crop in one step: only what the crop needs is decoded and resized."""

from __future__ import annotations

from collections.abc import Sequence

import mmcv
from mmcv.transforms import BaseTransform
from mmengine import fileio

from rs_adapt.datasets.sample import Sample
from rs_adapt.datasets.steps.cut_resize import resize_upper_left, rows_below
from rs_adapt.datasets.steps.decoded_tiles import DecodedTiles
from rs_adapt.datasets.steps.equal_steps import CropByLabels, LoadLabels, in_order
from rs_adapt.datasets.steps.tile_images import ColourPng, WholeImage


class ReadCrop(BaseTransform):  # type: ignore[misc]
    """`LoadImageFromFile`, steps on labels, `RandomResize` and `RandomCrop` in one, with their draws in their order.

    The crop is drawn from the size in the file's header and from the labels. Then a PNG is decoded down to the last row
    of the crop, and resized down to there and to its last column. What is not a plain PNG is decoded as before.

    Args:
        load: Mmcv's `LoadImageFromFile`, with its pillow backend.
        label_steps: Steps between it and the resize, which neither read nor change the image.
        resize: Mmcv's `RandomResize`, bilinear, by OpenCV, with the ratio of the sides kept.
        crop: The crop.
        num_tiles: Number of tiles of the set; see `DecodedTiles`.
    """

    def __init__(
        self,
        *,
        load: BaseTransform,
        label_steps: Sequence[BaseTransform],
        resize: BaseTransform,
        crop: CropByLabels,
        num_tiles: int,
    ) -> None:
        self.load, self.label_steps, self.resize, self.crop = load, list(label_steps), resize, crop
        self.decoded: DecodedTiles[ColourPng | WholeImage] = DecodedTiles(num_tiles)
        for step in self.label_steps:
            if isinstance(step, LoadLabels):
                # The resize makes new arrays, so that the decoded ones stay as they are.
                step.decoded = DecodedTiles(num_tiles)

    def transform(self, results: Sample) -> Sample:
        """Return the sample with the crop as `img` (H, W, 3) uint8 BGR, and its labels."""
        tile = self._open(results["img_path"])
        results["img_shape"] = results["ori_shape"] = tile.shape
        for step in self.label_steps:
            results = step(results)
        resized = self._resize_labels(results, tile.shape)
        top, bottom, left, right = self.crop.draw(resized, results.get("gt_seg_map"))
        for key in results.get("seg_fields", []):
            results[key] = self.crop.crop(results[key], (top, bottom, left, right))
        end = min(bottom, resized[0]), min(right, resized[1])
        image = tile.rows(rows_below(end[0], tile.shape[0], resized[0]))
        results["img"] = resize_upper_left(image, tile.shape, resized, end)[top:bottom, left:right]
        results["img_shape"] = results["img"].shape[:2]
        return results

    def _open(self, path: str) -> ColourPng | WholeImage:
        tile = self.decoded.find(path)
        if tile is None:
            content = fileio.get(path, backend_args=self.load.backend_args)
            tile = ColourPng.read(content)
            if tile is None:
                tile = WholeImage(in_order(mmcv.imfrombytes(content, flag="color", backend="pillow")))
            height, width = tile.shape
            if self.decoded.fit(3 * height * width):
                tile.rows(height)
            self.decoded.keep(path, tile, 3 * height * width)
        return tile

    def _resize_labels(self, results: Sample, shape: tuple[int, int]) -> tuple[int, int]:
        """Draw a size, resize the labels, and return the height and width to which the image is resized."""
        results["scale"] = self.resize._random_scale()
        width, height = mmcv.rescale_size(shape[::-1], results["scale"])
        results["img_shape"] = height, width
        results["scale_factor"] = width / shape[1], height / shape[0]
        results["keep_ratio"] = True
        self.resize.resize.scale = results["scale"]
        self.resize.resize._resize_seg(results)
        return height, width
