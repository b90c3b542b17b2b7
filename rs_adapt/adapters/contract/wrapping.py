"""Methods that change layers of the ViT in place: the layer stays, and a change of its function is put around it.

Shapes: B batch, N tokens, D embed; a weight is (out, in) or (out, in, height, width).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

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
    """A method's change of one layer; its tensors belong to the adapter, not to the layer.

    Attributes:
        reads_layer: Whether the forward pass reads the layer's own tensors. False where it calls the layer as it is, so
            that these tensors may be stored in the precision in which the layer computes.
    """

    reads_layer: ClassVar[bool] = True

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
        # Set by `fold_shared_layers`: the layer's own tensors hold the change already.
        self.folded = False
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
        require_plain(type(self).__name__, base)

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
        blocks: One `nn.ModuleDict` a block with its changes by handle, for methods that do not list them otherwise.
        first_block: The block (from 0) of the first entry of `blocks`.
        unmergeable: Why the method cannot be folded into the weights of the ViT, or None if it can.
    """

    blocks: nn.ModuleList
    first_block: int = 0
    unmergeable: str | None = None

    def __init__(self) -> None:
        super().__init__()
        self._wrapped: list[tuple[int | None, str, Wrapped]] = []

    def changes(self) -> Iterator[tuple[int | None, str, LayerChange]]:
        """Yield (block from 0 or None for the ViT itself, handle of the layer, change), in the order of wrapping.

        Here those of `blocks`, block by block.
        """
        for layer, block in enumerate(self.blocks, start=self.first_block):
            for handle, change in block.items():  # type: ignore[operator]
                yield layer, handle, change

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

    def rest_in(self, blocks: Collection[int]) -> None:
        """Switch the changes in these blocks off, and those in other blocks on; changes outside the blocks stay on."""
        super().rest_in(blocks)
        for layer, _, wrapped in self._wrapped:
            wrapped.active = layer not in self.resting

    def why_unmergeable(self) -> str | None:
        """Return why the method cannot be folded into the weights, or None if it can."""
        return self.unmergeable

    @torch.no_grad()
    def merge(self, vit: nn.Module) -> None:
        """Fold the changes into the weights of their layers, and put the plain layers back into the ViT.

        Changes that are switched off are dropped.

        Raises:
            ConfigError: The method is not a change of weights alone; the text says why.
        """
        if (reason := self.why_unmergeable()) is not None:
            raise ConfigError(f"{type(self).__name__} cannot be merged into the backbone's weights: {reason}.")
        # In reverse order: a layer may be wrapped more than once.
        for layer, handle, wrapped in reversed(self._wrapped):
            base: Any = wrapped.base
            if wrapped.active and not wrapped.folded:
                self.fold(base, wrapped._change[0])
            _owner(vit, layer).replace(handle, base)
        self._wrapped.clear()

    def fold(self, base: nn.Module, change: LayerChange) -> None:
        """Write one change into its layer's tensors."""
        weight: Any = base.weight
        weight.copy_(change.merged_weight(weight))


def require_plain(method: str, base: nn.Module) -> None:
    """Refuse a layer that a different method has wrapped, for a change that reads the layer's own tensors.

    Raises:
        ConfigError: The layer is wrapped: it does not compute with its weight alone, and the other method would have no
            effect.
    """
    if isinstance(base, Wrapped):
        raise ConfigError(
            f"{method} changes the weight of a layer that a different method has wrapped already. In a stack, name "
            "methods that change weights (sam_parser, hclip, norm, peft:...) before all others, and only one of "
            "them for the same layers."
        )


def layers_read_by_changes(vit: nn.Module) -> list[nn.Module]:
    """Return the plain layers below changes that read the layer's tensors in their forward pass."""
    found: list[nn.Module] = []
    for module in vit.modules():
        if isinstance(module, Wrapped) and module._change[0].reads_layer:
            base = module.base
            while isinstance(base, Wrapped):
                base = base.base
            found.append(base)
    return found


@torch.no_grad()
def fold_shared_layers(vit: nn.Module) -> None:
    """Write the common effect of several changes into each linear layer that is wrapped more than once.

    Changes that do not simply add to the weight (rotations, scales, norms of the weight) depend on the order in which
    they act, and some read the weight of the plain layer. The wrapped layer as a whole is still an affine map, so its
    weight and bias are read from its outputs: at zero, and at each unit vector. The adapters' `merge` then only takes
    the wrappers away.

    Args:
        vit: The ViT with its wrapped layers, in eval mode: drop-out would be no affine map.

    Raises:
        ConfigError: A change adds a bias to a layer that has none.
    """
    inner = {id(module.base) for module in vit.modules() if isinstance(module, Wrapped)}
    outermost = [module for module in vit.modules() if isinstance(module, Wrapped) and id(module) not in inner]
    for wrapped in outermost:
        chain = [wrapped]
        while isinstance(chain[-1].base, Wrapped):
            chain.append(chain[-1].base)
        plain = chain[-1].base
        if len(chain) > 1 and isinstance(plain, nn.Linear | nn.Conv2d):
            # Where all rest, the layer keeps its tensors bit for bit.
            if any(each.active for each in chain):
                _fill_from_outputs(plain, wrapped)
            for each in chain:
                each.folded = True


def _fill_from_outputs(plain: nn.Linear | nn.Conv2d, layer: nn.Module) -> None:
    """Give a plain layer the weight and bias of a layer that computes an affine map of the same sizes."""
    weight: Tensor = plain.weight
    # One input (in) or (in, height, width) for each column of the weight; convolutions see one patch without padding.
    size = weight.shape[1:]
    units = torch.eye(size.numel(), dtype=weight.dtype, device=weight.device).reshape(-1, *size)
    bias = layer(torch.zeros_like(units[:1])).flatten()
    columns = layer(units).flatten(1) - bias
    if plain.bias is None and bool((bias != 0).any()):
        raise ConfigError(
            "A stack adds a bias to a layer that has none, so it cannot be merged into the backbone's weights. Export "
            "without --merge."
        )
    weight.copy_(columns.T.reshape(weight.shape))
    if plain.bias is not None:
        plain.bias.copy_(bias)


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


def linear_dims(handle: str, *, embed_dim: int, mlp_dim: int) -> tuple[int, int]:
    """Return (in, out) of a block's layer: D -> D in attention, D -> mlp_dim in fc1, mlp_dim -> D in fc2."""
    return {"fc1": (embed_dim, mlp_dim), "fc2": (mlp_dim, embed_dim)}.get(handle, (embed_dim, embed_dim))


def _owner(vit: Any, layer: int | None) -> Any:
    return vit if layer is None else vit.blocks[layer]
