"""QNet: prompts that quaternion layers compute of learned vectors and the domain of the image.

Shapes: B images, K classes, n places, W width of the text tower, D of the visual one, C dimensions of the space, F
width of the domain feature, H hidden.
"""

from __future__ import annotations

from typing import Literal, get_args

from torch import Tensor, nn
from torch.nn.functional import normalize

from rs_adapt.adapters.contract.adapter import Settings
from rs_adapt.classification.class_names import ClassNames, Names
from rs_adapt.classification.learners.contract import Conditions, Noise, check_noise, draws_noise
from rs_adapt.classification.learners.domain_controlled import DomainNet
from rs_adapt.classification.learners.maple import CoupledPrompts, count_deep
from rs_adapt.errors import ConfigError
from rs_adapt.processes import randn
from rs_adapt.quaternions import QuaternionLinear, check_quaternions
from rs_adapt.ranges import COUNT, check_ranges
from rs_adapt.registry import MODELS

# Which towers the domain reaches.
Sides = Literal["both", "text", "image"]


@MODELS.register_module()
class QuaternionPrompts(CoupledPrompts):
    """Domain prompts by quaternion networks (Cao et al., CVPR 2024, https://arxiv.org/abs/2312.08878).

    With the mean patch feature f of a frozen model of the domain and `c(f) = net(f)`, one net for all: the context of
    the text is `[0, ctx + c(f) + e mean(f)] Q + b`, e normal noise (B, W) and one mean over the batch; the prompts of
    visual block j >= 1 are `[0, P_j + c(f)] Q_j + b_j`, with the deep prompts `P_j` of the text, which stay as they are
    there. The first visual block gets `W ctx + b`. Q (2 W, W) and Q_j (2 W, D) are the real matrices of quaternion
    weights, a quarter of the numbers of dense ones. Trained: 2 147 104 with CLIP ViT-B/16 and a domain feature of 512.

    `quaternion=False` has dense layers `W -> W` and `W -> D` in their place, `sides` lets the domain reach one tower
    alone: the context, or the visual prompts, is then computed without f. Departs from the reference (caoql98/DPLQ @
    3d78bb5): noise in training only (`noise="always"` is the released behaviour); the model of the domain is any
    backbone, at its own width; a net for image vectors, which the released code registers and does not use, is left
    out.
    """

    needs_domain = True

    def __init__(
        self,
        *,
        embed_dim: int,
        depth: int,
        text_width: int,
        text_depth: int,
        domain_dim: int,
        num_context: int = 2,
        prompt_depth: int = 9,
        hidden: int = 32,
        noise: Noise = "train",
        quaternion: bool = True,
        sides: Sides = "both",
        start_words: str = "a photo of a",
    ) -> None:
        """Build prompts, net and quaternion layers.

        Args:
            embed_dim: Width D of the visual tower, a multiple of 4.
            depth: See `MaPLe`.
            text_width: Width W of the text tower, a multiple of 4.
            text_depth: See `MaPLe`.
            domain_dim: Width F of the domain feature.
            num_context: See `MaPLe`.
            prompt_depth: See `MaPLe`.
            hidden: H, at least 1.
            noise: "train", "always" or "off".
            quaternion: Whether the layers are quaternion ones.
            sides: "both", "text" or "image".
            start_words: See `MaPLe`.

        Raises:
            ConfigError: An argument is out of its range.
        """
        super().__init__(
            "QNet",
            embed_dim=embed_dim,
            depth=depth,
            text_width=text_width,
            text_depth=text_depth,
            num_context=num_context,
            prompt_depth=prompt_depth,
            start_words=start_words,
        )
        check_ranges("QNet", hidden=(hidden, COUNT), domain_dim=(domain_dim, COUNT))
        check_noise("QNet", noise)
        if sides not in get_args(Sides):
            raise ConfigError(f"QNet: sides is {sides!r}. Allowed: {', '.join(get_args(Sides))}.")
        if quaternion:
            check_quaternions("QNet", embed_dim=embed_dim, text_width=text_width)
        self.noise: Noise = noise
        self.sides: Sides = sides

        def layer(out: int) -> nn.Module:
            return QuaternionLinear(2 * text_width, out) if quaternion else nn.Linear(text_width, out)

        self.text_layer = layer(text_width)
        self.projections = nn.ModuleList(layer(embed_dim) for _ in self.deep)
        self.net = DomainNet(domain_dim, hidden, text_width)

    def class_vectors(self, head: ClassNames, names: Names, conditions: Conditions) -> Tensor:
        """Return the vectors of the prompts, of length 1: (B, K, C), or (K, C) where `sides` is "image"."""
        assert conditions.domain_BF is not None
        context = self.context
        if self.sides != "image":
            domain_BF = conditions.domain_BF
            context = context + self.net(domain_BF)[:, None]
            if draws_noise(self.noise, training=self.training):
                noise_B1W = randn(len(domain_BF), 1, context.shape[-1], device=domain_BF.device)
                context = context + noise_B1W * domain_BF.mean()
        return normalize(head.encode(names, _apply(self.text_layer, context), deep=list(self.deep)), dim=-1)

    def visual_prompts(self, conditions: Conditions) -> tuple[Tensor, ...]:
        """Return the prompts of the first visual blocks: (n, D) of the first one, (B, n, D) of the others."""
        assert conditions.domain_BF is not None
        offset_B1W = self.net(conditions.domain_BF)[:, None] if self.sides != "text" else 0.0
        deep = (_apply(layer, prompt + offset_B1W) for layer, prompt in zip(self.projections, self.deep, strict=True))
        return (self.first(self.context), *deep)

    @staticmethod
    def num_params(
        *,
        embed_dim: int,
        depth: int,
        text_width: int,
        text_depth: int,
        domain_dim: int,
        num_context: int = 2,
        prompt_depth: int = 9,
        hidden: int = 32,
        quaternion: bool = True,
    ) -> int:
        """Return the number of trainable parameters in closed form."""
        deep = count_deep(prompt_depth, depth, text_depth)

        def layer(out: int) -> int:
            return QuaternionLinear.num_params(2 * text_width, out) if quaternion else text_width * out + out

        prompts = (1 + deep) * num_context * text_width
        net = DomainNet.num_params(domain_dim, hidden, text_width)
        return prompts + text_width * embed_dim + embed_dim + layer(text_width) + deep * layer(embed_dim) + net

    @staticmethod
    def examples() -> tuple[Settings, ...]:
        """Return small settings for the contract test."""
        small: Settings = {"num_context": 2, "prompt_depth": 2, "hidden": 5, "noise": "off"}
        return (small, small | {"quaternion": False})


def _apply(layer: nn.Module, prompts: Tensor) -> Tensor:
    """Return a layer's output for `[0, prompts]`, or for the prompts where it is a dense one."""
    out: Tensor = layer.from_second_half(prompts) if isinstance(layer, QuaternionLinear) else layer(prompts)
    return out
