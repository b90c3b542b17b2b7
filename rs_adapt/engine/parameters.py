"""Counts of a model's parameters, by part and trainable, before anything runs."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

import torch
from torch import nn

from rs_adapt.config.segmentor import leave_texts_out, segmentor_config
from rs_adapt.config.tasks import SUPER_RESOLUTION, task_of
from rs_adapt.engine.parts import segmentor_of
from rs_adapt.engine.registered import check_registered
from rs_adapt.engine.state import trained_tensors
from rs_adapt.errors import ConfigError
from rs_adapt.registry import load_libraries

if TYPE_CHECKING:
    from rs_adapt.config.resolved import ResolvedConfig


def count_parameters(model: nn.Module) -> dict[str, int]:
    """Count the parameters of a segmentor: `backbone` (without adapter), `adapter`, `head`, `trainable`, `total`.

    A tensor shared by several modules counts once. Parts that a model states as `frozen_parts`, such as a text tower,
    count as backbone wherever they are.
    """
    segmentor = segmentor_of(model)
    adapter = getattr(segmentor.backbone, "adapter", None)
    in_adapter = _count(adapter) if adapter is not None else 0
    frozen = list(getattr(segmentor, "frozen_parts", ()))
    head = segmentor.decode_head
    # The frozen tower that a method sits in while it trains is a part of the base.
    tower = getattr(segmentor.decode_head, "text_tower", None)
    in_tower = _count(tower) if tower is not None else 0
    return {
        "backbone": _count(segmentor.backbone) - in_adapter + sum(map(_count, frozen)),
        "adapter": in_adapter,
        "head": 0 if any(part is head for part in frozen) else _count(head) - in_tower,
        "trainable": sum(p.numel() for p in segmentor.parameters() if p.requires_grad),
        "total": _count(segmentor),
    }


def build_on_meta(cfg: ResolvedConfig) -> nn.Module:
    """Return the model of a resolved configuration without memory for its tensors, for counting.

    Raises:
        ConfigError: A class refuses its arguments, or there is none of a name.
    """
    from mmseg.registry import MODELS

    load_libraries(cfg.default_scope)
    settings = cfg.to_dict()
    segmentor_config(settings)["backbone"]["weights"] = None
    leave_texts_out(segmentor_config(settings))
    try:
        with torch.device("meta"):
            model: nn.Module = MODELS.build(settings["model"])
    except KeyError as error:
        # What mmengine says of a class that it does not know, with a link to its own documentation.
        if (unknown := re.match(r"(\S+) is not in the \S+ registry", str(error).strip("\"'"))) is None:
            raise
        near = difflib.get_close_matches(unknown[1], list(MODELS.module_dict), n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise ConfigError(
            f"There is no part of a model of the type {unknown[1]!r}.{hint} `rs-adapt show` prints the one in use."
        ) from error
    return model


def cost_of(cfg: ResolvedConfig) -> dict[str, int]:
    """Return the content of `rs-adapt show --cost`: numbers of parameters, and bytes of the adapter pack in fp32.

    Args:
        cfg: A resolved configuration.
    """
    check_registered(cfg.origin.overrides)
    model = build_on_meta(cfg)
    if task_of(cfg.bench).name == SUPER_RESOLUTION:
        total = _count(model)
        return {"trainable parameters in all": total, "adapter pack bytes": 4 * total}
    counts, saved = count_parameters(model), trained_tensors(segmentor_of(model))
    return {
        "trainable adapter parameters": counts["adapter"],
        "trainable head parameters": counts["head"],
        "trainable parameters in all": counts["trainable"],
        "backbone parameters": counts["backbone"],
        "adapter pack bytes": sum(tensor.numel() * tensor.element_size() for tensor in saved.values()),
    }


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
