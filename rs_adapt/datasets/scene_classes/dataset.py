"""A set of images with one class each, as samples of mmengine.

Shapes: H/W pixels. A label is a map of one pixel: one image counts once in a confusion matrix.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from numpy.typing import NDArray
from torch.utils.data import Dataset

from rs_adapt.datasets.sample import Sample
from rs_adapt.datasets.scene_classes.listing import list_scenes
from rs_adapt.errors import DataError, DataNotFound
from rs_adapt.pictures import open_picture
from rs_adapt.ranges import COUNT, COUNT_OR_0, Range, check_ranges
from rs_adapt.registry import DATASETS

_VIEWS = 8


@DATASETS.register_module()
class SceneDataset(Dataset[Sample]):
    """Images of a split's part, resized to a square, each with the index of its class.

    Training draws one of the first `views` of the eight turns and flips of a square for each sample: all of them are
    as likely from above, and a frozen model has to see each only once.

    Attributes:
        name: See below.
        metainfo: `classes` and `palette`.
        reduce_zero_label: False; with `ignore_index` and `data_prefix` for the checks of every kind of data set.

    Args:
        name: Name of this set in messages, such as `aid/aid/train`.
        img_dir: Folder that the paths of the split are relative to.
        ann_dir: None; accepted because every data set has it.
        img_suffix: Empty; accepted likewise.
        split_file: List of the split.
        part: `train`, `val` or `test`.
        classes: Class names in index order.
        candidates: By class, the number of the group of classes among which its images are decided.
        other_classes: Classes of the split whose images are left out.
        class_names: Names in the split of classes that it names otherwise; where given, even empty, images of all
            classes that are not in `classes` are left out.
        size_px: Side that images are resized to.
        shots: Images a class; None for all.
        seed: Seed of the draw of shots.
        views: How many of the eight turns and flips, 1 to 8; 1 leaves images as they are.
        how_to_get: One sentence for the message about missing data.
        spread: Keep at most so many images, spread evenly; None keeps all.

    Raises:
        DataNotFound: The folder or the list of the split is missing, or an image of it.
        DataError: See `list_scenes`.
    """

    reduce_zero_label = False
    ignore_index = 255

    def __init__(
        self,
        *,
        name: str,
        img_dir: str,
        split_file: str,
        part: str,
        classes: Sequence[str],
        candidates: Sequence[int],
        size_px: int,
        ann_dir: None = None,
        img_suffix: str = "",
        other_classes: Sequence[str] = (),
        class_names: Mapping[str, str] | None = None,
        shots: int | None = None,
        seed: int = 0,
        views: int = 1,
        how_to_get: str = "",
        spread: int | None = None,
    ) -> None:
        views_range = Range(least=1, most=_VIEWS, whole=True)
        check_ranges(name, size_px=(size_px, COUNT), seed=(seed, COUNT_OR_0), views=(views, views_range))
        self.name, self.size_px, self.views = name, size_px, views
        self.candidates = tuple(candidates)
        self.metainfo: dict[str, object] = {"classes": list(classes), "palette": None}
        self.data_prefix = {"img_path": img_dir, "seg_map_path": ann_dir}
        listed = list_scenes(
            {
                "name": name,
                "split_file": split_file,
                "part": part,
                "classes": classes,
                "other_classes": other_classes,
                "class_names": class_names,
                "shots": shots,
                "seed": seed,
                "how_to_get": how_to_get,
                "spread": spread,
            }
        )
        self._scenes = [(Path(img_dir) / scene.path, label) for scene, label in listed]
        if missing := [path for path, _ in self._scenes if not path.is_file()]:
            raise DataNotFound(
                f"{name}: {len(missing)} of {len(self._scenes)} images of the split are missing, first {missing[0]}. "
                f"{how_to_get}".strip()
            )

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._scenes)

    def get_data_info(self, index: int) -> dict[str, str]:
        """Return the file of an image, as `img_path`."""
        return {"img_path": str(self._scenes[index][0])}

    def __getitem__(self, index: int) -> Sample:
        """Load an image.

        Args:
            index: Position in the set.

        Returns:
            `inputs` (3, H, W) uint8 BGR and `data_samples`: a `SegDataSample` with the label as `gt_sem_seg` (1, 1, 1)
            and, as meta facts, `img_path`, `view` (0 to 7) and `group` of its class.

        Raises:
            DataError: The image cannot be decoded, naming the file.
        """
        path, label = self._scenes[index]
        view = random.randrange(self.views) if self.views > 1 else 0
        image_HW3 = turned(_read(path, self.name, self.size_px), view)
        sample = SegDataSample(gt_sem_seg=PixelData(data=torch.full((1, 1, 1), label, dtype=torch.int64)))
        facts = {"img_path": str(path), "view": view, "group": self.candidates[label], "img_shape": image_HW3.shape[:2]}
        sample.set_metainfo(facts)
        bgr_3HW = torch.from_numpy(np.ascontiguousarray(image_HW3[..., ::-1].transpose(2, 0, 1)))
        return {"inputs": bgr_3HW, "data_samples": sample}


def turned(image_HW3: NDArray[np.uint8], view: int) -> NDArray[np.uint8]:
    """Return one of the eight turns and flips of a square image; view 0 is the image itself."""
    image_HW3 = np.rot90(image_HW3, view % 4)
    return image_HW3[:, ::-1] if view >= 4 else image_HW3


def _read(path: Path, name: str, size_px: int) -> NDArray[np.uint8]:
    try:
        with open_picture(path) as image:
            rgb_HW3 = np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError) as error:
        raise DataError(f"{name}: cannot read {path}: {error}. Replace the file.") from error
    if rgb_HW3.shape[:2] == (size_px, size_px):
        return rgb_HW3
    # Areas are averaged where an image becomes smaller, so that no detail turns into noise.
    shrinks = min(rgb_HW3.shape[:2]) > size_px
    method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(rgb_HW3, (size_px, size_px), interpolation=method), dtype=np.uint8)
