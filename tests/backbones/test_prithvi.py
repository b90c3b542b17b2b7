"""Prithvi-EO-2.0: three of its six bands, and the first of its dates."""

from __future__ import annotations

from pathlib import Path

import plain_files
import pytest
import torch
from torch import Tensor, nn

from rs_adapt.backbones import Dinov2, PlainVit
from rs_adapt.backbones.description import describe
from rs_adapt.backbones.positions import ground_positions
from rs_adapt.errors import WeightsError

State = dict[str, Tensor]
SIZES = {"embed_dim": 32, "depth": 3, "num_heads": 2, "patch_px": 8, "out_layers": (0, 2), "level_scales": (1.0, 1.0)}


def positions(dates: int) -> Tensor:
    """Fixed codes of an 8 x 8 grid on several dates: a part for the date beside those for the place."""
    place = ground_positions((8, 8), 24, gsd_m=1.0)
    codes = [
        torch.cat([ground_positions((1, date + 1), 8, gsd_m=1.0)[-1:].expand(64, -1), place], 1)
        for date in range(dates)
    ]
    return torch.cat([torch.zeros(1, 32), *codes])[None]


def published(dates: int = 4) -> State:
    """A tiny file with the names of the authors' code: encoder and decoder."""
    torch.manual_seed(2)
    state = plain_files.mae().state_dict()
    for tensor in state.values():
        tensor.normal_(std=0.3)
    names = {
        name: value for name, value in plain_files.authors(state).items() if not name.startswith(("decoder", "mask"))
    }
    names |= {"pos_embed": positions(dates), "patch_embed.proj.weight": torch.randn(32, 6, 1, 8, 8)}
    decoder = {"decoder.mask_token": torch.ones(1, 1, 8), "decoder.decoder_blocks.0.norm1.weight": torch.ones(8)}
    return {f"encoder.{name}": tensor for name, tensor in names.items()} | decoder


@pytest.mark.parametrize("dates", [1, 3, 4])
def test_patches_are_those_of_six_bands_with_the_others_at_their_mean(tmp_path: Path, dates: int) -> None:
    state = published(dates)
    torch.save(state, tmp_path / "file.pt")
    vit = PlainVit(**SIZES, image_px=64, origin="prithvi", weights=tmp_path / "file.pt")
    conv = nn.Conv3d(6, 32, (1, 8, 8), (1, 8, 8))
    conv.load_state_dict({kind: state[f"encoder.patch_embed.proj.{kind}"] for kind in ("weight", "bias")})
    x = torch.randn(2, 3, 64, 64)
    bands = torch.zeros(2, 6, 1, 64, 64)
    # Blue, green and red come first in the file, and red first in an image.
    bands[:, 0, 0], bands[:, 1, 0], bands[:, 2, 0] = x[:, 2], x[:, 1], x[:, 0]
    want = conv(bands).flatten(2).transpose(1, 2) + positions(1)[:, 1:]
    torch.testing.assert_close(vit.embed(x)[:, 1:], want, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(vit.embed(x)[:, :1], state["encoder.cls_token"].expand(2, -1, -1))
    assert describe(tmp_path / "file.pt").family == "Prithvi-EO-2.0"


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    torch.save(published(), tmp_path / "file.pt")
    vit = PlainVit(**SIZES, image_px=64, origin="prithvi", weights=tmp_path / "file.pt")
    torch.save(vit.state_dict(), tmp_path / "merged.pt")
    again = PlainVit(**SIZES, image_px=64, origin="prithvi", weights=tmp_path / "merged.pt")
    assert again.base_sha256() == vit.base_sha256()


def test_damaged_tensors_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "file.pth"
    for state in plain_files.damaged(published()):
        torch.save(state, path)
        with pytest.raises(WeightsError):
            PlainVit(**SIZES, image_px=64, origin="prithvi", weights=path)


def test_wrong_files_are_named(tmp_path: Path) -> None:
    torch.save(published(), tmp_path / "prithvi.pt")
    torch.save({"model": plain_files.authors(plain_files.mae().state_dict())}, tmp_path / "mae.pt")
    with pytest.raises(WeightsError, match=r"not a Prithvi-EO-2\.0: the kernel of its patches is \(32, 3, 8, 8\)"):
        PlainVit(**SIZES, origin="prithvi", weights=tmp_path / "mae.pt")
    for build in (PlainVit, Dinov2):
        with pytest.raises(WeightsError, match=r"A file of Prithvi-EO-2\.0 has such names: choose prithvi_2_l"):
            build(**SIZES, weights=tmp_path / "prithvi.pt")
    damaged = published() | {"encoder.pos_embed": torch.randn(1, 1 + 195, 32)}
    torch.save(damaged, tmp_path / "damaged.pt")
    with pytest.raises(
        WeightsError, match=r"pos_embed has shape \(1, 196, 32\), which is no CLS token and square grids"
    ):
        PlainVit(**SIZES, origin="prithvi", weights=tmp_path / "damaged.pt")
