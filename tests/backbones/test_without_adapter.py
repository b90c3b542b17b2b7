"""`Dinov2.without_adapter`: the features of the base while it lasts, and nothing else changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor, nn

from rs_adapt.adapters import Adapter, EarthAdapter, Rein
from rs_adapt.backbones import Dinov2

Build = Callable[..., Dinov2]
ADAPTERS: list[Callable[[], Adapter]] = [
    lambda: EarthAdapter(embed_dim=32, depth=4, rank=4, frequency_layers=(2, 3), cutoff=0.6),
    lambda: Rein(embed_dim=32, depth=4, patch_px=8, num_tokens=5, token_rank=None, query_dim=8, scale_init=1.0),
]


class Prompts(Adapter):
    """Two tokens before every block."""

    def __init__(self) -> None:
        super().__init__()
        self.prompt = nn.Parameter(torch.ones(2, 32))

    def tokens(self, layer: int) -> Tensor | None:
        return self.prompt


class Doubled(nn.Module):
    """A layer whose output is doubled, times a weight that trains."""

    def __init__(self, base: nn.Module) -> None:
        super().__init__()
        self.base, self.gain, self.on = base, nn.Parameter(torch.tensor(2.0)), True

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.base(x)
        return y * self.gain if self.on else y


class Wrapping(Adapter):
    """Doubles a layer inside the ViT."""

    def wrap(self, vit: nn.Module) -> None:
        self.branch = Doubled(vit.blocks[0].attn_q)
        vit.blocks[0].replace("attn_q", self.branch)

    def adapter_params(self) -> dict[str, nn.Parameter]:
        return {"gain": self.branch.gain}


class Unwrapping(Wrapping):
    """And knows how to take it out again."""

    @contextmanager
    def unwrapped(self) -> Iterator[None]:
        self.branch.on = False
        try:
            yield
        finally:
            self.branch.on = True


def images() -> Tensor:
    return torch.randn(2, 3, 64, 48, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("make", [*ADAPTERS, Prompts, Unwrapping])
def test_gives_the_base_and_then_the_adapter_again(build: Build, make: Callable[[], Adapter]) -> None:
    base, vit = build(), build(adapter=make())
    expected = vit(images())
    names = list(vit.state_dict())
    with vit.without_adapter():
        features = vit(images())
    for got, want, adapted in zip(features, base(images()), expected, strict=True):
        assert torch.equal(got, want)
        assert not got.requires_grad
        assert not torch.allclose(adapted, want, atol=1e-3)
    assert features.queries is None
    after = vit(images())
    assert all(torch.equal(got, want) for got, want in zip(after, expected, strict=True))
    assert (after.queries is None) == (expected.queries is None)
    assert list(vit.state_dict()) == names


def test_the_graph_of_the_adapters_features_stays_whole(build: Build) -> None:
    vit = build(adapter=ADAPTERS[0]())
    vit(images())[3].square().mean().backward()
    expected = {name: p.grad.clone() for name, p in vit.named_parameters() if p.grad is not None}
    vit.zero_grad()
    features = vit(images())
    with torch.no_grad(), vit.without_adapter():
        vit(images())
    features[3].square().mean().backward()
    assert expected
    for name, gradient in expected.items():
        assert torch.equal(dict(vit.named_parameters())[name].grad, gradient), name


def test_the_adapter_is_restored_after_an_error(build: Build) -> None:
    vit = build(adapter=ADAPTERS[0]())
    adapter = vit.adapter
    with pytest.raises(ZeroDivisionError), vit.without_adapter():
        raise ZeroDivisionError
    assert vit.adapter is adapter
    assert "adapter.scale" in vit.state_dict()


def test_a_vit_without_adapter_is_its_own_base(build: Build) -> None:
    vit = build()
    expected = vit(images())
    with vit.without_adapter():
        assert torch.equal(vit(images())[3], expected[3])
    full = build(frozen=False)
    with full.without_adapter():
        assert full(images())[3].requires_grad


def test_a_method_that_wraps_must_override_unwrapped(build: Build) -> None:
    vit = build(adapter=Wrapping())
    adapter = vit.adapter
    message = r"Wrapping overrides wrap\(\) but not unwrapped\(\)"
    with pytest.raises(AssertionError, match=message), vit.without_adapter():
        pass
    assert vit.adapter is adapter
