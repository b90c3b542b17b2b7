"""Settings that change the rounding of training: off by default, and how far they lead."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn

from rs_adapt.api.configuration import compose
from rs_adapt.config.resolved import ResolvedConfig
from rs_adapt.config.sameness import changed_settings, result_settings
from rs_adapt.engine.optim import tf32_products
from rs_adapt.engine.param_groups import ParamGroups
from rs_adapt.registry import load_libraries


def _compose(*overrides: str) -> ResolvedConfig:
    return compose("synthetic-dg", overrides=overrides, work_dir="work_dirs/none")


class _Segmentor(nn.Module):
    """A backbone without adapter and a head, each one layer."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone, self.decode_head = nn.Linear(32, 64), nn.Linear(64, 3)
        names: Any = type("Names", (), {"embeddings": ()})
        self.backbone.names = names  # type: ignore[assignment]

    def loss(self, step: int) -> torch.Tensor:
        x = torch.randn(8, 32, generator=torch.Generator().manual_seed(step))
        loss: torch.Tensor = self.decode_head(self.backbone(x).relu()).square().mean()
        return loss


def test_both_are_off_and_old_runs_are_the_same() -> None:
    cfg = _compose()
    assert (cfg.runtime.tf32, cfg.runtime.fused_adamw) == (False, False)
    assert "fused" not in cfg.optim_wrapper.optimizer
    now = result_settings(cfg.pretty_text, file="")
    for key in ("runtime.tf32", "runtime.fused_adamw"):
        assert key not in now
        other = result_settings(_compose(f"{key}=True").pretty_text, file="")
        assert key in {name for name, _, _ in changed_settings(now, other)}


def test_the_fused_step_is_that_of_adamw_up_to_rounding() -> None:
    """Ten steps on equal gradients differ by at most 1e-6 of the largest weight: one rounding or two a step."""
    load_libraries()
    torch.manual_seed(0)
    plain = _Segmentor()
    fused = copy.deepcopy(plain)
    for model, overrides in ((plain, ()), (fused, ("runtime.fused_adamw=True",))):
        settings = _compose(*overrides).optim_wrapper.to_dict()
        wrapper = ParamGroups(
            {key: settings[key] for key in ("type", "optimizer", "precision")}, settings["paramwise_cfg"]
        )(model)
        assert bool(wrapper.optimizer.defaults["fused"]) is bool(overrides)
        for step in range(10):
            wrapper.update_params(model.loss(step))
    for one, other in zip(plain.parameters(), fused.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-6)


@pytest.mark.parametrize("before", [False, True])
def test_tf32_lasts_as_long_as_the_training(before: bool) -> None:
    matmul = torch.backends.cuda.matmul
    default = matmul.allow_tf32
    matmul.allow_tf32 = before
    try:
        with tf32_products(True):
            assert matmul.allow_tf32
        assert matmul.allow_tf32 is before
        with tf32_products(False):
            assert matmul.allow_tf32 is before
    finally:
        matmul.allow_tf32 = default
