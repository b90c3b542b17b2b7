"""How a model is held in training: layers that are computed again in the backward pass, and weights in bfloat16."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from rs_adapt.adapters.contract.wrapping import layers_read_by_changes
from rs_adapt.backbones.cast_once import cast_frozen_weights_once
from rs_adapt.backbones.vit import Vit
from rs_adapt.config.execution import BF16, FP32, LOW
from rs_adapt.engine.parts import segmentor_of
from rs_adapt.engine.sharding import shards_base
from rs_adapt.errors import IncompatibleCell
from rs_adapt.heads.deformable import let_gather
from rs_adapt.heads.recomputed import RecomputedLayer

if TYPE_CHECKING:
    from rs_adapt.config.resolved import ResolvedConfig


def recompute_blocks(cfg: ResolvedConfig, model: nn.Module) -> None:
    """Let the backward pass compute blocks of the ViT and layers of Mask2Former again, if `runtime.memory` is "low".

    Of each, its inputs alone are saved (Chen et al., arXiv 1604.06174). Numbers stay the same.

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
    for layer in model.modules():
        if isinstance(layer, RecomputedLayer):
            layer.recomputes = True


def gather_attention(cfg: ResolvedConfig, model: nn.Module) -> None:
    """Let Mask2Former's deformable attention add up its samples in one product, if `runtime.deformable_gather` is set.

    It does so in training on a CPU in fp32. Numbers differ in their last digits.

    Args:
        cfg: The run.
        model: Its model, as built.

    Raises:
        IncompatibleCell: The head has no such attention.
    """
    # Stored configurations may be older than the key.
    if not cfg.runtime.get("deformable_gather"):
        return
    if not let_gather(model):
        raise IncompatibleCell(
            f"runtime.deformable_gather is about the deformable attention of mask2former, and the head {cfg.cell.head} "
            "has none. Leave it out."
        )


def store_base(cfg: ResolvedConfig, model: nn.Module) -> None:
    """Store the frozen linear layers of a ViT's blocks in bfloat16 alone, if `runtime.base_precision` is "bf16".

    Numbers stay those of the run's precision, which is bf16, and the hash of the base stays that of its file. Layers
    whose weight the method reads stay in fp32, and so do norms, embeddings and the head.

    Args:
        cfg: The run.
        model: Its model, as built.

    Raises:
        IncompatibleCell: The backbone is no ViT, trains itself, or starts from images that pass through it in fp32.
    """
    # Stored configurations may be older than the key.
    if cfg.runtime.get("base_precision", FP32) != BF16:
        return
    key = f"runtime.base_precision={BF16}"
    backbone = segmentor_of(model).backbone
    if not isinstance(backbone, Vit):
        raise IncompatibleCell(f"{key} stores the blocks of a ViT, and {cfg.cell.backbone} is none. Leave it out.")
    if not backbone.frozen:
        raise IncompatibleCell(
            f"{key} stores a frozen base, and method {cfg.cell.method} trains all of it, which needs fp32. Leave it "
            "out, or choose a method with an adapter (rs-adapt list methods)."
        )
    if backbone.adapter is not None and backbone.adapter.needs_images:
        raise IncompatibleCell(
            f"{key} has no fp32 weights, and method {cfg.cell.method} starts from images that pass through the base in "
            "fp32. Leave it out, or choose a different method."
        )
    backbone.store_base(torch.bfloat16, but=layers_read_by_changes(backbone))


def cast_weights_once(cfg: ResolvedConfig, model: nn.Module) -> None:
    """Let the frozen layers of a ViT's blocks cast their weights to bfloat16 once, if the precision is bf16.

    Numbers stay the same; the copies need half of the memory of these weights. Where the base is sharded there are
    none: the copies, of all weights at a time, would take the memory that sharding frees.

    Args:
        cfg: The run.
        model: Its model, as built.
    """
    backbone = segmentor_of(model).backbone
    if cfg.runtime.precision == BF16 and isinstance(backbone, Vit) and not shards_base(cfg):
        cast_frozen_weights_once(backbone.layers)
