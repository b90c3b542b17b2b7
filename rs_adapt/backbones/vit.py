"""The base of all ViT backbones: a frozen ViT with an adapter inside, and four feature maps out.

The parts of a ViT are those of `transformers`; the loop over blocks is here, because that is where adapters act. A
family of ViTs states its parts, their names, and the second argument of its blocks.

Shapes: B batch, N tokens (prefix such as CLS and registers first), D embed, h/w token grid, H/W pixels, M prompts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

from rs_adapt.backbones.arguments import check_arguments
from rs_adapt.backbones.backbone import Backbone
from rs_adapt.backbones.cast_once import store_frozen_weights
from rs_adapt.backbones.conversion import Names, VitSize, measure
from rs_adapt.backbones.features import Features, scale_map, tokens_to_map
from rs_adapt.backbones.filling import fill_from_state
from rs_adapt.backbones.handles import Block
from rs_adapt.backbones.joint import BlocksLeft, adapted_block
from rs_adapt.backbones.resizing import resize
from rs_adapt.backbones.weights import load_state
from rs_adapt.config.facts import ConfigNode
from rs_adapt.errors import ConfigError, IncompatibleCell, WeightsError
from rs_adapt.registry import MODELS

if TYPE_CHECKING:
    from rs_adapt.adapters import Adapter


class Vit(Backbone):
    """Base of the ViT backbones: they return the outputs of some blocks as maps of different resolution.

    Attributes:
        takes_tokens: False where attention is in windows, which cannot take the tokens of prompt methods.
        recomputes: True computes each block again in the backward pass of training, which needs less memory.
        compiled: Whether the blocks are compiled (`rs_adapt.engine.compiling`).

    Args:
        parts: Makes the modules of the ViT; among them are `embeddings` and `layers`. It is called on the meta device.
        handles: Path of each part of a block by handle.
        names: Names of the family's tensors.
        num_prefix: Tokens before the patches.
        embed_dim: Width D.
        depth: Number of blocks.
        num_heads: Attention heads; divides embed_dim.
        patch_px: Side of a patch, pixels. Weights with a different patch size are resized.
        image_px: Image size that the position grid is made for ((image_px // patch_px) squared), or None for a ViT
            without learned positions.
        out_layers: Blocks (from 0, ascending) whose outputs are taken, before the final norm.
        level_scales: Size of each map relative to the token grid, one per out_layer.
        adapter: An adapter, a config dict of one, or None.
        frozen: Whether the ViT is frozen; False trains all of it and allows no adapter.
        weights: Path of a file that `load_state` reads; None or "random" for random weights, the same in every process.

    Raises:
        ConfigError: If values contradict each other.
        IncompatibleCell: If the adapter adds tokens and the ViT takes none.
        WeightsError: If the weights are missing, damaged or of a different size.
    """

    takes_tokens: ClassVar[bool] = True
    recomputes: bool = False
    compiled: bool = False
    embeddings: nn.Module
    layers: nn.ModuleList

    def __init__(
        self,
        *,
        parts: Callable[[], Mapping[str, nn.Module]],
        handles: Mapping[str, str],
        names: Names,
        num_prefix: int,
        embed_dim: int,
        depth: int,
        num_heads: int,
        patch_px: int,
        image_px: int | None,
        out_layers: Sequence[int],
        level_scales: Sequence[float],
        adapter: Adapter | ConfigNode | None,
        frozen: bool,
        weights: str | Path | None,
    ) -> None:
        super().__init__()
        check_arguments(embed_dim, depth, num_heads, patch_px, image_px, out_layers, level_scales)
        if adapter is not None and not frozen:
            raise ConfigError("frozen=False trains the whole ViT and cannot have an adapter: remove one of the two.")
        self.embed_dim, self.depth, self.patch_px, self.image_px = embed_dim, depth, patch_px, image_px
        self.out_layers, self.level_scales = tuple(out_layers), tuple(level_scales)
        self.level_channels = (embed_dim,) * len(self.out_layers)
        self.num_prefix, self.frozen = num_prefix, frozen
        self._handles, self.names = dict(handles), names

        self._change: Callable[[int, Tensor], Tensor] | None = None

        self._make(parts, weights)
        self.adapter: Adapter | None = None
        if adapter is not None:
            from rs_adapt.adapters import attach

            built: Adapter = MODELS.build(adapter) if isinstance(adapter, Mapping) else adapter
            if built.adds_tokens and not self.takes_tokens:
                raise IncompatibleCell(
                    f"{type(built).__name__} adds tokens, but {self.names.family} has windowed attention, which has no "
                    "place for extra tokens. Use a method without prompts, or a different backbone."
                )
            attach(built, self)
            self.adapter = built
        self.train()

    def embed(self, x_B3HW: Tensor) -> Tensor:
        """Return the input tokens (B, N, D) of the first block."""
        x_BND: Tensor = self.embeddings(x_B3HW)
        return x_BND

    def block_context(self, x_B3HW: Tensor) -> Any:
        """Return the blocks' second argument: rotary positions (DINOv3), the token grid (SAM) or None (plain ViT)."""
        return None

    def run_block(self, layer: int, x_BND: Tensor, context: Any, attend_B1NN: Tensor | None = None) -> Tensor:
        """Return the tokens after a block; with `attend_B1NN`, bool, a token (row) sees the tokens of its columns."""
        y_BND: Tensor = self.layers[layer](x_BND, **_masked(attend_B1NN))
        return y_BND

    def fit(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return a file's tensors (under our names) at the patch size and the position grid of this ViT."""
        return resize(state, self.names, patch_px=self.patch_px, image_px=self.image_px)

    def check_file(self, path: Path, state: Mapping[str, Tensor], file_size: VitSize) -> None:
        """Refuse a file (tensors under our names) of a different model of the family.

        Raises:
            WeightsError: The file is of a different model; the message names both.
        """
        size = VitSize(embed_dim=self.embed_dim, depth=self.depth, patch_px=self.patch_px)
        if (file_size.embed_dim, file_size.depth) != (size.embed_dim, size.depth):
            raise WeightsError(
                f"{path} holds weights of {file_size.model(self.names)} (width {file_size.embed_dim}, depth "
                f"{file_size.depth}), but {size.config(self.names)} needs width {size.embed_dim}, depth {size.depth}."
            )

    @property
    def blocks(self) -> list[Block]:
        """The blocks' handles, for adapters (see `rs_adapt.backbones.handles`)."""
        return [Block(layer, self._handles) for layer in self.layers]

    @property
    def patch_embed(self) -> nn.Module:
        """The convolution that makes patch tokens of pixels, for adapters."""
        return self.get_submodule(self.names.kernel.removesuffix(".weight"))

    def store_base(self, dtype: torch.dtype, *, but: Collection[nn.Module] = ()) -> None:
        """Store the frozen linear layers of the blocks in autocast's precision alone (see `store_frozen_weights`).

        The hash of the base stays that of the tensors before.
        """
        if not any(parameter.is_meta for parameter in self.base_parameters().values()):
            # The same tensors, whose hash is taken now.
            self.take_base_parameters(self.base_parameters())
        store_frozen_weights(self.layers, dtype, but=but)

    def replace(self, name: str, module: nn.Module) -> None:
        """Put `module` where the handle `name` of the ViT itself (`patch_embed`) points to."""
        assert name == "patch_embed", name
        self.set_submodule(self.names.kernel.removesuffix(".weight"), module, strict=True)

    def forward(self, x_B3HW: Tensor) -> Features:
        """Compute the feature maps.

        Args:
            x_B3HW: Normalised images (B, 3, H, W), float; H and W are multiples of patch_px.

        Returns:
            One map (B, D, h*s, w*s) for each out_layer, with h = H / patch_px, w = W / patch_px and s its level scale.
            The attribute `queries` holds the query embeddings that the adapter provides, or None, and `blocks_left`
            the blocks after the last out_layer, which are not run here; `text_side` is the adapter's, or None.

        Raises:
            DataError: If H or W is not a multiple of patch_px, or too small for the smallest map.
        """
        grid_hw = self.grid(x_B3HW)
        with torch.no_grad() if self.frozen and self.adapter is None else nullcontext():
            maps, blocks_left = self._maps(x_B3HW, grid_hw)
        image_hw = (x_B3HW.shape[-2], x_B3HW.shape[-1])
        if self.adapter is None:
            return Features(maps, None, image_hw, blocks_left)
        return Features(maps, self.adapter.queries(), image_hw, blocks_left, self.adapter.text_side())

    @contextmanager
    def without_adapter(self) -> Iterator[None]:
        """Make the ViT return the features of its base while the context lasts."""
        adapter, self.adapter = self.adapter, None
        try:
            with nullcontext() if adapter is None else adapter.unwrapped():
                yield
        finally:
            self.adapter = adapter

    @contextmanager
    def changing_tokens(self, change: Callable[[int, Tensor], Tensor]) -> Iterator[None]:
        """Replace what comes out of the blocks, for strategies that change features in training.

        Args:
            change: Takes the number of a block, from 0, and the tokens (B, N, D) after it and the adapter, prefix
                first; returns tokens of the same shape. It is called for every block that the ViT runs itself, not for
                those that a head runs (`BlocksLeft`) nor for `base_tokens`.
        """
        assert self._change is None, "two changes of the tokens"
        self._change = change
        try:
            yield
        finally:
            self._change = None

    @torch.no_grad()
    def base_tokens(self, x_B3HW: Tensor) -> Tensor:
        """Return the tokens (B, N, D), prefix first, of the plain ViT after its last used block, without gradient."""
        # Not `without_adapter`, which a compiler could not follow: the blocks are run here without the adapter's hooks.
        with nullcontext() if self.adapter is None else self.adapter.unwrapped():
            x_BND, context = self.embed(x_B3HW), self.block_context(x_B3HW)
            for layer in range(self.out_layers[-1] + 1):
                x_BND = self.run_block(layer, x_BND, context)
        return x_BND

    def base_map(self, x_B3HW: Tensor) -> Tensor:
        """Return the last feature map of the plain ViT, without gradient: that of `without_adapter`, without others."""
        map_BDhw = tokens_to_map(self.base_tokens(x_B3HW), self.grid(x_B3HW), num_prefix=self.num_prefix)
        return scale_map(map_BDhw, self.level_scales[-1])

    def _maps(self, x_B3HW: Tensor, grid_hw: tuple[int, int]) -> tuple[list[Tensor], BlocksLeft | None]:
        if self.adapter is not None:
            self.adapter.see(x_B3HW)
            if self.adapter.needs_base_tokens:
                self.adapter.prepare(lambda: self.base_tokens(x_B3HW))
        x_BND, context = self.embed(x_B3HW), self.block_context(x_B3HW)
        maps: list[Tensor] = []
        for layer in range(self.out_layers[-1] + 1):
            x_BND = adapted_block(self, layer, x_BND, context, grid_hw)
            if self._change is not None:
                x_BND = self._change(layer, x_BND)
            if layer in self.out_layers:
                map_BDhw = tokens_to_map(x_BND, grid_hw, num_prefix=self.num_prefix)
                maps.append(scale_map(map_BDhw, self.level_scales[len(maps)]))
        if layer == self.depth - 1:
            if self.adapter is not None:
                self.adapter.see(None)
            return maps, None
        # The head runs the others, with the adapter, which still sees the images then.
        return maps, BlocksLeft(vit=self, first=layer + 1, x_BND=x_BND, context=context, grid_hw=grid_hw)

    def fill_from_file(self, path: Path) -> str:
        """Fill the ViT from a weights file; see `Backbone`."""
        state = load_state(path, self.names)
        self.check_file(path, state, measure(state, self.names))
        ours = VitSize(embed_dim=self.embed_dim, depth=self.depth, patch_px=self.patch_px).config(self.names)
        return fill_from_state(
            dict(self.named_parameters()), source=state, fitted=self.fit(state), path=path, ours=ours
        )


def _masked(attend_B1NN: Tensor | None) -> dict[str, Tensor]:
    return {} if attend_B1NN is None else {"attention_mask": attend_B1NN}
