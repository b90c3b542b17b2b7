"""QNet: deep prompts, computed by quaternion layers from learnt prompts and the domain of the image.

Shapes: B batch, D embed, L blocks of the ViT, M prompts a block, P own width of a prompt, H hidden.
"""

from __future__ import annotations

from torch import Tensor, nn

from rs_adapt.adapters.contract.adapter import Settings
from rs_adapt.adapters.contract.conditioned import ConditionedPrompts, Noise, count_conditioned_params
from rs_adapt.quaternions import QuaternionLinear, check_quaternions
from rs_adapt.registry import MODELS


@MODELS.register_module()
class QNet(ConditionedPrompts):
    """Domain prompts by quaternion layers (Cao et al., CVPR 2024, https://arxiv.org/abs/2312.08878), for dense tasks.

    `prompt_l = [0, p_l + net(f) + e mean(p_l)] K_l + v_l` with the real matrix K_l (2 P, D) of a quaternion weight;
    net, f and e are as in DCPL. The quaternion weight has a quarter of the weights of a dense layer of the same shape.
    Trained: `L M P + (D H + H + H P + P) + L (2 P D / 4 + D)`.

    Departs from the reference (caoql98/DPLQ @ 3d78bb5): there is no text encoder, so learnt visual prompts are
    projected instead of text prompts; the domain feature comes from the frozen ViT itself; noise is added in training
    only (`noise="always"` is the released behaviour). The products with the zero half are not computed.
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
        """Build prompts, net and quaternion layers.

        Args:
            embed_dim: Width D of the ViT, a multiple of 4.
            depth: Number of blocks of the ViT.
            num_tokens: M, at least 1.
            prompt_dim: P, a multiple of 4.
            hidden: H, at least 1.
            noise: "train", "always" or "off".

        Raises:
            ConfigError: An argument is out of its range.
        """
        super().__init__(
            "QNet",
            embed_dim=embed_dim,
            depth=depth,
            num_tokens=num_tokens,
            prompt_dim=prompt_dim,
            hidden=hidden,
            noise=noise,
        )
        check_quaternions("QNet", embed_dim=embed_dim, prompt_dim=prompt_dim)
        self.projections = nn.ModuleList(QuaternionLinear(2 * prompt_dim, embed_dim) for _ in range(depth))

    def project(self, layer: int, prompts_BMP: Tensor) -> Tensor:
        """Return prompts of the ViT's width (B, M, D)."""
        projected: Tensor = self.projections[layer].from_second_half(prompts_BMP)  # type: ignore[operator]
        return projected

    @staticmethod
    def num_params(*, embed_dim: int, depth: int, num_tokens: int = 8, prompt_dim: int = 64, hidden: int = 32) -> int:
        """Return the number of trainable parameters in closed form."""
        without_projections = count_conditioned_params(
            embed_dim=embed_dim, depth=depth, num_tokens=num_tokens, prompt_dim=prompt_dim, hidden=hidden
        )
        return without_projections + depth * QuaternionLinear.num_params(2 * prompt_dim, embed_dim)

    @staticmethod
    def examples() -> tuple[Settings, ...]:
        """Return small settings for the contract test."""
        return ({"num_tokens": 3, "prompt_dim": 8, "hidden": 5, "noise": "off"},)
