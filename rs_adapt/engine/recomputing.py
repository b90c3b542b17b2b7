"""How a ViT is computed in training: blocks that are computed again in the backward pass, and weights cast once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from rs_adapt.backbones.cast_once import cast_frozen_weights_once
from rs_adapt.backbones.vit import Vit
from rs_adapt.config.execution import LOW
from rs_adapt.engine.parts import segmentor_of
from rs_adapt.errors import IncompatibleCell

if TYPE_CHECKING:
    from rs_adapt.config.resolved import ResolvedConfig


def recompute_blocks(cfg: ResolvedConfig, model: nn.Module) -> None:
    """Let the blocks of a model's ViT be computed again in the backward pass, if `runtime.memory` is "low".

    Of each block, its input alone is saved (Chen et al., arXiv 1604.06174). Numbers stay the same.

    Args:
        cfg: The run.
        model: Its model, as built.

    Raises:
        IncompatibleCell: The backbone is no ViT.
    """
    # Stored configurations may be older than the key.
    if cfg.runtime.get("memory") != LOW:
        return
    backbone = segmentor_of(model).backbone
    if not isinstance(backbone, Vit):
        raise IncompatibleCell(
            f"runtime.memory={LOW} computes the blocks of a ViT again, and {cfg.cell.backbone} is none. Leave it out, "
            "or lower --batch-size."
        )
    backbone.recomputes = True


def cast_weights_once(cfg: ResolvedConfig, model: nn.Module) -> None:
    """Let the frozen layers of a ViT's blocks cast their weights to bfloat16 once, if the precision is bf16.

    Numbers stay the same; the copies need half of the memory of these weights.

    Args:
        cfg: The run.
        model: Its model, as built.
    """
    backbone = segmentor_of(model).backbone
    if cfg.runtime.precision == "bf16" and isinstance(backbone, Vit):
        cast_frozen_weights_once(backbone.layers)
