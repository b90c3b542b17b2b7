"""Deep prompts that depend on the image, the common part of DCPL and QNet.

Shapes: B batch, N tokens, D embed, L blocks of the ViT, M prompts a block, P own width of a prompt, H hidden.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from rs_adapt.adapters.contract.adapter import Adapter
from rs_adapt.errors import ConfigError
from rs_adapt.processes import randn
from rs_adapt.ranges import COUNT, check_ranges

Noise = Literal["train", "always", "off"]


class ConditionedPrompts(Adapter):
    """`prompt_l = project_l(p_l + net(f) + e mean(p_l))`, with the pooled feature f of a frozen side encoder.

    The side encoder is the ViT itself without adapter: f (D) is the mean of its last patch tokens. `net` is
    `P <- H <- D` with a ReLU, one for all blocks; e is normal noise (P), drawn again for every image and forward, and
    `mean(p_l)` one number. Prompts are placed between the prefix and the patches, and are replaced at every block.

    Attributes:
        needs_base_tokens: True, which costs a second forward of the ViT, without gradient.
    """

    needs_base_tokens: bool = True
    adds_tokens: bool = True
    no_decay: tuple[str, ...] = ("prompts", "bias")
    stacked_by_block: tuple[str, ...] = ("prompts",)

    def __init__(
        self, method: str, *, embed_dim: int, depth: int, num_tokens: int, prompt_dim: int, hidden: int, noise: Noise
    ) -> None:
        super().__init__()
        check_ranges(method, num_tokens=(num_tokens, COUNT), prompt_dim=(prompt_dim, COUNT), hidden=(hidden, COUNT))
        if noise not in get_args(Noise):
            raise ConfigError(f"{method}: noise is {noise!r}. Allowed: {', '.join(get_args(Noise))}.")
        self.noise: Noise = noise
        self.prompts = nn.Parameter(0.02 * torch.randn(depth, num_tokens, prompt_dim))
        self.squeeze, self.expand = nn.Linear(embed_dim, hidden), nn.Linear(hidden, prompt_dim)
        self._side_BD: Tensor | None = None
        self._noise_B1P: Tensor | None = None

    def prepare(self, base_tokens: Callable[[], Tensor]) -> None:
        """Pool the frozen features of the images, and draw the noise of this forward."""
        self._side_BD = base_tokens()[:, self.num_prefix :].mean(dim=1)
        self._noise_B1P = None
        if self.noise == "always" or (self.noise == "train" and self.training):
            self._noise_B1P = randn(len(self._side_BD), 1, self.prompts.shape[2], device=self._side_BD.device)

    def tokens(self, layer: int) -> Tensor | None:
        """Return the prompts (B, M, D) of a block for the images of `prepare`."""
        assert self._side_BD is not None, "prepare() must be called before tokens()"
        prompts_MP = self.prompts[layer]
        bias_BP = self.expand(functional.relu(self.squeeze(self._side_BD.to(self.squeeze.weight.dtype))))
        prompts_BMP = prompts_MP + bias_BP[:, None]
        if self._noise_B1P is not None:
            prompts_BMP = prompts_BMP + self._noise_B1P.to(prompts_MP.dtype) * prompts_MP.mean()
        return self.project(layer, prompts_BMP)

    def project(self, layer: int, prompts_BMP: Tensor) -> Tensor:
        """Return prompts of the ViT's width (B, M, D)."""
        raise NotImplementedError

    def why_unmergeable(self) -> str | None:
        """Return the reason: prompts are inputs."""
        return "its prompts are inputs of the blocks and depend on the image"


def count_conditioned_params(*, embed_dim: int, depth: int, num_tokens: int, prompt_dim: int, hidden: int) -> int:
    """Return the number of trainable parameters without the projections."""
    net = embed_dim * hidden + hidden + hidden * prompt_dim + prompt_dim
    return depth * num_tokens * prompt_dim + net
