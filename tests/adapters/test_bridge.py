"""Bridge: what its tokens read, what the patches take of them, and that nothing of a forward pass is left behind."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from rs_adapt.adapters import attach
from rs_adapt.adapters.bridge import Bridge, place_embedding
from rs_adapt.adapters.stack import Stack
from rs_adapt.errors import ConfigError

FACTS = {"embed_dim": 32, "depth": 4}
IMAGES = torch.randn(2, 3, 32, 48, generator=torch.Generator().manual_seed(2))


def moved(**settings: Any) -> Bridge:
    """A bridge whose last projection has left zero."""
    torch.manual_seed(0)
    adapter = Bridge(**FACTS, **({"num_tokens": 5, "width": 8} | settings))
    nn.init.normal_(adapter.spread.weight, std=0.3)
    nn.init.normal_(adapter.spread.bias, std=0.3)
    return adapter


@torch.no_grad()
def test_patches_take_of_the_tokens_what_the_formula_says() -> None:
    adapter = moved()
    adapter.see(IMAGES)
    tokens = torch.randn(2, 1 + 24, 32)
    after = adapter.after_block(tokens, 2, (4, 6))
    cells = adapter.stem(IMAGES)
    # Maps of stride 8, 16 and 32.
    assert cells.shape == (2, 4 * 6 + 2 * 3 + 1 * 2, 8)
    for image in range(2):
        read = adapter.layer_tokens[2].clone()
        for number, token in enumerate(adapter.layer_tokens[2]):
            scores = adapter.key(cells[image]) @ adapter.query(token) / math.sqrt(8)
            read[number] += scores.softmax(dim=0) @ adapter.value(cells[image])
        conditioned = adapter.up(read)
        for place in range(24):
            patch = tokens[image, 1 + place]
            share = (conditioned @ patch / math.sqrt(32)).softmax(dim=0)
            torch.testing.assert_close(after[image, 1 + place], patch + share @ adapter.spread(conditioned))
    assert torch.equal(after[:, 0], tokens[:, 0])


@torch.no_grad()
def test_tokens_are_conditioned_on_their_own_image() -> None:
    adapter = moved()
    adapter.see(IMAGES)
    both = adapter.conditioned_tokens(1)
    assert not torch.allclose(both[0], both[1])
    adapter.see(IMAGES[1:])
    torch.testing.assert_close(adapter.conditioned_tokens(1)[0], both[1])


@torch.no_grad()
def test_cells_of_different_maps_at_one_place_have_one_embedding() -> None:
    like = torch.zeros(1)
    # The centre of a cell of 32 px is that of no cell of 8 px, but the middle one of three such cells is.
    fine, coarse = (place_embedding(9, 6, 16, cell_px=px, like=like).unflatten(0, (9, 6)) for px in (8, 24))
    torch.testing.assert_close(fine[4, 1], coarse[1, 0])
    assert len({tuple(place.tolist()) for place in fine.flatten(0, 1)}) == 54


@pytest.mark.parametrize("stacked", [False, True])
def test_the_stem_learns_and_nothing_of_a_forward_pass_is_kept(make_vit: Callable[[], Any], stacked: bool) -> None:
    vit, adapter = make_vit(), moved()
    vit.adapter = adapter
    if stacked:
        settings = {"type": "rs_adapt.Bridge", "num_tokens": 5, "width": 8}
        vit.adapter = Stack(
            adapters={"bridge": settings, "lora": {"type": "rs_adapt.Lora"}}, **FACTS, patch_px=8, mlp_dim=64
        )
        adapter = vit.adapter.adapters["bridge"]
        nn.init.normal_(adapter.spread.weight, std=0.3)
    attach(vit.adapter, vit)
    vit(IMAGES).square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in adapter.stem.parameters())
    assert adapter._cells is None


def test_a_width_without_room_for_the_places_is_refused() -> None:
    with pytest.raises(ConfigError, match="width is 6; it must be a multiple of 4"):
        moved(width=6)
