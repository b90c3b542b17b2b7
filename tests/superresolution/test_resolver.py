"""Images of any size through a network of super-resolution: blocks, interpolation, and the store of enlarged images."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from rs_adapt.errors import CheckpointMismatch
from rs_adapt.runs.resolvers import read_resolver
from rs_adapt.scenes import Box
from rs_adapt.superresolution import resolver
from rs_adapt.superresolution.network import interpolate
from rs_adapt.superresolution.resolver import ResolvedImages, assemble, build_resolver, load_resolver
from tests.resolver_models import write_resolver

IMAGE = np.random.default_rng(0).integers(0, 256, (36, 44, 3), np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_resolver(tmp_path_factory.mktemp("model"))


def test_interpolation_is_that_of_colours(tmp_path: Path) -> None:
    model = read_resolver(write_resolver(tmp_path, trains=False, scale=4))
    enlarged = build_resolver(model, torch.device("cpu")).enlarge(IMAGE)
    colours = torch.from_numpy(IMAGE.transpose(2, 0, 1)[None].astype(np.float32))
    expected = interpolate(colours, 4)[0].round().clamp(0, 255).numpy().transpose(1, 2, 0)
    assert enlarged.shape == (144, 176, 3)
    # Rounding in another unit may fall to the other side of a half.
    assert np.abs(enlarged.astype(int) - expected).max() <= 1


def test_blocks_and_windows_have_the_pixels_of_the_whole(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = load_resolver(read_resolver(folder))
    whole = network.enlarge(IMAGE)
    assert len(np.unique(whole)) > 100
    monkeypatch.setattr(resolver, "BLOCK_PX", 16)

    def read(box: Box) -> Any:
        return IMAGE[box.y0 : box.y1, box.x0 : box.x1]

    in_blocks = network.enlarge(IMAGE)
    window = assemble(Box(5, 7, 41, 30), 2, lambda left, top: network.enlarge_block(read, left, top, (44, 36)))
    assert np.array_equal(window, in_blocks[14:60, 10:82])
    # The border is beyond what the network looks at, apart from rounding.
    assert np.abs(in_blocks.astype(int) - whole).max() <= 1


def test_an_image_is_computed_once_and_again_where_its_file_is_damaged(
    folder: Path, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, computed = ResolvedImages(folder), []
    network = load_resolver(read_resolver(folder))
    enlarge = network.enlarge

    def counted(image: Any) -> Any:
        computed.append(image.shape)
        return enlarge(image)

    monkeypatch.setattr(network, "enlarge", counted)
    first, second = images.enlarge(IMAGE), images.enlarge(IMAGE.copy())
    assert np.array_equal(first, second)
    assert len(computed) == 1
    (stored,) = (own_home / "resolved").rglob("*.png")
    stored.write_bytes(stored.read_bytes()[:100])
    assert np.array_equal(images.enlarge(IMAGE), first)
    assert len(computed) == 2
    images.enlarge(IMAGE[:20])
    assert len(computed) == 3
    assert len(list((own_home / "resolved").rglob("*.png"))) == 2


def test_a_store_that_cannot_be_written_stops_nothing(folder: Path, own_home: Path) -> None:
    (own_home / "resolved").write_text("no folder")
    assert ResolvedImages(folder).enlarge(IMAGE).shape == (72, 88, 3)


def test_tensors_of_another_network_are_refused(folder: Path, tmp_path: Path) -> None:
    for name in ("manifest.json", "adapter.safetensors"):
        shutil.copyfile(folder / name, tmp_path / name)
    model = read_resolver(tmp_path)
    tensors = load_file(tmp_path / "adapter.safetensors")
    save_file(dict(list(tensors.items())[1:]), tmp_path / "adapter.safetensors")
    with pytest.raises(CheckpointMismatch, match="are not those of the network that its manifest states"):
        build_resolver(model, torch.device("cpu"))
