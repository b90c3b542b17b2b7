"""CLIP's text transformer: tokens to vectors of the space that CLIP's images share.

CLIP: Radford et al., arXiv 2103.00020, section 2.4. Shapes: T texts, N tokens, W width, C dimensions of the space.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Self, get_args

import torch
from torch import Tensor, nn

from rs_adapt.adapters import Adapter, attach
from rs_adapt.adapters.contract.wrapping import WrappingAdapter
from rs_adapt.backbones import handles
from rs_adapt.backbones.clip import Activation
from rs_adapt.backbones.filling import fill_from_state, fill_random
from rs_adapt.backbones.handles import Block
from rs_adapt.backbones.weights import RANDOM
from rs_adapt.errors import ConfigError, IncompatibleCell
from rs_adapt.language.clip_files import POSITIONS, PROJECTION, TOKENS, ClipFile, read_clip
from rs_adapt.language.tokenizer import CONTEXT, VOCABULARY
from rs_adapt.ranges import COUNT, check_ranges

# Every published CLIP has heads of 64 channels in its text tower, and no file states them.
_HEAD_DIM = 64
_TOKEN_EMBEDDING = TOKENS.removesuffix(".weight")
_BIAS = f"{_TOKEN_EMBEDDING}.bias"


class TextTower(nn.Module):
    """A text tower of CLIP, frozen unless stated otherwise, with an adapter in its layers if there is one.

    Blocks have the handles of the visual tower (`rs_adapt.backbones.handles`), and `patch_embed` is the embedding of
    tokens, so methods that change layers sit on it by the same contract. A token sees those before it and itself; the
    vector of a text is its end's, after the last norm and the projection.

    Attributes:
        embed_dim: Width W.
        depth: Number of blocks.
        text_dim: Dimensions C of the space.
        num_tokens: Size of the vocabulary.
        context: Longest text with its start and end, tokens.
        num_prefix: Tokens before those of the text, of which there are none.
        adapter: The adapter inside, or None.

    Args:
        embed_dim: Width W.
        depth: Number of blocks.
        num_heads: Attention heads; divides embed_dim.
        text_dim: Dimensions C of the space.
        num_tokens: Size of the vocabulary; its last entry is the end of a text.
        context: Longest text with its start and end, tokens.
        activation: Activation of the feed-forward part, "quick_gelu" or "gelu"; see `rs_adapt.backbones.Clip`.
        adapter: A method that changes layers of a ViT, built for `embed_dim`, `depth` and `mlp_dim = 4 * embed_dim`.
        frozen: Whether the tower is frozen; False trains all of it and allows no adapter.
        weights: A file that `read_clip` reads, or its content; None or "random" for random weights, the same in every
            process.

    Raises:
        ConfigError: If a number is out of its range, the activation is unknown, or a tower that trains has an adapter.
        IncompatibleCell: If the adapter acts on the patches of images.
        WeightsError: If the weights are missing, damaged or of a different size.
    """

    num_prefix = 0
    embeddings: nn.Module
    layers: nn.ModuleList
    final_norm: nn.Module
    projection: nn.Module

    def __init__(
        self,
        *,
        embed_dim: int,
        depth: int,
        num_heads: int,
        text_dim: int,
        num_tokens: int = VOCABULARY,
        context: int = CONTEXT,
        activation: Activation = "quick_gelu",
        adapter: Adapter | None = None,
        frozen: bool = True,
        weights: str | Path | ClipFile | None = None,
    ) -> None:
        """Build the tower, fill it, then put the adapter in."""
        super().__init__()
        sizes = {"embed_dim": embed_dim, "depth": depth, "num_heads": num_heads, "text_dim": text_dim}
        sizes |= {"num_tokens": num_tokens, "context": context}
        check_ranges("TextTower", **{name: (value, COUNT) for name, value in sizes.items()})
        if embed_dim % num_heads:
            raise ConfigError(f"TextTower: num_heads is {num_heads}; it must divide embed_dim, {embed_dim}.")
        self.embed_dim, self.depth, self.text_dim = embed_dim, depth, text_dim
        self.num_tokens, self.context = num_tokens, context
        if activation not in get_args(Activation):
            raise ConfigError(f"TextTower: activation is {activation!r}. Allowed: {', '.join(get_args(Activation))}.")
        if adapter is not None and not frozen:
            raise ConfigError("TextTower: frozen=False trains all of it and allows no adapter: remove one of the two.")
        self.frozen = frozen
        self._make(sizes, activation)
        if torch.empty(0).device.type == "meta":
            # For counting alone: there are no values.
            pass
        elif weights is None or str(weights) == RANDOM:
            fill_random(dict(self.named_parameters()), (TOKENS, POSITIONS))
        else:
            self._fill(weights if isinstance(weights, ClipFile) else read_clip(weights))
        self.requires_grad_(not frozen)
        self.adapter: Adapter | None = None
        if adapter is not None:
            self.take(adapter)

    def take(self, adapter: Adapter) -> None:
        """Put a method into the tower; one that is inside already stays.

        Args:
            adapter: See `TextTower`.

        Raises:
            IncompatibleCell: See `TextTower`.
        """
        if self.adapter is adapter:
            return
        assert self.adapter is None, "the tower holds a different method"
        _require_layers_alone(adapter)
        attach(adapter, self)
        self.adapter = adapter

    @classmethod
    def from_file(
        cls,
        file: str | Path | ClipFile,
        *,
        activation: Activation = "quick_gelu",
        adapter: Adapter | None = None,
    ) -> Self:
        """Build the tower of a file, in the file's own size.

        Args:
            file: A file that `read_clip` reads, or its content.
            activation: See `TextTower`; no file states it.
            adapter: See `TextTower`.

        Raises:
            ConfigError: If the activation is unknown.
            WeightsError: If the weights are missing or damaged.
            IncompatibleCell: See `TextTower`.
        """
        content = file if isinstance(file, ClipFile) else read_clip(file)
        text = content.text
        num_tokens, width = text[TOKENS].shape
        return cls(
            embed_dim=width,
            depth=1 + max(int(name.split(".")[1]) for name in text if name.startswith("layers.")),
            num_heads=max(1, width // _HEAD_DIM),
            text_dim=len(text[PROJECTION]),
            num_tokens=num_tokens,
            context=len(text[POSITIONS]),
            activation=activation,
            adapter=adapter,
            weights=content,
        )

    @property
    def blocks(self) -> list[Block]:
        """The blocks' handles, for adapters (see `rs_adapt.backbones.handles`)."""
        return [Block(layer, handles.CLIP) for layer in self.layers]

    @property
    def patch_embed(self) -> nn.Module:
        """The embedding of tokens, for adapters: what the patch embedding is to an image."""
        return self.get_submodule(_TOKEN_EMBEDDING)

    def replace(self, name: str, module: nn.Module) -> None:
        """Put `module` where the handle `name` of the tower itself (`patch_embed`) points to."""
        assert name == "patch_embed", name
        self.set_submodule(_TOKEN_EMBEDDING, module, strict=True)

    def forward(self, ids_TN: Tensor) -> Tensor:
        """Return the vectors of texts (T, C), not normalised.

        Args:
            ids_TN: Tokens, int64 (T, N): each row holds the end, the last entry of the vocabulary, and what stands
                behind it has no effect.
        """
        ends_T = ids_TN.argmax(dim=1)
        # Nothing looks forward, so places behind the last end need not be computed.
        ids_TN = ids_TN[:, : int(ends_T.max()) + 1]
        with torch.no_grad() if self.frozen and self.adapter is None else nullcontext():
            x_TNW: Tensor = self.embeddings(ids_TN)
            length = ids_TN.shape[1]
            sees_11NN = torch.ones(length, length, dtype=torch.bool, device=ids_TN.device).tril()[None, None]
            for layer in self.layers:
                x_TNW = layer(x_TNW, sees_11NN)
            ends_TW = x_TNW[torch.arange(len(x_TNW), device=x_TNW.device), ends_T]
            vectors_TC: Tensor = self.projection(self.final_norm(ends_TW))
        return vectors_TC

    def _make(self, sizes: Mapping[str, int], activation: Activation) -> None:
        from rs_adapt.language.text_parts import build_text_parts

        device = torch.empty(0).device
        # On "meta" nothing is allocated or drawn, so transformers' own initialisation costs nothing.
        with torch.device("meta"):
            for name, module in build_text_parts(**sizes, activation=activation).items():
                self.add_module(name, module)
        self.to_empty(device=device)
        ids: Tensor = self.embeddings.position_ids  # type: ignore[assignment]
        ids.copy_(torch.arange(ids.shape[1]))

    def _fill(self, content: ClipFile) -> None:
        params = dict(self.named_parameters())
        state = {**content.text, _BIAS: content.text[TOKENS].new_zeros(self.embed_dim)}
        fill_from_state(params, source=state, fitted=state, path=content.path, ours="this text tower")


def _require_layers_alone(adapter: Adapter) -> None:
    """Refuse a method that acts between blocks: it reads patches of an image, or adds tokens among them."""
    every = [module for module in adapter.modules() if isinstance(module, Adapter)]
    leaves = [one for one in every if not any(isinstance(m, Adapter) for m in one.modules() if m is not one)]
    if other := [one for one in leaves if not isinstance(one, WrappingAdapter) or one.needs_images]:
        raise IncompatibleCell(
            f"{type(other[0]).__name__} cannot sit in a text tower: it needs images, their patches, or places among "
            "them. Use a method that changes layers, such as lora, adaptformer, bitfit, norm or peft:..."
        )
