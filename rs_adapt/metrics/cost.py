"""What a cell costs before it runs: parameters by part, and what of them trains."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


def count_parameters(model: nn.Module) -> dict[str, int]:
    """Parameters of a segmentor: `backbone` (without adapter), `adapter`, `head`, `trainable`, `total`.

    A tensor shared by several modules counts once.
    """
    segmentor: Any = getattr(model, "segmentor", model)
    adapter = getattr(segmentor.backbone, "adapter", None)
    in_adapter = _count(adapter) if adapter is not None else 0
    return {
        "backbone": _count(segmentor.backbone) - in_adapter,
        "adapter": in_adapter,
        "head": _count(segmentor.decode_head),
        "trainable": sum(p.numel() for p in segmentor.parameters() if p.requires_grad),
        "total": _count(segmentor),
    }


def build_on_meta(cfg: Any) -> nn.Module:
    """The segmentor of a resolved configuration without memory for its tensors, for counting."""
    from mmengine.registry import init_default_scope
    from mmseg.registry import MODELS

    from rs_adapt import registry  # noqa: F401 - makes our class names known

    init_default_scope(cfg.default_scope)
    settings = cfg.model.get("segmentor", cfg.model).to_dict()
    settings["backbone"]["weights"] = None
    with torch.device("meta"):
        model: nn.Module = MODELS.build(settings)
    return model


def describe_cost(cfg: Any) -> list[tuple[str, str]]:
    """Rows of name and value for `rs-adapt show --cost`.

    Args:
        cfg: A resolved configuration.
    """
    counts = count_parameters(build_on_meta(cfg))
    pack_mib = (counts["adapter"] + counts["head"]) * 4 / 2**20
    return [
        ("trainable adapter parameters", _grouped(counts["adapter"])),
        ("trainable head parameters", _grouped(counts["head"])),
        ("trainable in all", _grouped(counts["trainable"])),
        ("backbone parameters", _grouped(counts["backbone"])),
        ("adapter pack (fp32)", f"{pack_mib:.1f} MiB"),
    ]


def _grouped(count: int) -> str:
    return f"{count:,}".replace(",", " ")


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
