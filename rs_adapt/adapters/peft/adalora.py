"""AdaLoRA of the library peft, with its schedule of ranks.

Shapes: R rank of a branch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from rs_adapt.adapters.contract.adapter import Settings
from rs_adapt.adapters.peft.bridge import PeftAdapter
from rs_adapt.adapters.peft.options import OPTIONS_KEY
from rs_adapt.config.facts import ConfigNode
from rs_adapt.errors import ConfigError
from rs_adapt.ranges import SHARE, check_ranges
from rs_adapt.registry import MODELS

_AVERAGES = ("exp_avg_ipt", "exp_avg_unc")


@MODELS.register_module()
class PeftAdaLora(PeftAdapter):
    """AdaLoRA (Zhang et al., ICLR 2023, https://arxiv.org/abs/2303.10512), by peft.

    `W + s B diag(e) A`, with rank `init_r` everywhere at first. During training the least important entries of e are
    set to zero, until the mean rank over all branches is `target_r`. Importance is |weight * gradient|, averaged over
    iterations, and the rank budget falls on a cubic schedule. A penalty makes the rows of A and the columns of B
    orthogonal.

    Ranks, importance and budget are computed by peft. Here the optimizer step drives them: the penalty's gradient is
    added before it, and entries are zeroed after it. The averages and the number of steps are part of the state, so
    that a resumed run continues exactly. They are in the adapter pack too, and make it three times as large.
    """

    steps_done: Tensor

    def __init__(
        self,
        *,
        embed_dim: int,
        depth: int,
        mlp_dim: int,
        total_iters: int,
        kind: str = "adalora",
        targets: Sequence[str] = ("attn_q", "attn_v"),
        options: ConfigNode | None = None,
        first_share: float = 0.1,
        last_share: float = 0.3,
    ) -> None:
        """Check the options; the layers are made when the adapter meets its ViT.

        Args:
            embed_dim: Width of the ViT.
            depth: Number of blocks of the ViT.
            mlp_dim: Hidden width of the ViT's feed-forward part.
            total_iters: Training iterations; filled in by the configuration.
            kind: "adalora".
            targets: Handles of the layers: attn_q, attn_k, attn_v, attn_out, fc1, fc2.
            options: Options of peft's configuration: init_r, target_r, deltaT, orth_reg_weight, ...
            first_share: Share of the iterations before ranks fall, 0 to 1.
            last_share: Share of the iterations with the final ranks, 0 to 1; with `first_share` below 1.

        Raises:
            ConfigError: Peft is not installed, or an argument is not known or refused by peft.
        """
        check_ranges("peft:adalora", first_share=(first_share, SHARE), last_share=(last_share, SHARE))
        if not (first_share + last_share < 1):
            raise ConfigError(
                f"peft:adalora: first_share is {first_share} and last_share {last_share}; both must be 0 or more and "
                "their sum below 1, so that some iterations remain in which the ranks are reduced."
            )
        schedule = {
            "total_step": total_iters,
            "tinit": int(first_share * total_iters),
            "tfinal": int(last_share * total_iters),
        }
        options = options or {}
        if given := next((name for name in schedule if name in options), None):
            raise ConfigError(
                f"peft:adalora: the option {given} ({OPTIONS_KEY}) cannot be set: the schedule of ranks follows from "
                "the iterations of the run, first_share and last_share. Leave it out."
            )
        super().__init__(
            embed_dim=embed_dim,
            depth=depth,
            mlp_dim=mlp_dim,
            kind=kind,
            targets=targets,
            options={**options, **schedule},
        )
        if self.config.target_r > self.config.init_r:
            raise ConfigError(
                f"peft:adalora: target_r is {self.config.target_r} and init_r {self.config.init_r}; ranks fall from "
                "init_r to target_r, which may be init_r at most."
            )
        self.register_buffer("steps_done", torch.zeros((), dtype=torch.int64))

    def wrap(self, vit: nn.Module) -> None:
        """Put peft's layers into the ViT, and create the buffers of the rank schedule."""
        super().wrap(vit)
        from peft.tuners.adalora import layer as peft_layer

        allocator: Any = peft_layer.RankAllocator
        self._allocator: Any = allocator(self.layers, self.config, "default")
        for name, parameter in self._branches():
            for average in _AVERAGES:
                self.register_buffer(_buffer(average, name), torch.zeros_like(parameter, requires_grad=False))

    def before_step(self) -> None:
        """Add the gradient of the penalty on A and B: mean over the matrices of |A A^T - I| and |B^T B - I|."""
        penalties = []
        for name, parameter in self._branches():
            if "lora_E" in name:
                continue
            square = parameter @ parameter.T if "lora_A" in name else parameter.T @ parameter
            penalties.append(torch.linalg.matrix_norm(square - torch.eye(len(square), device=square.device)))
        weight: float = self.config.orth_reg_weight
        if weight:
            (weight * torch.stack(penalties).mean()).backward()  # type: ignore[no-untyped-call]

    @torch.no_grad()
    def after_step(self) -> None:
        """Let peft update the importance scores and set the entries over budget to zero."""
        names = [name for name, _ in self._branches()]
        allocator = self._allocator
        for average in _AVERAGES:
            averages = {name: self.get_buffer(_buffer(average, name)) for name in names}
            setattr(allocator, average, averages)
        allocator.ipt = dict.fromkeys(names)
        self.steps_done += 1
        allocator.update_and_allocate(self.layers, int(self.steps_done))
        for average in _AVERAGES:
            for name, value in getattr(allocator, average).items():
                self.get_buffer(_buffer(average, name)).copy_(value)
        allocator.reset_ipt()

    def ranks(self) -> dict[str, int]:
        """Return how many entries of e are not zero, by branch."""
        return {
            name.partition(".")[0]: int(parameter.count_nonzero())
            for name, parameter in self._branches()
            if "lora_E" in name
        }

    def _branches(self) -> list[tuple[str, nn.Parameter]]:
        return [(name, parameter) for name, parameter in self.layers.named_parameters() if parameter.requires_grad]

    @staticmethod
    def num_params(
        *,
        embed_dim: int,
        depth: int,
        mlp_dim: int,
        total_iters: int = 1,
        kind: str = "adalora",
        targets: Sequence[str] = ("attn_q", "attn_v"),
        options: ConfigNode | None = None,
    ) -> int:
        """Return the number of trainable parameters: peft's layers are built and counted."""
        return PeftAdapter.num_params(
            embed_dim=embed_dim,
            depth=depth,
            mlp_dim=mlp_dim,
            kind=kind,
            targets=targets,
            options={**(options or {}), "total_step": total_iters},
        )

    @staticmethod
    def examples() -> tuple[Settings, ...]:
        """Return small settings for the contract test."""
        return ({"total_iters": 20, "options": {"init_r": 4, "target_r": 2}},)


def _buffer(average: str, name: str) -> str:
    # Names of buffers must not contain dots.
    return f"{average}/{name.replace('.', '/')}"
