"""Parameter groups of the optimizer: the adapter's by its contract, the others by the method's recipe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from mmengine.optim import DefaultOptimWrapperConstructor
from torch import nn

from rs_adapt.engine.lean_mmengine import register_optimizer
from rs_adapt.engine.parts import segmentor_of, unwrapped
from rs_adapt.registry import OPTIM_WRAPPER_CONSTRUCTORS


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class ParamGroups(DefaultOptimWrapperConstructor):  # type: ignore[misc]
    """mmengine's constructor, which also asks the adapter and puts tensors with equal settings into one group.

    Tensors that an adapter names in `no_decay` get no weight decay; all tensors of the adapter get `adapter_lr_mult`
    times the learning rate, and those in its `lr_mults` a factor of their own besides. Where the whole backbone trains,
    it gets `backbone_lr_mult` times the rate, and its biases, norms, scales and embeddings no decay. Both factors are
    keys of `method.paramwise` (1 by default), whose `custom_keys` hold for the rest of the model. A head names in its
    `no_decay`, if it has one, what gets no weight decay.
    Every trainable tensor is in exactly one group, a frozen tensor in none. mmengine itself makes one group per tensor,
    each of which costs a call in every step.
    """

    paramwise_cfg: dict[str, Any]

    def __call__(self, model: nn.Module) -> Any:
        """Return the wrapped optimizer of a model, which calls the hooks of its adapter and head at every step."""
        register_optimizer(str(self.optimizer_cfg.get("type")))
        wrapper = super().__call__(model)
        wrapper.adapter = adapter_of(unwrapped(model))
        head: Any = segmentor_of(unwrapped(model)).decode_head
        wrapper.head = head if hasattr(head, "after_step") else None
        return wrapper

    def add_params(
        self, params: list[dict[str, Any]], module: nn.Module, prefix: str = "", is_dcn_module: Any = None
    ) -> None:
        """Append the groups of a module's tensors to `params`."""
        if prefix:
            super().add_params(params, module, prefix=prefix, is_dcn_module=is_dcn_module)
            return
        self.paramwise_cfg = {
            **self.paramwise_cfg,
            "custom_keys": {
                **self.paramwise_cfg.get("custom_keys", {}),
                **backbone_keys(
                    module,
                    lr_mult=self.paramwise_cfg.get("backbone_lr_mult", 1.0),
                    adapter_lr_mult=self.paramwise_cfg.get("adapter_lr_mult", 1.0),
                ),
                **head_keys(module),
            },
        }
        single: list[dict[str, Any]] = []
        super().add_params(single, module, is_dcn_module=is_dcn_module)
        # A tensor that blocks share has several names, and mmengine visits each; the first is that of `adapter_params`.
        unique: dict[int, dict[str, Any]] = {}
        for group in single:
            unique.setdefault(id(group["params"][0]), group)
        groups = merge_groups(list(unique.values()))
        # Nothing of a zero-shot model trains, and torch refuses an optimizer of nothing: it gets a number of its own.
        params += groups or [{"params": [nn.Parameter(torch.zeros(()))]}]


def backbone_keys(model: nn.Module, *, lr_mult: float, adapter_lr_mult: float) -> dict[str, dict[str, float]]:
    """Return mmengine's custom keys for the backbone's trainable tensors: whole names, which match no other tensor.

    Args:
        model: A segmentor, or a strategy around one.
        lr_mult: Factor of the learning rate of the backbone's own tensors, where it is not frozen.
        adapter_lr_mult: Factor of the learning rate of the adapter's tensors.
    """
    segmentor = segmentor_of(model)
    backbone: Any = segmentor.backbone
    adapter = adapter_of(model)
    if adapter is not None:
        return {
            f"backbone.adapter.{name}": {
                "lr_mult": adapter_lr_mult * own_lr_mult(name, adapter.lr_mults),
                "decay_mult": 0.0 if any(part in name for part in adapter.no_decay) else 1.0,
            }
            for name in adapter.adapter_params()
        }
    return {
        f"backbone.{name}": {
            "lr_mult": lr_mult,
            "decay_mult": 0.0 if _is_vector(name, parameter, backbone.names.embeddings) else 1.0,
        }
        for name, parameter in backbone.named_parameters()
        if parameter.requires_grad
    }


def head_keys(model: nn.Module) -> dict[str, dict[str, float]]:
    """Return mmengine's custom keys for the tensors of the head that get no weight decay."""
    head: Any = segmentor_of(model).decode_head
    return {f"decode_head.{name}": {"decay_mult": 0.0} for name in getattr(head, "no_decay", ())}


def own_lr_mult(name: str, lr_mults: Mapping[str, float]) -> float:
    """Return the factor of the learning rate of one of an adapter's tensors: that of the first part of its name."""
    return next((factor for part, factor in lr_mults.items() if part in name), 1.0)


def adapter_of(model: nn.Module) -> Any:
    """Return the adapter of a segmentor, or of a strategy around one; None if it has none."""
    segmentor = segmentor_of(model)
    return getattr(segmentor.backbone, "adapter", None)


def _is_vector(name: str, parameter: nn.Parameter, embeddings: tuple[str, ...]) -> bool:
    """Return whether a tensor of a ViT is a bias, norm, scale or embedding, which should not decay."""
    return parameter.ndim <= 1 or name.endswith(embeddings)


def merge_groups(groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Join groups with equal settings, in the order of their first tensors."""
    joined: dict[tuple[Any, ...], dict[str, Any]] = {}
    for group in groups:
        settings = {key: value for key, value in group.items() if key not in ("params", "lr_mult", "decay_mult")}
        same = joined.setdefault(tuple(sorted(settings.items())), {**settings, "params": []})
        same["params"] += group["params"]
    return list(joined.values())
