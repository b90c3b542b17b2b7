"""DCPL: MaPLe whose context and image vectors get an offset from a model of the domain.

Shapes: B images, K classes, n places, W width of the text tower, D of the visual one, C dimensions of the space, F
width of the domain feature, H hidden.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import normalize, relu

from rs_adapt.adapters.contract.adapter import Settings
from rs_adapt.classification.class_names import ClassNames, Names
from rs_adapt.classification.learners.contract import Conditions, Noise, check_noise, draws_noise
from rs_adapt.classification.learners.maple import CoupledPrompts, count_deep
from rs_adapt.processes import randn
from rs_adapt.ranges import COUNT, check_ranges
from rs_adapt.registry import MODELS


class DomainNet(nn.Module):
    """`W2 relu(W1 f + b1) + b2`: an offset of `out` numbers from a domain feature."""

    def __init__(self, domain_dim: int, hidden: int, out: int) -> None:
        super().__init__()
        self.squeeze, self.expand = nn.Linear(domain_dim, hidden), nn.Linear(hidden, out)

    def forward(self, domain_BF: Tensor) -> Tensor:
        """Return the offsets (B, out)."""
        offset: Tensor = self.expand(relu(self.squeeze(domain_BF)))
        return offset

    @staticmethod
    def num_params(domain_dim: int, hidden: int, out: int) -> int:
        """Return the number of parameters."""
        return domain_dim * hidden + hidden + hidden * out + out


@MODELS.register_module()
class DomainControlled(CoupledPrompts):
    """Domain-controlled prompts (Cao et al., AAAI 2024, https://arxiv.org/abs/2310.07730).

    With the mean patch feature f of a frozen model of the domain: the context is `ctx + net_t(f)`, one text a class and
    image; the vector of an image is `v + net_v(f) + e mean(v)`, with normal noise e (B, C) and one mean over the whole
    batch; prompts of both towers as in MaPLe. Trained: MaPLe's and the two nets: 3 621 696 with CLIP ViT-B/16 and a
    domain feature of 512.

    Departs from the reference (caoql98/DCPL @ 7630aa0): noise in training only (`noise="always"` also adds it when
    predicting, as the released code does, where a score then depends on the draw and the batch); the model of the
    domain is any backbone, and its width that of its features, not of a decoder's input.
    """

    needs_domain = True

    def __init__(
        self,
        *,
        embed_dim: int,
        depth: int,
        text_width: int,
        text_depth: int,
        text_dim: int,
        domain_dim: int,
        num_context: int = 2,
        prompt_depth: int = 9,
        hidden: int = 32,
        noise: Noise = "train",
        start_words: str = "a photo of a",
    ) -> None:
        """Build prompts, projections and nets.

        Args:
            embed_dim: See `MaPLe`.
            depth: See `MaPLe`.
            text_width: See `MaPLe`.
            text_depth: See `MaPLe`.
            text_dim: Dimensions C of the space.
            domain_dim: Width F of the domain feature.
            num_context: See `MaPLe`.
            prompt_depth: See `MaPLe`.
            hidden: H, at least 1.
            noise: "train", "always" or "off".
            start_words: See `MaPLe`.

        Raises:
            ConfigError: An argument is out of its range.
        """
        super().__init__(
            "DCPL",
            embed_dim=embed_dim,
            depth=depth,
            text_width=text_width,
            text_depth=text_depth,
            num_context=num_context,
            prompt_depth=prompt_depth,
            start_words=start_words,
        )
        check_ranges("DCPL", hidden=(hidden, COUNT), domain_dim=(domain_dim, COUNT))
        check_noise("DCPL", noise)
        self.noise: Noise = noise
        self.projections = nn.ModuleList(nn.Linear(text_width, embed_dim) for _ in self.deep)
        self.text_net = DomainNet(domain_dim, hidden, text_width)
        self.image_net = DomainNet(domain_dim, hidden, text_dim)

    def class_vectors(self, head: ClassNames, names: Names, conditions: Conditions) -> Tensor:
        """Return the vectors of the prompts of each image, of length 1, (B, K, C)."""
        assert conditions.domain_BF is not None
        context_BnW = self.context + self.text_net(conditions.domain_BF)[:, None]
        return normalize(head.encode(names, context_BnW, deep=list(self.deep)), dim=-1)

    def visual_prompts(self, conditions: Conditions) -> tuple[Tensor, ...]:
        """Return the prompts (n, D) of the first visual blocks."""
        deep = (project(prompt) for project, prompt in zip(self.projections, self.deep, strict=True))
        return (self.first(self.context), *deep)

    def image_vectors(self, vectors_BC: Tensor, conditions: Conditions) -> Tensor:
        """Return the vectors with the offset of the domain, and noise."""
        assert conditions.domain_BF is not None
        shifted_BC: Tensor = vectors_BC + self.image_net(conditions.domain_BF)
        if not draws_noise(self.noise, training=self.training):
            return shifted_BC
        noise_BC = randn(*vectors_BC.shape, device=vectors_BC.device)
        return shifted_BC + noise_BC * vectors_BC.mean()

    @staticmethod
    def num_params(
        *,
        embed_dim: int,
        depth: int,
        text_width: int,
        text_depth: int,
        text_dim: int,
        domain_dim: int,
        num_context: int = 2,
        prompt_depth: int = 9,
        hidden: int = 32,
    ) -> int:
        """Return the number of trainable parameters in closed form."""
        blocks = 1 + count_deep(prompt_depth, depth, text_depth)
        nets = sum(DomainNet.num_params(domain_dim, hidden, out) for out in (text_width, text_dim))
        return blocks * (num_context * text_width + text_width * embed_dim + embed_dim) + nets

    @staticmethod
    def examples() -> tuple[Settings, ...]:
        """Return small settings for the contract test."""
        return ({"num_context": 2, "prompt_depth": 2, "hidden": 5, "noise": "off"},)
