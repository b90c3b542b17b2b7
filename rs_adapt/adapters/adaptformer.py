"""AdaptFormer: a bottleneck parallel to the MLP of every block.

Shapes: B batch, N tokens, D embed, R rank.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal, get_args

from torch import Tensor, nn
from torch.nn import functional

from rs_adapt.adapters.contract.adapter import Settings
from rs_adapt.adapters.contract.mid import MidHost
from rs_adapt.adapters.contract.wrapping import LayerChange, WrappingAdapter
from rs_adapt.errors import ConfigError
from rs_adapt.ranges import COUNT, POSITIVE, SHARE_BELOW_1, check_ranges
from rs_adapt.registry import MODELS

TapPoint = Literal["pre_norm", "post_norm"]
Activation = Literal["relu", "gelu"]


class ParallelBranch(nn.Module, MidHost):
    """`s up(drop(a(mid(down(v)))))` with the activation a."""

    def __init__(self, embed_dim: int, *, rank: int, scale: float, dropout: float, activation: Activation) -> None:
        super().__init__()
        self.rank, self.scale, self.activation = rank, scale, activation
        self.down, self.up = nn.Linear(embed_dim, rank), nn.Linear(rank, embed_dim)
        self.dropout = nn.Dropout(dropout)
        nn.init.kaiming_uniform_(self.down.weight, a=math.sqrt(5))
        for zero in (self.down.bias, self.up.weight, self.up.bias):
            nn.init.zeros_(zero)

    def forward(self, v_BND: Tensor) -> Tensor:
        """Return the branch's output (B, N, D)."""
        activate = functional.relu if self.activation == "relu" else functional.gelu
        hidden = self.dropout(activate(self.apply_mid(self.down(v_BND))))
        added: Tensor = self.scale * self.up(hidden)
        return added


class Tap(LayerChange):
    """A norm that also stores its input or its output for the branch."""

    reads_layer = False

    def __init__(self, tap: TapPoint) -> None:
        super().__init__()
        self.tap = tap
        self.stored: Tensor | None = None

    def forward(self, base: nn.Module, x: Tensor) -> Tensor:
        """Run the norm."""
        y: Tensor = base(x)
        self.stored = x if self.tap == "pre_norm" else y
        return y


class BranchSum(LayerChange):
    """A layer whose output is the sum of its own and the branch's."""

    reads_layer = False

    def __init__(self, branch: ParallelBranch, tap: Tap) -> None:
        super().__init__()
        # In a tuple, which torch does not search for submodules: the branch is one of the adapter.
        self._parts = (branch, tap)

    def forward(self, base: nn.Module, x: Tensor) -> Tensor:
        """Run the layer and add the branch's output."""
        branch, tap = self._parts
        tapped, tap.stored = tap.stored, None
        assert tapped is not None
        y: Tensor = base(x)
        added: Tensor = branch(tapped)
        return y + added


@MODELS.register_module()
class AdaptFormer(WrappingAdapter):
    """AdaptFormer (Chen et al., NeurIPS 2022, https://arxiv.org/abs/2205.13535).

    `x <- x + mlp(norm2(x)) + s up(drop(relu(down(x))))`. `up` starts at zero, so the features start as the frozen ones.
    Trained: `2 D R + R + D` per block.

    The branch reads the residual stream before the norm (`tap="pre_norm"`, as in the paper) or after it
    (`tap="post_norm"`). DINOv2 multiplies the MLP's output by LayerScale; the branch bypasses it, as if the ViT had
    none (`after_layerscale=False` puts the branch before LayerScale). Some code wraps the MLP of a block instead;
    `tap="post_norm", after_layerscale=False` is equivalent. `activation="gelu"` replaces the ReLU.
    """

    identity_at_init: bool = True
    zero_grad_at_init: tuple[str, ...] = (".down.",)
    unmergeable: str | None = "its branch contains an activation, so no single weight can replace it"

    def __init__(
        self,
        *,
        embed_dim: int,
        depth: int,
        rank: int = 64,
        scale: float = 0.1,
        dropout: float = 0.1,
        tap: TapPoint = "pre_norm",
        after_layerscale: bool = True,
        activation: Activation = "relu",
    ) -> None:
        """Build the branches.

        Args:
            embed_dim: Width of the ViT.
            depth: Number of blocks of the ViT.
            rank: Width R of the bottleneck, at least 1.
            scale: The factor s, above 0.
            dropout: Share of the hidden values that is dropped in training, from 0 to below 1.
            tap: "pre_norm" or "post_norm".
            after_layerscale: Add the branch after LayerScale, or before it.
            activation: "relu" or "gelu".

        Raises:
            ConfigError: An argument is out of its range.
        """
        super().__init__()
        check_ranges("AdaptFormer", rank=(rank, COUNT), scale=(scale, POSITIVE), dropout=(dropout, SHARE_BELOW_1))
        if tap not in get_args(TapPoint):
            raise ConfigError(f"AdaptFormer: tap is {tap!r}. Allowed: {', '.join(get_args(TapPoint))}.")
        if activation not in get_args(Activation):
            raise ConfigError(f"AdaptFormer: activation is {activation!r}. Allowed: {', '.join(get_args(Activation))}.")
        self.tap, self.place = tap, "scale2" if after_layerscale else "fc2"
        self.blocks = nn.ModuleList(
            ParallelBranch(embed_dim, rank=rank, scale=scale, dropout=dropout, activation=activation)
            for _ in range(depth)
        )

    def changes(self) -> Iterator[tuple[int | None, str, LayerChange]]:
        """Yield the tap at the norm and the sum at the output, block by block."""
        for layer, branch in enumerate(self.blocks):
            tap = Tap(self.tap)
            yield layer, "norm2", tap
            yield layer, self.place, BranchSum(branch, tap)  # type: ignore[arg-type]

    def mid_hosts(self) -> list[MidHost]:
        """Return the branches, block by block."""
        return list(self.blocks)  # type: ignore[arg-type]

    @staticmethod
    def num_params(*, embed_dim: int, depth: int, rank: int = 64) -> int:
        """Return the number of trainable parameters in closed form."""
        return depth * (2 * embed_dim * rank + rank + embed_dim)

    @staticmethod
    def examples() -> tuple[Settings, ...]:
        """Return small settings for the contract test."""
        return (
            {"rank": 4, "dropout": 0.0},
            {"rank": 3, "dropout": 0.0, "tap": "post_norm", "after_layerscale": False, "scale": 1.0},
            {"rank": 4, "dropout": 0.0, "activation": "gelu"},
        )
