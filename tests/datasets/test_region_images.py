"""Colour images for super-resolution: of a region of a bench, and files of your own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rs_adapt.datasets.prepare_flow import digest_flow, ensure_flow, require_flow_files
from rs_adapt.datasets.region_images import read_colours
from rs_adapt.errors import ConfigError, DataError, DataNotFound, UnknownName
from rs_adapt.turbulence.storage import read_facts, read_stack, stack_file

RNG = np.random.default_rng(0)


def region(**changes: Any) -> dict[str, Any]:
    return {"kind": "region_images", "bench": "loveda-r2u", "region": "source"} | changes


def test_images_of_a_region_are_taken_and_its_validation_tiles_are_scored(loveda_root: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    ensure_flow(region(), data_root=loveda_root, out_dir=out)
    facts = read_facts(out)
    assert (facts.content, facts.is_periodic) == ("colour", False)
    assert facts.slices == {"train": (1,) * 4, "test": (1,) * 2}
    first = loveda_root / "loveda/rural/train/img_dir/0.png"
    stack = read_stack(stack_file(out, "train", 0), slices=1)
    assert stack.dtype == np.uint8
    np.testing.assert_array_equal(stack[:, 0], np.asarray(Image.open(first)).transpose(2, 0, 1))
    train = np.stack([read_colours(path) for path in sorted(first.parent.glob("*.png"))]).astype(float)
    np.testing.assert_allclose(facts.mean, train.mean(axis=(0, 2, 3, 4)))
    digests = digest_flow(out, "train")
    ensure_flow(region(region="target"), data_root=loveda_root, out_dir=out)
    assert digest_flow(out, "train") != digests


def test_files_of_your_own_are_read_in_colour(tmp_path: Path) -> None:
    Image.fromarray(RNG.integers(0, 256, (12, 16, 3), np.uint8)).save(tmp_path / "a.png")
    Image.fromarray(RNG.integers(0, 256, (12, 16), np.uint8)).save(tmp_path / "b.tif")
    recipe = {"kind": "image_files", "files": {"train": ["*.png"], "test": ["*.tif"]}}
    require_flow_files(recipe, data_root=tmp_path)
    ensure_flow(recipe, data_root=tmp_path, out_dir=tmp_path / "out")
    grey = read_stack(stack_file(tmp_path / "out", "test", 0), slices=1)
    assert grey.shape == (3, 1, 12, 16)
    assert np.array_equal(grey[0], grey[2])


def test_what_holds_no_colours_is_refused(loveda_root: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="no bench 'loveda-r2x'. Did you mean"):
        require_flow_files(region(bench="loveda-r2x"), data_root=tmp_path)
    with pytest.raises(ConfigError, match="whose task is super-resolution. Allowed: a bench of segmentation"):
        require_flow_files(region(bench="flow"), data_root=tmp_path)
    with pytest.raises(ConfigError, match=r"bench.prepare: .*region"):
        require_flow_files(region(region="north"), data_root=tmp_path)
    with pytest.raises(DataNotFound, match=r"img_dir holds no \*.png images, which loveda-r2u names"):
        ensure_flow(region(), data_root=tmp_path / "empty", out_dir=tmp_path / "out")
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(DataError, match="cannot be read"):
        read_colours(tmp_path / "text.png")
    Image.fromarray(RNG.integers(0, 60000, (12, 16), np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(DataError, match="has the mode I;16. Allowed: pictures of 8 bit"):
        read_colours(tmp_path / "deep.png")
