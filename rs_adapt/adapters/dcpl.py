"""DCPL: deep prompts with a bias from the domain of the image.

Shapes: B batch, D embed, L blocks of the ViT, M prompts a block, P own width of a prompt, H hidden.
"""

from __future__ import annotations

from torch import Tensor, nn

from rs_adapt.adapters.contract.adapter import Settings
from rs_adapt.adapters.contract.conditioned import ConditionedPrompts, Noise, count_conditioned_params
from rs_adapt.registry import MODELS


@MODELS.register_module()
class Dcpl(ConditionedPrompts):
    """Domain-controlled prompts (Cao et al., AAAI 2024, https://arxiv.org/abs/2310.07730), for dense tasks.

    `prompt_l = V_l (p_l + net(f) + e mean(p_l)) + v_l`, `net(f) = W2 relu(W1 f + b1) + b2`, with the pooled feature f
    of the frozen ViT and Gaussian noise e. Trained: `L M P + (D H + H + H P + P) + L (P D + D)`.

    The paper adapts CLIP to image classification. This class has its deep visual prompts, the bias computed from a
    domain feature, and the noise. Departs from the reference (caoql98/DCPL @ 7630aa0): there is no text encoder, so
    prompts are learnt directly instead of being projected from text prompts, and the bias is added to the prompts
    instead of CLIP's output embedding; the domain feature comes from the frozen ViT itself, where the paper uses a
    second encoder pre-trained on remote sensing; noise is added in training only (`noise="always"` also adds it when
    predicting, as the released code does).
    """

    def __init__(
        self,
        *,
        embed_dim: int,
        depth: int,
        num_tokens: int = 8,
        prompt_dim: int = 64,
        hidden: int = 32,
        noise: Noise = "train",
    ) -> None:
        """Build prompts, net and projections.

        Args:
            embed_dim: Width D of the ViT.
            depth: Number of blocks of the ViT.
            num_tokens: M, at least 1.
            prompt_dim: P, at least 1.
            hidden: H, at least 1.
            noise: "train", "always" or "off".

        Raises:
            ConfigError: An argument is out of its range.
        """
        super().__init__(
            "Dcpl",
            embed_dim=embed_dim,
            depth=depth,
            num_tokens=num_tokens,
            prompt_dim=prompt_dim,
            hidden=hidden,
            noise=noise,
        )
        self.projections = nn.ModuleList(nn.Linear(prompt_dim, embed_dim) for _ in range(depth))

    def project(self, layer: int, prompts_BMP: Tensor) -> Tensor:
        """Return prompts of the ViT's width (B, M, D)."""
        projected: Tensor = self.projections[layer](prompts_BMP)
        return projected

    @staticmethod
    def num_params(*, embed_dim: int, depth: int, num_tokens: int = 8, prompt_dim: int = 64, hidden: int = 32) -> int:
        """Return the number of trainable parameters in closed form."""
        without_projections = count_conditioned_params(
            embed_dim=embed_dim, depth=depth, num_tokens=num_tokens, prompt_dim=prompt_dim, hidden=hidden
        )
        return without_projections + depth * (prompt_dim * embed_dim + embed_dim)

    @staticmethod
    def examples() -> tuple[Settings, ...]:
        """Return small settings for the contract test."""
        return ({"num_tokens": 3, "prompt_dim": 6, "hidden": 5, "noise": "off"},)
