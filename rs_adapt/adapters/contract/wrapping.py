"""Methods that change layers of the ViT in place: the layer stays, and a change of its function is put around it.

Shapes: B batch, N tokens, D embed; a weight is (out, in) or (out, in, height, width).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from rs_adapt.adapters.contract.adapter import Adapter
from rs_adapt.errors import ConfigError

# Handles of the layers with a weight matrix, in the order of a block.
ATTENTION = ("attn_q", "attn_k", "attn_v", "attn_out")
LINEARS = (*ATTENTION, "fc1", "fc2")
PATCH_EMBED = "patch_embed"


class LayerChange(nn.Module):
    """A method's change of one layer; its tensors belong to the adapter, not to the layer."""

    def bind(self, base: nn.Module) -> None:
        """Check the layer, or derive constants from its weight; called once, before the first forward pass."""

    def forward(self, base: nn.Module, x: Tensor) -> Tensor:
        """Return the changed layer's output for the layer's input."""
        raise NotImplementedError

    def merged_weight(self, weight: Tensor) -> Tensor:
        """Return the weight of a plain layer with the same output as the changed one (mergeable changes)."""
        raise NotImplementedError


class Wrapped(nn.Module):
    """A layer of the ViT with its change, or the layer alone while the change is switched off.

    The change is not a submodule: its tensors belong to the adapter, so that each has one name, is saved once and is in
    one group of the optimizer.
    """

    def __init__(self, base: nn.Module, change: LayerChange) -> None:
        super().__init__()
        self.base = base
        self.active = True
        # In a tuple, which torch does not search for submodules.
        self._change = (change,)

    def forward(self, x: Tensor) -> Tensor:
        """Run the layer with its change."""
        y: Tensor = self._change[0](self.base, x) if self.active else self.base(x)
        return y

    def __getattr__(self, name: str) -> Any:
        """Return attributes of the layer (`weight`, `in_features`, ...) that the code around it reads."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name == "base":
                raise
            return getattr(self.base, name)


class WeightChange(LayerChange):
    """A change that gives the same layer a different weight: `y = layer(x; W', b)`."""

    def bind(self, base: nn.Module) -> None:
        """Check that no other method has wrapped the layer.

        Raises:
            ConfigError: A different method has wrapped the layer, which therefore does not compute with its weight
                alone.
        """
        if isinstance(base, Wrapped):
            raise ConfigError(
                f"{type(self).__name__} changes the weight of a layer that a different method has wrapped already. "
                "In a stack, name methods that change weights (flora, sam_parser, hclip) before all others."
            )

    def forward(self, base: nn.Module, x: Tensor) -> Tensor:
        """Run the layer with its changed weight."""
        layer: Any = base
        weight = self.merged_weight(layer.weight).to(layer.weight.dtype)
        if isinstance(layer, nn.Conv2d):
            return functional.conv2d(x, weight, layer.bias, layer.stride, layer.padding, layer.dilation, layer.groups)
        return functional.linear(x, weight, layer.bias)


class WrappingAdapter(Adapter):
    """Base of the methods that wrap layers: they list their changes; this class wraps, unwraps and merges them.

    Attributes:
        unmergeable: Why the method cannot be folded into the weights of the ViT, or None if it can.
    """

    unmergeable: str | None = None

    def __init__(self) -> None:
        super().__init__()
        self._wrapped: list[tuple[int | None, str, Wrapped]] = []

    def changes(self) -> Iterator[tuple[int | None, str, LayerChange]]:
        """Yield (block from 0 or None for the ViT itself, handle of the layer, change), in the order of wrapping."""
        raise NotImplementedError

    def wrap(self, vit: nn.Module) -> None:
        """Put every change around its layer."""
        for layer, handle, change in self.changes():
            owner = _owner(vit, layer)
            base = getattr(owner, handle)
            change.bind(base)
            wrapped = Wrapped(base, change)
            owner.replace(handle, wrapped)
            self._wrapped.append((layer, handle, wrapped))

    @contextmanager
    def unwrapped(self) -> Iterator[None]:
        """Switch all changes off while the context lasts."""
        before = [wrapped.active for _, _, wrapped in self._wrapped]
        try:
            for _, _, wrapped in self._wrapped:
                wrapped.active = False
            yield
        finally:
            for (_, _, wrapped), active in zip(self._wrapped, before, strict=True):
                wrapped.active = active

    def why_unmergeable(self) -> str | None:
        """Return why the method cannot be folded into the weights, or None if it can."""
        return self.unmergeable

    @torch.no_grad()
    def merge(self, vit: nn.Module) -> None:
        """Fold the changes into the weights of their layers, and put the plain layers back into the ViT.

        Raises:
            ConfigError: The method is not a change of weights alone; the text says why.
        """
        if (reason := self.why_unmergeable()) is not None:
            raise ConfigError(f"{type(self).__name__} cannot be merged into the backbone's weights: {reason}.")
        # In reverse order: a layer may be wrapped more than once.
        for layer, handle, wrapped in reversed(self._wrapped):
            base: Any = wrapped.base
            self.fold(base, wrapped._change[0])
            _owner(vit, layer).replace(handle, base)
        self._wrapped.clear()

    def fold(self, base: nn.Module, change: LayerChange) -> None:
        """Write one change into its layer's tensors."""
        weight: Any = base.weight
        weight.copy_(change.merged_weight(weight))


def check_targets(method: str, targets: tuple[str, ...], allowed: tuple[str, ...]) -> tuple[str, ...]:
    """Return the handles of the layers to change, after checking them.

    Raises:
        ConfigError: There is none, one is unknown to the method, or one is named twice.
    """
    unknown = [name for name in targets if name not in allowed]
    if unknown or not targets or len(set(targets)) != len(targets):
        wrong = f"unknown: {', '.join(unknown)}" if unknown else "none, or one twice"
        raise ConfigError(
            f"{method}: targets is [{', '.join(targets)}] ({wrong}). Name one or more of {', '.join(allowed)}."
        )
    return targets


def check_at_least(method: str, **values: tuple[float, float]) -> None:
    """Refuse values below their minimum: `rank=(value, 1)`.

    Raises:
        ConfigError: A value is too small.
    """
    for name, (value, minimum) in values.items():
        if value < minimum:
            raise ConfigError(f"{method}: {name} is {value}; it must be at least {minimum}.")


def linear_dims(handle: str, *, embed_dim: int, mlp_dim: int) -> tuple[int, int]:
    """Return (in, out) of a block's layer: D -> D in attention, D -> mlp_dim in fc1, mlp_dim -> D in fc2."""
    return {"fc1": (embed_dim, mlp_dim), "fc2": (mlp_dim, embed_dim)}.get(handle, (embed_dim, embed_dim))


def _owner(vit: Any, layer: int | None) -> Any:
    return vit if layer is None else vit.blocks[layer]
