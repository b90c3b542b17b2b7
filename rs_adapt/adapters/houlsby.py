"""Serial bottleneck adapters after attention and after the MLP.

Shapes: B batch, N tokens, D embed, R rank.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from rs_adapt.adapters.contract.adapter import Settings
from rs_adapt.adapters.contract.mid import MidHost
from rs_adapt.adapters.contract.wrapping import LayerChange, WrappingAdapter
from rs_adapt.ranges import COUNT, check_ranges
from rs_adapt.registry import MODELS


class SerialChange(LayerChange, MidHost):
    """`y = layer(x)`, then `y + up(gelu(mid(down(y))))`."""

    reads_layer = False

    def __init__(self, embed_dim: int, *, rank: int) -> None:
        super().__init__()
        self.rank = rank
        self.down, self.up = nn.Linear(embed_dim, rank), nn.Linear(rank, embed_dim)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, base: nn.Module, x: Tensor) -> Tensor:
        """Run the layer and the bottleneck on its output."""
        y: Tensor = base(x)
        added: Tensor = self.up(functional.gelu(self.apply_mid(self.down(y))))
        return y + added


@MODELS.register_module()
class Houlsby(WrappingAdapter):
    """Adapters (Houlsby et al., ICML 2019, https://arxiv.org/abs/1902.00751).

    `x <- x + (h + up(gelu(down(h))))`, where `h` is the output of attention or of the MLP that is added to the residual
    stream: two bottlenecks per block. `up` starts at zero, so the features start as the frozen ones. Trained:
    `2 (2 D R + R + D)` per block.

    DINOv2 multiplies `h` by LayerScale before it is added. By default the bottleneck comes after LayerScale, right
    before the addition; `after_layerscale=False` puts it before LayerScale.
    """

    identity_at_init: bool = True
    zero_grad_at_init: tuple[str, ...] = (".down.",)
    unmergeable: str | None = "its bottlenecks contain an activation, so no single weight can replace them"

    def __init__(self, *, embed_dim: int, depth: int, rank: int = 64, after_layerscale: bool = True) -> None:
        """Build the bottlenecks.

        Args:
            embed_dim: Width of the ViT.
            depth: Number of blocks of the ViT.
            rank: Width R of the bottleneck, at least 1.
            after_layerscale: Act on a sub-layer's output after LayerScale, or before it.

        Raises:
            ConfigError: An argument is out of its range.
        """
        super().__init__()
        check_ranges("Houlsby", rank=(rank, COUNT))
        handles = ("scale1", "scale2") if after_layerscale else ("attn_out", "fc2")
        self.blocks = nn.ModuleList(
            nn.ModuleDict({handle: SerialChange(embed_dim, rank=rank) for handle in handles}) for _ in range(depth)
        )

    def mid_hosts(self) -> list[MidHost]:
        """Return the bottlenecks in slot order: attention, then MLP, block by block."""
        return [change for _, _, change in self.changes()]  # type: ignore[misc]

    @staticmethod
    def num_params(*, embed_dim: int, depth: int, rank: int = 64) -> int:
        """Return the number of trainable parameters in closed form."""
        return 2 * depth * (2 * embed_dim * rank + rank + embed_dim)

    @staticmethod
    def examples() -> tuple[Settings, ...]:
        """Return small settings for the contract test."""
        return ({"rank": 4}, {"rank": 3, "after_layerscale": False})
