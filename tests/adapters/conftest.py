"""All examples of all methods, and tiny ViTs to build them on: a generic one, and the project's own."""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from rs_adapt.adapters import Adapter
from rs_adapt.backbones import Dinov2
from rs_adapt.registry import MODELS


@dataclass(frozen=True, kw_only=True)
class Example:
    """One entry of a method's `examples()`."""

    cls: type[Adapter]
    settings: Mapping[str, Any]

    def arguments(self, function: Callable[..., Any], facts: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings, and what `function` takes of the backbone's facts."""
        parameters = inspect.signature(function).parameters
        every = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values())
        return {key: value for key, value in {**facts, **self.settings}.items() if every or key in parameters}

    def build(self, facts: Mapping[str, Any]) -> Adapter:
        """Build the adapter, the same at every call."""
        torch.manual_seed(0)
        return self.cls(**self.arguments(self.cls, facts))

    def num_params(self, facts: Mapping[str, Any]) -> int:
        """Return the closed-form count."""
        return self.cls.num_params(**self.arguments(self.cls.num_params, facts))


_QUICK = {"EarthAdapter", "Lora", "PeftAdapter", "Stack", "Vpt"}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that takes `example` for every example; one that takes `costly_example` mostly when time is no matter.

    The latter are first examples of methods that act in different places: after blocks, in layers, on tokens.
    """
    for name in {"example", "costly_example"} & set(metafunc.fixturenames):
        metafunc.parametrize(
            name,
            [
                pytest.param(
                    Example(cls=cls, settings=settings),
                    id=f"{cls.__name__}-{index}",
                    marks=[pytest.mark.slow]
                    if name == "costly_example" and (index or cls.__name__ not in _QUICK)
                    else [],
                )
                for cls in sorted(_methods(), key=lambda cls: cls.__name__)
                for index, settings in enumerate(cls.examples())
            ],
        )


def _methods() -> list[type[Adapter]]:
    return [cls for cls in MODELS.module_dict.values() if isinstance(cls, type) and issubclass(cls, Adapter)]


class Gain(nn.Module):
    """LayerScale."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.rand(dim) + 0.5)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gain


class TinyBlock(nn.Module):
    """Pre-norm transformer block with separate q, k, v."""

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.scale1, self.scale2 = Gain(dim), Gain(dim)
        self.attn_q, self.attn_k, self.attn_v, self.attn_out = (nn.Linear(dim, dim) for _ in range(4))
        self.fc1, self.fc2 = nn.Linear(dim, 2 * dim), nn.Linear(2 * dim, dim)

    def replace(self, name: str, module: nn.Module) -> None:
        setattr(self, name, module)

    def forward(self, x_BND: Tensor) -> Tensor:
        y = self.norm1(x_BND)
        q, k, v = (
            f(y).unflatten(2, (self.num_heads, -1)).transpose(1, 2) for f in (self.attn_q, self.attn_k, self.attn_v)
        )
        attended = functional.scaled_dot_product_attention(q, k, v)
        x_BND = x_BND + self.scale1(self.attn_out(attended.transpose(1, 2).flatten(2)))
        return x_BND + self.scale2(self.fc2(functional.gelu(self.fc1(self.norm2(x_BND)))))


class TinyViT(nn.Module):
    """Patches of an image through blocks; calls the adapter at every hook and returns the last tokens, CLS first."""

    embed_dim, depth, patch_px, mlp_dim, gated_mlp = 32, 4, 8, 64, False

    def __init__(self) -> None:
        super().__init__()
        self.patch_embed = nn.Conv2d(3, self.embed_dim, self.patch_px, self.patch_px)
        self.cls = nn.Parameter(torch.randn(1, 1, self.embed_dim))
        self.blocks = nn.ModuleList(TinyBlock(self.embed_dim, 2) for _ in range(self.depth))
        # The blocks that run; a test of what does not differ between blocks may leave some out.
        self.layers = tuple(range(self.depth))
        self.adapter: Adapter | None = None

    def replace(self, name: str, module: nn.Module) -> None:
        setattr(self, name, module)

    def embed(self, x_B3HW: Tensor) -> Tensor:
        patches = self.patch_embed(x_B3HW).flatten(2).transpose(1, 2)
        return torch.cat([self.cls.expand(len(patches), -1, -1), patches], dim=1)

    @torch.no_grad()
    def base_tokens(self, x_B3HW: Tensor) -> Tensor:
        assert self.adapter is not None
        with self.adapter.unwrapped():
            x_BND = self.embed(x_B3HW)
            for layer in self.layers:
                x_BND = self.blocks[layer](x_BND)
        return x_BND

    def forward(self, x_B3HW: Tensor) -> Tensor:
        if self.adapter is not None and self.adapter.needs_base_tokens:
            self.adapter.prepare(lambda: self.base_tokens(x_B3HW))
        if self.adapter is not None:
            self.adapter.see(x_B3HW)
        x_BND = self.embed(x_B3HW)
        grid_hw = (x_B3HW.shape[-2] // self.patch_px, x_B3HW.shape[-1] // self.patch_px)
        for layer in self.layers:
            block = self.blocks[layer]
            extra = self.adapter.tokens(layer) if self.adapter is not None else None
            if extra is None:
                x_BND = block(x_BND)
            else:
                tokens = extra.to(x_BND.dtype).expand(len(x_BND), -1, -1)
                y = block(torch.cat([x_BND[:, :1], tokens, x_BND[:, 1:]], dim=1))
                x_BND = torch.cat([y[:, :1], y[:, 1 + tokens.shape[1] :]], dim=1)
            if self.adapter is not None:
                x_BND = self.adapter.after_block(x_BND, layer, grid_hw)
        if self.adapter is not None:
            self.adapter.see(None)
        return x_BND


class TinyDinov2(Dinov2):
    """The project's backbone, small; its maps as one tensor."""

    def __init__(self, *, swiglu: bool) -> None:
        super().__init__(
            embed_dim=32,
            depth=4,
            num_heads=2,
            patch_px=8,
            image_px=48,
            out_layers=(1, 3),
            level_scales=(1.0, 1.0),
            swiglu=swiglu,
        )
        self.mlp_dim, self.gated_mlp = (88, True) if swiglu else (128, False)

    def forward(self, x_B3HW: Tensor) -> Tensor:  # type: ignore[override]
        return torch.stack(list(super().forward(x_B3HW)))


BACKBONES: dict[str, Callable[[], nn.Module]] = {
    "tiny": TinyViT,
    "dinov2": lambda: TinyDinov2(swiglu=False),
    "dinov2_swiglu": lambda: TinyDinov2(swiglu=True),
}


@functools.cache
def _vit(name: str) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(7)
        return BACKBONES[name]()


@functools.cache
def builder(name: str) -> Callable[[], nn.Module]:
    """Return a function that gives a new copy of the same random ViT at every call."""
    return lambda: copy.deepcopy(_vit(name))


@pytest.fixture
def make_vit() -> Callable[[], nn.Module]:
    """Build the generic ViT."""
    return builder("tiny")


@pytest.fixture
def make_dinov2() -> Callable[[], nn.Module]:
    """Build the project's own ViT."""
    return builder("dinov2")


@pytest.fixture
def vit_maker() -> Callable[[str], Callable[[], nn.Module]]:
    """Return `builder`, which takes a name in `BACKBONES`."""
    return builder
