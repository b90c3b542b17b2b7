"""Samples of the replaced steps equal those of mmsegmentation's own, bit for bit, and draw the same numbers."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.dataset import Compose

from rs_adapt.datasets.steps.quicken import quicken
from rs_adapt.datasets.steps.read_crop import ReadCrop
from rs_adapt.datasets.stream import seeded

LOAD = {"type": "mmcv.LoadImageFromFile", "imdecode_backend": "pillow"}
LABELS = {"type": "mmseg.LoadAnnotations", "imdecode_backend": "pillow"}
RESIZE = {"type": "mmcv.RandomResize", "resize_type": "mmseg.Resize", "scale": (96, 96), "keep_ratio": True}
RESIZE |= {"ratio_range": (0.5, 2.0)}
CROP = {"type": "mmseg.RandomCrop", "crop_size": (48, 48), "cat_max_ratio": 0.75}
FLIP = {"type": "mmseg.RandomFlip", "prob": 0.5}
DISTORT = {"type": "mmseg.PhotoMetricDistortion"}
PACK = {"type": "mmseg.PackSegInputs"}
VIEWS = [{"type": "rs_adapt.RememberPlainView"}, DISTORT, {"type": "rs_adapt.PackViews"}]
IGNORE = {"type": "rs_adapt.IgnoreClasses", "classes": [1]}
ANY_CROP = {**CROP, "cat_max_ratio": 1.0}

# Steps between, which read images whose memory is laid out otherwise.
REFERENCES = {"reference_dir": "tiles", "reference_suffix": ".jpg"}
STYLE = [
    {"type": "rs_adapt.FourierAmplitudeMix", "prob": 0.7, "strength": (0.0, 1.0), "share": 0.5, **REFERENCES},
    {"type": "rs_adapt.HistogramMatch", "prob": 0.5, **REFERENCES},
    {"type": "rs_adapt.BandJitter", "prob": 0.7},
]
CONVOLUTION = {"type": "rs_adapt.RandomConvolution", "prob": 0.5, "mean": [120.0] * 3, "std": [60.0] * 3}

PIPELINES = {
    "labelled": [LOAD, LABELS, RESIZE, CROP, FLIP, DISTORT, PACK],
    "style": [LOAD, LABELS, RESIZE, CROP, FLIP, *STYLE, DISTORT, CONVOLUTION, PACK],
    "unseen": [LOAD, LABELS, IGNORE, RESIZE, CROP, FLIP, PACK],
    "unlabelled": [LOAD, RESIZE, ANY_CROP, FLIP, PACK],
    "two views": [LOAD, RESIZE, ANY_CROP, FLIP, *VIEWS],
    "evaluation": [LOAD, {"type": "mmseg.Resize", "scale": (80, 80), "keep_ratio": True}, LABELS, PACK],
    "halves": [LOAD, LABELS, {**RESIZE, "ratio_range": (0.5, 0.5)}, CROP, PACK],
}


def run(steps: list[Any], files: tuple[str, str], seed: int) -> tuple[dict[str, Any], float]:
    info = {"img_path": files[0], "seg_map_path": files[1], "seg_fields": [], "reduce_zero_label": True}
    with seeded(seed):
        return Compose(steps)({**info, "label_map": None}), np.random.random()  # noqa: NPY002


@pytest.mark.parametrize("num_tiles", [1, 10**6], ids=["small set", "large set"])
@pytest.mark.parametrize("name", PIPELINES)
def test_samples_and_draws_are_those_of_mmsegmentation(name: str, num_tiles: int, tiles: Any) -> None:
    folder = str(Path(tiles[0][0]).parent)
    steps = [{**step, "reference_dir": folder} if "reference_dir" in step else step for step in PIPELINES[name]]
    plain, quick = Compose(steps).transforms, quicken(Compose(steps).transforms, num_tiles=num_tiles)
    assert not {"LoadImageFromFile", "LoadAnnotations", "PackSegInputs"} & {type(step).__name__ for step in quick}
    assert isinstance(quick[0], ReadCrop) or name == "evaluation"
    # Each file several times in a row, as when a crop is drawn anew, and again after the others.
    for turn, files, again in itertools.product(range(2), tiles, range(3)):
        seed = 100 * turn + again
        (expected, after), (sample, after_ours) = (run(steps, files, seed) for steps in (plain, quick))
        assert after == after_ours
        assert set(sample) == set(expected)
        for key in set(sample) - {"data_samples"}:
            assert sample[key].dtype == expected[key].dtype
            assert sample[key].is_contiguous()
            assert torch.equal(sample[key], expected[key])
        ours, theirs = sample["data_samples"], expected["data_samples"]
        assert ours.metainfo == theirs.metainfo
        assert ("gt_sem_seg" in ours) == ("gt_sem_seg" in theirs)
        if "gt_sem_seg" in ours:
            assert ours.gt_sem_seg.data.dtype == theirs.gt_sem_seg.data.dtype
            assert torch.equal(ours.gt_sem_seg.data, theirs.gt_sem_seg.data)


@pytest.mark.parametrize(
    "changed",
    [
        [{**LOAD, "to_float32": True}, RESIZE, CROP],
        [{**LOAD, "imdecode_backend": "cv2"}, RESIZE, CROP],
        [LOAD, {**RESIZE, "keep_ratio": False}, CROP],
        [LOAD, {**RESIZE, "interpolation": "bicubic"}, CROP],
        [LOAD, FLIP, RESIZE, CROP],
        [LOAD, RESIZE],
        [LOAD, CROP],
    ],
)
def test_other_steps_are_not_made_one(changed: list[dict[str, object]]) -> None:
    steps = quicken(Compose(changed).transforms, num_tiles=1)
    assert len(steps) == len(changed)
    assert not any(isinstance(step, ReadCrop) for step in steps)


def test_derived_steps_stay_themselves() -> None:
    plain = Compose([PACK]).transforms[0]

    class Packed(type(plain)):  # type: ignore[misc]
        pass

    own = Packed()
    assert quicken([own, print], num_tiles=1) == [own, print]
