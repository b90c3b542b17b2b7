"""Masking: whole blocks of the right size, the right share of them, and any image size."""

from __future__ import annotations

import pytest
import torch

from rs_adapt.strategies import mask_blocks


def hidden(*size: int, ratio: float = 0.5, block_share: float = 0.125) -> torch.Tensor:
    """Where a batch of ones is hidden, (B, H, W) bool; the same in all bands."""
    masked = mask_blocks(torch.ones(*size), ratio=ratio, block_share=block_share)
    assert torch.equal(masked, masked[:, :1].expand_as(masked))
    assert set(masked.unique().tolist()) <= {0.0, 1.0}
    return masked[:, 0] == 0


def test_blocks_are_hidden_whole_on_a_grid_of_their_size() -> None:
    mask = hidden(2, 3, 64, 128)
    blocks = mask.unfold(1, 8, 8).unfold(2, 8, 8).flatten(3)  # an eighth of the shorter side
    assert blocks.shape == (2, 8, 16, 64)
    assert torch.equal(blocks.all(dim=-1), blocks.any(dim=-1))
    # Blocks twice as large would be alike in pairs.
    each = blocks[..., 0]
    assert (each[:, 0::2] != each[:, 1::2]).any()
    assert (each[:, :, 0::2] != each[:, :, 1::2]).any()


@pytest.mark.parametrize("ratio", [0.3, 0.7])
def test_share_of_hidden_blocks_is_the_ratio(ratio: float) -> None:
    # 100 images x 64 blocks: one standard deviation of the share is below 0.006.
    assert hidden(100, 1, 16, 16, ratio=ratio).float().mean().item() == pytest.approx(ratio, abs=0.03)


def test_ratio_of_nothing_and_of_all() -> None:
    image = torch.randn(3, 3, 40, 40)
    assert torch.equal(mask_blocks(image, ratio=0.0, block_share=0.125), image)
    assert not mask_blocks(image, ratio=1.0, block_share=0.125).any()


@pytest.mark.parametrize(
    ("size", "block_share", "side", "grid"),
    [((20, 31), 0.25, 5, (4, 7)), ((7, 9), 0.01, 1, (7, 9)), ((33, 33), 0.125, 4, (9, 9))],
)
def test_blocks_at_the_far_edges_may_be_cut(
    size: tuple[int, int], block_share: float, side: int, grid: tuple[int, int]
) -> None:
    mask = hidden(1, 3, *size, block_share=block_share)
    assert mask.shape == (1, *size)
    corners = mask[:, ::side, ::side]
    assert corners.shape == (1, *grid)
    rebuilt = corners.repeat_interleave(side, dim=1).repeat_interleave(side, dim=2)
    assert torch.equal(mask, rebuilt[:, : size[0], : size[1]])


def test_images_of_a_batch_are_masked_on_their_own_and_seeded() -> None:
    torch.manual_seed(1)
    first = hidden(4, 3, 32, 32)
    assert not torch.equal(first[0], first[1])
    torch.manual_seed(1)
    assert torch.equal(hidden(4, 3, 32, 32), first)


def test_visible_pixels_are_unchanged() -> None:
    image = torch.randn(2, 3, 32, 32).to(torch.bfloat16)
    masked = mask_blocks(image, ratio=0.5, block_share=0.25)
    assert masked.dtype == image.dtype
    shown = masked != 0
    assert torch.equal(masked[shown], image[shown])
