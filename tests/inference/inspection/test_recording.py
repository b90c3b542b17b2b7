"""Recording the blocks of a ViT: what it sees is right, and the model does not notice."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from rs_adapt.adapters import Adapter, EarthAdapter, Lora, Rein, Vpt
from rs_adapt.backbones import Dinov2
from rs_adapt.inference.inspection.recording import BlockRecord, record_blocks, relative_change

GRID = (4, 6)


class Doubling(Adapter):
    """Doubles the patch tokens after block 1."""

    def after_block(self, x_BND: Tensor, layer: int, grid_hw: tuple[int, int]) -> Tensor:
        return torch.cat([x_BND[:, :1], 2 * x_BND[:, 1:]], dim=1) if layer == 1 else x_BND


class Needy(Adapter):
    """Adds the base's tokens, which it asks for before each forward."""

    needs_base_tokens = True

    def prepare(self, base_tokens: Callable[[], Tensor]) -> None:
        self.base_BND = base_tokens()

    def after_block(self, x_BND: Tensor, layer: int, grid_hw: tuple[int, int]) -> Tensor:
        return x_BND + self.base_BND


def trained(adapter: Adapter) -> Adapter:
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in adapter.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return adapter


ADAPTERS: dict[str, Callable[[], Adapter | None]] = {
    "none": lambda: None,
    "earth": lambda: trained(EarthAdapter(embed_dim=32, depth=4, rank=4, frequency_layers=(2, 3), cutoff=0.6)),
    "rein": lambda: trained(Rein(embed_dim=32, depth=4, patch_px=8, num_tokens=5, token_rank=None, query_dim=8)),
    "lora": lambda: trained(Lora(embed_dim=32, depth=4, mlp_dim=128, rank=2)),
    "vpt": lambda: trained(Vpt(embed_dim=32, depth=4, patch_px=8, num_tokens=2)),
    "needy": Needy,
}


def build(adapter: Adapter | None) -> Dinov2:
    return Dinov2(
        embed_dim=32, depth=4, num_heads=2, patch_px=8, image_px=48, out_layers=(0, 1, 2, 3), adapter=adapter
    ).eval()


def images(count: int = 1) -> Tensor:
    return torch.randn(count, 3, 8 * GRID[0], 8 * GRID[1], generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def recorded(vit: Dinov2) -> tuple[list[BlockRecord], list[BlockRecord]]:
    """Return the blocks with the adapter, and those without."""
    with record_blocks(vit) as adapted:
        vit(images())
    with vit.without_adapter(), record_blocks(vit) as base:
        vit(images())
    return adapted, base


@pytest.mark.parametrize("name", ADAPTERS)
def test_the_model_does_not_notice(name: str) -> None:
    vit = build(ADAPTERS[name]())
    adapter, names = vit.adapter, list(vit.state_dict())
    expected = vit(images(2))
    with record_blocks(vit) as blocks:
        features = vit(images(2))
    assert [block.block for block in blocks] == [0, 1, 2, 3]
    assert all(torch.equal(got, want) for got, want in zip(features, expected, strict=True))
    assert (features.queries is None) == (expected.queries is None)
    if expected.queries is not None:
        assert torch.equal(features.queries, expected.queries)
    assert vit.adapter is adapter
    assert list(vit.state_dict()) == names
    assert all(torch.equal(got, want) for got, want in zip(vit(images(2)), expected, strict=True))


@pytest.mark.parametrize("name", ADAPTERS)
def test_records_are_the_blocks_outputs(name: str) -> None:
    vit = build(ADAPTERS[name]())
    adapted, base = recorded(vit)
    # Level 2 has the token grid's own size, so its map holds block 2's tokens.
    with vit.without_adapter():
        plain = vit(images())
    for blocks, maps in ((adapted, vit(images())), (base, plain)):
        tokens = maps[2][0].flatten(1).T.detach().numpy()
        assert np.array_equal(blocks[2].after_PD, tokens)
        assert blocks[2].grid_hw == GRID
    changes = [relative_change(with_.after_PD, without.after_PD) for with_, without in zip(adapted, base, strict=True)]
    assert all(change > 1e-4 for change in changes) == (name != "none")


def test_an_adapter_that_does_nothing_changes_exactly_nothing() -> None:
    fresh = Lora(embed_dim=32, depth=4, mlp_dim=128, rank=2)
    for vit in (build(fresh), build(Adapter()), build(None)):
        for with_, without in zip(*recorded(vit), strict=True):
            assert relative_change(with_.after_PD, without.after_PD) == 0.0
            assert relative_change(with_.after_PD, with_.before_PD) == 0.0
            assert with_.views == {}


def test_doubled_tokens_have_changed_by_one() -> None:
    adapted, base = recorded(build(Doubling()))
    own_steps = [relative_change(block.after_PD, block.before_PD) for block in adapted]
    assert own_steps == pytest.approx([0, 1, 0, 0])
    changes = [relative_change(with_.after_PD, without.after_PD) for with_, without in zip(adapted, base, strict=True)]
    assert changes[:2] == pytest.approx([0, 1])
    assert min(changes[2:]) > 0.1


def test_change_is_the_mean_of_the_tokens_ratios() -> None:
    before = np.array([[3.0, 4.0], [0.0, 2.0]], dtype=np.float32)
    after = np.array([[3.0, 4.0], [0.0, 5.0]], dtype=np.float32)
    assert relative_change(after, before) == pytest.approx((0 + 1.5) / 2)
    # Not that of the mean token.
    assert relative_change(before[::-1], before) == pytest.approx((np.hypot(3, 2) / 5 + np.hypot(3, 2) / 2) / 2)


def test_views_belong_to_the_first_image() -> None:
    vit = build(ADAPTERS["earth"]())
    with torch.no_grad(), record_blocks(vit) as alone:
        vit(images(1))
    with torch.no_grad(), record_blocks(vit) as both:
        vit(torch.cat([images(1), -images(1)]))
    assert alone[0].views == {}
    assert set(alone[2].views) == {
        *("frequency_norm/low", "frequency_norm/high"),
        *("router_weight/spatial", "router_weight/low", "router_weight/high"),
    }
    for name, view in alone[2].views.items():
        assert view.shape == GRID
        assert np.allclose(view, both[2].views[name], atol=1e-4)


def test_the_adapter_is_restored_after_an_error() -> None:
    vit = build(ADAPTERS["earth"]())
    adapter = vit.adapter
    with pytest.raises(ZeroDivisionError), record_blocks(vit):
        raise ZeroDivisionError
    assert vit.adapter is adapter
