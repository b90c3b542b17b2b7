"""Scale-MAE: positions in units of ground distance."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import plain_files
import pytest
import torch

from rs_adapt.backbones import PlainVit, ScaleMae
from rs_adapt.backbones.conversion import to_published_names
from rs_adapt.backbones.positions import ground_positions
from rs_adapt.backbones.scale_mae import NAMES
from rs_adapt.errors import ConfigError

SIZES = {"embed_dim": 32, "depth": 3, "num_heads": 2, "patch_px": 8, "out_layers": (2,), "level_scales": (1.0,)}


def test_positions_are_the_papers_formula() -> None:
    codes = ground_positions((3, 5), 32, gsd_m=0.3).view(3, 5, 32)
    # Sine before cosine, column before row; each of width 16, whose waves have the rates 10000^(-2i/16).
    for row, column in ((0, 0), (2, 3), (1, 4)):
        for i in range(8):
            rate = 10000 ** (-2 * i / 16)
            want = [f(0.3 * place * rate) for place in (column, row) for f in (math.sin, math.cos)]
            assert codes[row, column, i::8].tolist() == pytest.approx(want, abs=1e-6)


def test_at_one_metre_positions_are_those_of_mae() -> None:
    # transformers computes MAE's fixed positions itself, unless a model counts as filled.
    model = plain_files.mae()
    embeddings: Any = model.embeddings
    embeddings.patch_embeddings.projection._is_hf_initialized = False
    embeddings.initialize_weights()
    codes = ground_positions((8, 8), 32, gsd_m=1.0)
    torch.testing.assert_close(codes, embeddings.position_embeddings[0, 1:], atol=1e-5, rtol=1e-5)


def test_at_one_metre_it_is_a_plain_vit_with_the_same_file(tmp_path: Path) -> None:
    torch.manual_seed(1)
    state = plain_files.mae().state_dict()
    for tensor in state.values():
        tensor.normal_(std=0.3)
    state["embeddings.position_embeddings"][0, 0] = 0
    state["embeddings.position_embeddings"][0, 1:] = ground_positions((8, 8), 32, gsd_m=1.0)
    torch.save({"model": plain_files.authors(state)}, tmp_path / "file.pth")
    x = torch.randn(2, 3, 64, 64)
    plain = PlainVit(**SIZES, image_px=64, weights=tmp_path / "file.pth")
    scaled = ScaleMae(**SIZES, gsd_m=1.0, weights=tmp_path / "file.pth")
    torch.testing.assert_close(scaled(x)[0], plain(x)[0], atol=1e-4, rtol=1e-4)
    fine = ScaleMae(**SIZES, gsd_m=0.3, weights=tmp_path / "file.pth")
    assert fine.base_sha256() == scaled.base_sha256() != plain.base_sha256()
    assert not torch.allclose(fine(x)[0], scaled(x)[0], atol=1e-2)


def test_every_layout_gives_the_same_vit(tmp_path: Path) -> None:
    torch.manual_seed(1)
    state = {name: torch.randn(tensor.shape) * 0.3 for name, tensor in plain_files.mae().state_dict().items()}
    files = {"authors": plain_files.authors(state), "published": plain_files.published(state), "modules": state}
    vits = []
    for name, tensors in files.items():
        torch.save(tensors, tmp_path / f"{name}.pth")
        vits.append(ScaleMae(**SIZES, gsd_m=1.0, weights=tmp_path / f"{name}.pth"))
    torch.save(vits[0].state_dict(), tmp_path / "merged.pth")
    vits.append(ScaleMae(**SIZES, gsd_m=1.0, weights=tmp_path / "merged.pth"))
    torch.save(to_published_names(vits[0].base_parameters(), NAMES.original), tmp_path / "written.pth")
    vits.append(ScaleMae(**SIZES, gsd_m=1.0, weights=tmp_path / "written.pth"))
    assert len({vit.base_sha256() for vit in vits}) == 1


def test_larger_images_continue_the_positions() -> None:
    vit = ScaleMae(**SIZES, gsd_m=2.0)
    x = torch.randn(1, 3, 64, 96)
    wide, narrow = vit.embed(x), vit.embed(x[..., :64])
    columns = wide[:, 1:].view(1, 8, 12, 32)[:, :, :8].flatten(1, 2)
    torch.testing.assert_close(columns, narrow[:, 1:])
    assert "position_embeddings" not in " ".join(vit.state_dict())


@pytest.mark.parametrize("gsd_m", [0, -1.0, float("nan"), None])
def test_sizes_that_are_none_are_refused(gsd_m: float) -> None:
    with pytest.raises(ConfigError, match=r"model\.backbone\.gsd_m"):
        ScaleMae(**SIZES, gsd_m=gsd_m)


def test_a_width_without_whole_waves_is_refused() -> None:
    with pytest.raises(
        ConfigError, match="embed_dim=30: sine-cosine positions of rows and columns need a multiple of 4"
    ):
        ScaleMae(**SIZES | {"embed_dim": 30}, gsd_m=1.0)
