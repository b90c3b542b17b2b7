"""A folder of image tiles, with labels or without, as a mmsegmentation data set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from mmengine.structures import PixelData
from mmseg.datasets import BaseSegDataset

from rs_adapt.datasets.sample import Sample
from rs_adapt.datasets.spreading import evenly_spread
from rs_adapt.datasets.steps.quicken import quicken
from rs_adapt.datasets.tile_files import find_masks
from rs_adapt.errors import DataError, DataNotFound
from rs_adapt.pictures import open_picture
from rs_adapt.ranges import BYTE, COUNT, check_ranges
from rs_adapt.registry import DATASETS


@DATASETS.register_module()
class TileDataset(BaseSegDataset):  # type: ignore[misc]
    """Pairs `img_dir/**/NAME<img_suffix>` with `ann_dir/**/NAME<ann_suffix>`, and refuses what does not pair up.

    Without `ann_dir` the set is unlabelled: nothing below a label folder is opened or even listed. Where a folder
    `valid_dir` beside its images holds a mask of a tile, 1 where the tile shows an image and 0 elsewhere, the sample
    carries it as `valid`, resized, cropped and flipped with the image.

    Args:
        name: Name of this set in messages, such as `loveda/rural/train`.
        img_dir: Folder of the images: 8-bit, 3 bands, any size.
        ann_dir: Folder of the labels: 8-bit, one band, class values; None for an unlabelled set.
        classes: Class names in index order, after `reduce_zero_label`.
        palette: One [r, g, b] (0-255) per class.
        reduce_zero_label: Label value 0 means ignore and class k is stored as k + 1.
        ignore_index: Label value that counts nowhere, 0 to 255.
        img_suffix: Ending of image file names.
        ann_suffix: Ending of label file names.
        how_to_get: One sentence for the message about missing data.
        spread: Keep at most so many tiles, 1 or more, spread evenly over the sorted names; None keeps all.
        pipeline: Mmsegmentation transforms, applied to each tile; see `quicken` for how.

    Raises:
        DataNotFound: A folder is missing or holds no image.
        DataError: An image has no label, or a label has no image.
    """

    def __init__(
        self,
        *,
        name: str,
        img_dir: str,
        ann_dir: str | None,
        classes: list[str],
        palette: list[list[int]],
        reduce_zero_label: bool,
        ignore_index: int = 255,
        img_suffix: str = ".png",
        ann_suffix: str = ".png",
        how_to_get: str = "",
        spread: int | None = None,
        pipeline: list[dict[str, object]],
    ) -> None:
        check_ranges(name, ignore_index=(ignore_index, BYTE))
        if spread is not None:
            check_ranges(name, spread=(spread, COUNT))
        self.name = name
        self.how_to_get = how_to_get
        self.require_pairs(Path(img_dir), Path(ann_dir) if ann_dir else None, img_suffix, ann_suffix)
        super().__init__(
            img_suffix=img_suffix,
            seg_map_suffix=ann_suffix,
            metainfo={"classes": list(classes), "palette": [list(colour) for colour in palette]},
            data_prefix={"img_path": img_dir, "seg_map_path": ann_dir},
            pipeline=pipeline,
            ignore_index=ignore_index,
            reduce_zero_label=reduce_zero_label,
            # Paths of some thousand tiles need no packing for the loader processes, and packing collects garbage twice.
            serialize_data=False,
        )
        self._masks = find_masks(Path(img_dir)) if ann_dir is None else {}
        if spread is not None and spread < len(self):
            self.get_subset_(evenly_spread(len(self), spread))
        self.pipeline.transforms = quicken(self.pipeline.transforms, num_tiles=len(self))

    def require_pairs(self, img_dir: Path, ann_dir: Path | None, img_suffix: str, ann_suffix: str) -> None:
        """Check that the folders are there and that every image has its label, and the other way round."""
        images = self._names(img_dir, img_suffix, "images")
        if ann_dir is None:
            return
        labels = self._names(ann_dir, ann_suffix, "labels")
        for left, right, what, other, suffix in (
            (images, labels, "image", "label", ann_suffix),
            (labels, images, "label", "image", img_suffix),
        ):
            if alone := sorted(left - right):
                folder = ann_dir if other == "label" else img_dir
                raise DataError(
                    f"{self.name}: {len(alone)} {what}(s) without {other}, first {folder / (alone[0] + suffix)} is "
                    f"missing. Every {what} needs a {other} of the same name; add it or remove the {what}."
                )

    def _names(self, folder: Path, suffix: str, what: str) -> set[str]:
        if not folder.is_dir():
            raise DataNotFound(f"{self.name}: the folder of {what} {folder} does not exist. {self.how_to_get}".strip())
        names = {str(path.relative_to(folder))[: -len(suffix)] for path in folder.rglob(f"*{suffix}")}
        if not names:
            raise DataNotFound(f"{self.name}: {folder} holds no *{suffix} {what}. {self.how_to_get}".strip())
        return names

    def __getitem__(self, index: int) -> Sample:
        """Load and transform one tile.

        Args:
            index: Position in the sorted list of tiles.

        Returns:
            `inputs` (3, H, W) uint8 BGR and `data_samples`, a `SegDataSample` (labels only where the set has them;
            `valid` (1, H, W) bool only where pixels of an unlabelled tile show no image).

        Raises:
            DataError: The image or its label cannot be decoded, naming the file.
        """
        info = self.get_data_info(index)
        mask = self._masks.get(Path(info["img_path"]).stem)
        try:
            if mask is not None:
                # Carried as a label, which the transforms treat as they treat the image.
                with open_picture(mask) as image:
                    info |= {"gt_seg_map": np.array(image), "seg_fields": ["gt_seg_map"]}
            sample: Sample = self.pipeline(info)
        except (OSError, SyntaxError) as error:  # what PIL raises for files that are cut off or no images
            files = " or ".join(str(info[key]) for key in ("img_path", "seg_map_path") if info.get(key))
            raise DataError(f"{self.name}: cannot read {files}: {error}. Replace the file.") from error
        if mask is not None:
            packed = sample["data_samples"]
            packed.valid = PixelData(data=packed.gt_sem_seg.data == 1)
            del packed.gt_sem_seg
        return sample
