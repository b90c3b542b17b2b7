"""The contract of every PEFT method: which parts of a frozen ViT an adapter may change, and which parameters train.

Shapes: B batch, N tokens (prefix tokens such as CLS first, then the patches row by row), D embed, h/w token grid.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from types import MappingProxyType
from typing import Any, TypeAlias

from torch import Tensor, nn

from rs_adapt.errors import ConfigError

# A value of a method's constructor: plain, so that it can be part of a configuration.
Setting: TypeAlias = bool | int | float | str | Sequence["Setting"] | Mapping[str, "Setting"] | None
# Constructor arguments by name.
Settings: TypeAlias = dict[str, Setting]
# Names of tensors that belong to one block: `blocks.3.attn_q.down`, `layers.3_attn_q.layer...`.
_IN_BLOCK = re.compile(r"(?:blocks|layers|projections)\.(\d+)[._]")


class Adapter(nn.Module):
    """Base of all PEFT methods: a module with the trainable weights, called by the backbone at fixed hooks.

    A method overrides the hooks it needs and registers itself with `@MODELS.register_module()`. It works on any ViT:
    any width, depth and token grid. Its constructor takes keyword-only plain values; those named `embed_dim`, `depth`,
    `patch_px`, `mlp_dim` and `gated_mlp` are facts of the backbone, filled in by the configuration.

    Attributes:
        identity_at_init: True when a freshly built adapter leaves the features of the ViT unchanged.
        zero_grad_at_init: Parts of the names of the parameters whose gradient is exactly zero in the first step.
        no_decay: Parts of the names of the parameters that get no weight decay: norms, tokens, scales, embeddings.
        lr_mults: Factors of the adapter's learning rate, by parts of the names of the parameters; 1 for all others.
        needs_base_tokens: True when `prepare` has to be called with the frozen ViT's tokens before every forward.
        needs_images: True when `start_from_images` has to be called before the first training iteration.
        adds_tokens: True when `tokens` returns some (prompt methods); a ViT with windows cannot take them.
        compiles_as_one_graph: False where torch.compile splits the forward into several graphs, because code of other
            libraries is called.
        reference_prefix: Prefix of the method's tensors, below `backbone.`, in checkpoints of the reference (the code
            that its authors released); None where no such layout exists. A method that has it implements
            `convert_reference`, `to_reference` and `reference_settings`.
        reference_spare: Templates (`#` a number, `*` weight or bias) of tensors that those checkpoints may have and an
            instance need not use.
        num_prefix: How many tokens before the patches (CLS, registers; none at all in some ViTs); `attach` sets it.
        stacked_by_block: Names of the parameters whose first axis is the block.
        resting: Blocks in which the adapter shall do nothing; see `rest_in`.
    """

    identity_at_init: bool = False
    zero_grad_at_init: tuple[str, ...] = ()
    no_decay: tuple[str, ...] = ()
    lr_mults: Mapping[str, float] = MappingProxyType({})
    needs_base_tokens: bool = False
    needs_images: bool = False
    adds_tokens: bool = False
    compiles_as_one_graph: bool = True
    reference_prefix: str | None = None
    reference_spare: tuple[str, ...] = ()
    num_prefix: int = 1
    stacked_by_block: tuple[str, ...] = ()
    resting: frozenset[int] = frozenset()

    def wrap(self, vit: nn.Module) -> None:
        """Replace layers of the ViT in place (weight and branch methods; see `WrappingAdapter`).

        Args:
            vit: Backbone with the handles `patch_embed` and `blocks[i].{attn_q, attn_k, attn_v, attn_out, fc1, fc2,
                norm1, norm2, scale1, scale2}`; put a new layer in place with `blocks[i].replace("attn_q", layer)`.
        """

    def unwrapped(self) -> AbstractContextManager[None]:
        """Return a context in which the layers that `wrap` changed act as before; override it together with `wrap`."""
        assert type(self).wrap is Adapter.wrap, f"{type(self).__name__} overrides wrap() but not unwrapped()"
        return nullcontext()

    def start_from_images(self, vit: nn.Module, images: Sequence[Tensor]) -> None:
        """Set starting values from images; called once before a new training if `needs_images` is set.

        Args:
            vit: The backbone, with the adapter attached.
            images: Batches of normalised images (B, 3, H, W).
        """

    def prepare(self, base_tokens: Callable[[], Tensor]) -> None:
        """Prepare one forward pass; called before the first block if `needs_base_tokens` is set.

        Args:
            base_tokens: Computes the tokens (B, N, D) that the frozen ViT without adapter gives for the same images
                after its last block in use, without gradient.
        """

    def see(self, x_B3HW: Tensor | None) -> None:
        """Take the images of a forward pass; called before the first block, and with None after the last.

        Args:
            x_B3HW: Normalised images, as the ViT takes them; None to forget them.
        """

    def tokens(self, layer: int) -> Tensor | None:
        """Return extra tokens for the input of block `layer` (from 0), or None (prompt methods).

        Either (M, D), the same for all images, or (B, M, D).
        """

    def after_block(self, x_BND: Tensor, layer: int, grid_hw: tuple[int, int]) -> Tensor:
        """Change the output of a block.

        Args:
            x_BND: Tokens after block `layer`, prefix first.
            layer: Index of the block, from 0.
            grid_hw: Rows and columns of the token grid; N = num_prefix + h * w.

        Returns:
            Tokens of the same shape and dtype.
        """
        return x_BND

    def inspect_block(self, x_BND: Tensor, layer: int, grid_hw: tuple[int, int]) -> dict[str, Tensor]:
        """Return maps and vectors that show the adapter at work in a block; no state changes.

        Args:
            x_BND: Tokens after block `layer` as `after_block` takes them.
            layer: Index of the block, from 0.
            grid_hw: Rows and columns of the token grid.

        Returns:
            Maps (B, h, w) and vectors (B, any length) by the name `quantity/view`. Views of one quantity share a unit
            and are drawn on one colour scale. By default there are none.
        """
        return {}

    def block_of(self, name: str) -> int | None:
        """Return the only block (from 0) that uses a parameter of `adapter_params`; None if several do.

        Parameters of `stacked_by_block` have a part for every block and belong to none.
        """
        match = _IN_BLOCK.match(name)
        return int(match[1]) if match else None

    def rest_in(self, blocks: Collection[int]) -> None:
        """Let the adapter do nothing in these blocks, and act in all others, until the next call.

        Here the blocks are noted in `resting`: callers leave `tokens` and `after_block` of these blocks out. A method
        that wraps layers switches those off as well.
        """
        self.resting = frozenset(blocks)

    def held_still(self) -> Sequence[tuple[nn.Parameter, Tensor | None]]:
        """Return the parameters that the coming optimizer step must not change, called after `before_step`.

        Each comes with a mask (first axis of the parameter, bool) of the rows that rest, or with None for all of it.
        Neither their values nor what the optimizer stores for them change: no update, no weight decay, no step counted
        (a step is counted for a parameter of which some rows train).
        """
        return ()

    def before_step(self) -> None:
        """Run between the backward pass and the optimizer step of each training iteration; may add to gradients."""

    def after_step(self) -> None:
        """Run after the optimizer step of each training iteration, before the gradients are cleared."""

    def queries(self) -> Tensor | None:
        """Return query embeddings (num_queries, query_dim) for the decode head, or None."""

    def text_side(self) -> Adapter | None:
        """Return the part of a method on both towers that sits in the text tower, or None; the same at each call.

        It changes layers of the text tower and has no tensors of its own: all of them are this adapter's.
        """
        return None

    def why_unmergeable(self) -> str | None:
        """Return why the method cannot be folded into the weights of the ViT, or None if it can."""
        return "it acts between the blocks, so no weight of a block does the same"

    def merge(self, vit: nn.Module) -> None:
        """Fold the adapter into the weights of the ViT, which afterwards is a plain one.

        Raises:
            ConfigError: The method cannot be merged; the text says why.
        """
        raise ConfigError(
            f"{type(self).__name__} cannot be merged into the backbone's weights: {self.why_unmergeable()}."
        )

    def adapter_params(self) -> dict[str, nn.Parameter]:
        """Return all trainable parameters in the backbone by name: these are saved, counted and optimized."""
        return dict(self.named_parameters())

    @staticmethod
    def num_params(*args: Any, **kwargs: Any) -> int:
        """Return the number of trainable parameters in closed form, from constructor arguments by keyword."""
        raise NotImplementedError

    @staticmethod
    def examples() -> tuple[Settings, ...]:
        """Return small settings (without `embed_dim`, `depth`, `patch_px`) that the contract test builds.

        The test's ViT has four blocks of width 32.
        """
        raise NotImplementedError

    @staticmethod
    def convert_reference(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Rename and re-arrange weights of the method's reference implementation.

        Args:
            state: Weights under the reference's names, without the prefix of the enclosing model.

        Returns:
            Entries that the adapter's `load_state_dict` takes; it drops those that the instance does not use.

        Raises:
            ConfigError: A name is not known, or no reference layout exists.
        """
        raise ConfigError("No released checkpoint layout is known for this method. Load weights that rs-adapt saved.")

    @staticmethod
    def to_reference(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Rename a state dict of the adapter to the reference's names, the inverse of `convert_reference`."""
        raise NotImplementedError

    @staticmethod
    def reference_settings(state: Mapping[str, Tensor]) -> Settings:
        """Return the constructor arguments that the reference's weights imply, `embed_dim` and `depth` among them.

        Args:
            state: Weights under the reference's names, as `convert_reference` takes them.

        Raises:
            ConfigError: A tensor that determines a size is missing or has the wrong number of dimensions.
        """
        raise NotImplementedError


def attach(adapter: Adapter, vit: nn.Module) -> None:
    """Freeze a ViT, let the adapter wrap it, and check that exactly the adapter's parameters train.

    Args:
        adapter: The PEFT method; it may already be a submodule of `vit`.
        vit: The backbone; all its own parameters get `requires_grad = False`. Its `num_prefix` is one (CLS) where
            it states none.

    Raises:
        AssertionError: The trainable parameters differ from `adapter.adapter_params()`: a fault of the method.
    """
    adapter.num_prefix = getattr(vit, "num_prefix", 1)
    adapter_ids = {id(p) for p in adapter.parameters()}
    for param in vit.parameters():
        if id(param) not in adapter_ids:
            param.requires_grad_(False)
    adapter.wrap(vit)
    everything = [*vit.named_parameters(), *adapter.named_parameters()]
    trainable = {id(p): name for name, p in everything if p.requires_grad}
    declared = {id(p): name for name, p in adapter.adapter_params().items()}
    undeclared = sorted(trainable[i] for i in trainable.keys() - declared.keys())
    frozen = sorted(declared[i] for i in declared.keys() - trainable.keys())
    assert not undeclared, (
        f"{type(adapter).__name__} trains parameters that adapter_params() does not list: {undeclared}"
    )
    assert not frozen, f"{type(adapter).__name__} lists parameters in adapter_params() that do not train: {frozen}"
