"""The step of a pipeline that enlarges images, with labels, and all tiles of a set beforehand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from rs_adapt.registry import TRANSFORMS, load_libraries
from rs_adapt.superresolution.enlarging import ResolveImage, enlarge_tiles
from rs_adapt.superresolution.resolver import ResolvedImages
from tests.resolver_models import write_resolver

RNG = np.random.default_rng(0)


def test_images_are_enlarged_in_their_order_of_bands_and_labels_are_repeated(tmp_path: Path) -> None:
    load_libraries()
    folder = write_resolver(tmp_path / "model", scale=4)
    step = TRANSFORMS.build({"type": "rs_adapt.ResolveImage", "model": str(folder)})
    assert isinstance(step, ResolveImage)
    rgb, labels = RNG.integers(0, 256, (12, 8, 3), np.uint8), RNG.integers(0, 6, (12, 8), np.uint8)
    results = step.transform(
        {
            "img": rgb[..., ::-1],
            "img_shape": (12, 8),
            "ori_shape": (12, 8),
            "gt_seg_map": labels,
            "seg_fields": ["gt_seg_map"],
        }
    )
    assert np.array_equal(results["img"][..., ::-1], ResolvedImages(folder).enlarge(rgb))
    assert (results["img_shape"], results["ori_shape"]) == ((48, 32), (12, 8))
    assert np.array_equal(results["gt_seg_map"][::4, ::4], labels)
    assert np.array_equal(results["gt_seg_map"], np.kron(labels, np.ones((4, 4), np.uint8)))


def test_tiles_are_enlarged_beforehand(tmp_path: Path, own_home: Path) -> None:
    folder = write_resolver(tmp_path / "model")
    (tmp_path / "img").mkdir()
    for number in range(3):
        Image.fromarray(RNG.integers(0, 256, (8, 8, 3), np.uint8)).save(tmp_path / f"img/{number}.png")
    settings = {"img_dir": str(tmp_path / "img"), "img_suffix": ".png", "ann_dir": None, "pipeline": []}
    enlarge_tiles(settings)
    assert not (own_home / "resolved").exists()
    done = []
    settings["pipeline"] = [{"type": "rs_adapt.ResolveImage", "model": str(folder)}]
    enlarge_tiles(settings, lambda stage, position, total: done.append((stage, position, total)))
    assert done == [("enlarging images", number, 3) for number in (1, 2, 3)]
    assert len(list((own_home / "resolved").rglob("*.png"))) == 3
