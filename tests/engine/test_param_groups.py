"""Groups of the optimizer, of every shipped method: what decays, what learns how fast, and that nothing is left out."""

from __future__ import annotations

import functools
import math
import subprocess
import sys
from typing import Any

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import PARAM_SCHEDULERS

from rs_adapt.config import axes, compose, resolve_cell
from rs_adapt.engine.param_groups import merge_groups
from rs_adapt.engine.parameters import build_on_meta
from rs_adapt.errors import IncompatibleCell
from rs_adapt.registry import load_libraries

# Tensors of the method that decay and those that do not, one each (parts of names).
DECAYS = {
    "earth_adapter": ("_weight", None),
    "rein": ("refine.weight", "layer_tokens_a"),
    "vpt": (None, "prompts"),
    "lora": ("down", None),
    "bitfit": (None, "bias"),
    "norm": (None, "weight"),
    "sam_parser": (None, "change"),
    "soma": ("minor_up", "bias"),
    "recycle_lora": ("sub_up", None),
    "peft:dora+vpt": ("lora_B", "magnitude"),
    "lora+vpt": ("lora.blocks.0.attn_q.down", "vpt.prompts"),
}


# Several tests look at one model, and none changes it.
@functools.cache
def groups_of(
    method: str, *overrides: str, head: str | None = None, backbone: str | None = None
) -> tuple[Any, list[dict[str, Any]]]:
    """Return a model without memory, and the groups of its optimizer."""
    head = head or {"rein": "mask2former", "hclip_both": "cost-small"}.get(method, "linear")
    backbone = backbone or ("nano-clip" if method == "hclip_both" else "dinov2-nano")
    cell = resolve_cell("loveda-dg", method=method, backbone=backbone, head=head)
    cfg = compose(cell, overrides=overrides, weights="random")
    model = build_on_meta(cfg)
    load_libraries()
    return model, build_optim_wrapper(model, cfg.optim_wrapper.to_dict()).optimizer.param_groups


@pytest.mark.parametrize("method", axes.values_of_task("method", "segmentation"))
def test_every_trained_tensor_is_in_one_group_and_no_frozen_one(method: str) -> None:
    try:
        model, groups = groups_of(method)
    except IncompatibleCell as error:
        pytest.fail(f"{method}: {error}")
    grouped = [id(p) for group in groups for p in group["params"]]
    assert len(grouped) == len(set(grouped))
    assert set(grouped) == {id(p) for p in model.parameters() if p.requires_grad}


@pytest.mark.parametrize("method", DECAYS)
def test_parameters_named_by_the_contract_do_not_decay(method: str) -> None:
    model, groups = groups_of(method)
    decay = {id(p): group["weight_decay"] for group in groups for p in group["params"]}
    own = {name: decay[id(p)] for name, p in model.backbone.adapter.adapter_params().items()}
    with_decay, without = DECAYS[method]
    if with_decay:
        assert {value for name, value in own.items() if with_decay in name} == {0.05}
    if without:
        assert {value for name, value in own.items() if without in name} == {0.0}
    if not with_decay or not without:
        assert len(set(own.values())) == 1


@pytest.mark.parametrize(
    ("method", "part", "factor"),
    [("peft:lora_plus", "lora_B", 16.0), ("recycle_lora", ".sub_", 0.5), ("recycle_lora+vpt", ".sub_", 0.5)],
)
def test_parts_of_a_method_learn_at_rates_of_their_own(method: str, part: str, factor: float) -> None:
    model, groups = groups_of(method, "method.paramwise.adapter_lr_mult=2.0")
    rates = {id(p): group["lr"] for group in groups for p in group["params"]}
    for name, p in model.backbone.adapter.adapter_params().items():
        assert rates[id(p)] == pytest.approx(2e-4 * (factor if part in name else 1)), name
    assert {rates[id(p)] for p in model.decode_head.parameters()} == {1e-4}


def test_weight_decay_falls_to_its_end_and_none_stays_none() -> None:
    cell = resolve_cell("loveda-dg", method="soma", backbone="dinov2-nano", head="linear")
    cfg = compose(cell, overrides=["bench.schedule.iters=20"], weights="random")
    load_libraries()
    wrapper = build_optim_wrapper(build_on_meta(cfg), cfg.optim_wrapper.to_dict())
    before = [group["weight_decay"] for group in wrapper.param_groups]
    scheduler = PARAM_SCHEDULERS.build({**cfg.param_scheduler[1].to_dict(), "optimizer": wrapper})
    seen = []
    for _ in range(19):
        scheduler.step()
        seen.append([group["weight_decay"] for group in wrapper.param_groups])
    assert {0.05, 0.0} == set(before)
    for start, *falling in zip(before, *seen, strict=True):
        end = 1e-5 if start else 0.0
        cosine = [end + (start - end) * (1 + math.cos(math.pi * step / 20)) / 2 for step in range(1, 20)]
        assert falling == pytest.approx(cosine)


def test_full_trains_the_backbone_at_a_tenth_and_its_norms_without_decay() -> None:
    model, groups = groups_of("full")
    settings = {id(p): (group["lr"], group["weight_decay"]) for group in groups for p in group["params"]}
    block = model.backbone.layers[0]
    assert settings[id(block.mlp.fc1.weight)] == (pytest.approx(1e-5), 0.05)
    for vector in (block.norm1.weight, block.mlp.fc1.bias, model.backbone.embeddings.cls_token):
        assert settings[id(vector)] == (pytest.approx(1e-5), 0.0)
    assert {settings[id(p)][0] for p in model.decode_head.parameters()} == {1e-4}


def mask2former(*overrides: str) -> tuple[Any, dict[int, float]]:
    model, groups = groups_of("earth_adapter", *overrides, head="mask2former")
    return model, {id(p): group["weight_decay"] for group in groups for p in group["params"]}


def test_no_norm_of_a_head_decays_whatever_its_name() -> None:
    model, decay = mask2former()
    norms = {
        f"{place}.{name}": decay[id(p)]
        for place, module in model.decode_head.named_modules()
        if isinstance(module, torch.nn.GroupNorm | torch.nn.LayerNorm)
        for name, p in module.named_parameters(recurse=False)
    }
    unnamed = [name for name in norms if "norm" not in name]
    assert len(unnamed) == 10
    assert "pixel_decoder.adapter_1.1.weight" in unnamed
    assert set(norms.values()) == {0.0}
    # Convolutions beside them decay.
    assert decay[id(model.decode_head.pixel_decoder.adapter_1[0].weight)] == 0.05


def test_without_the_rule_by_type_the_groups_are_those_of_before() -> None:
    model, decay = mask2former("method.paramwise.norm_decay_mult=None")
    assert decay[id(model.decode_head.pixel_decoder.adapter_1[1].weight)] == 0.05


@pytest.mark.parametrize("method", axes.values_of_task("method", "segmentation"))
def test_the_names_of_all_norms_outside_of_mask2former_say_what_they_are(method: str) -> None:
    if method == "rein":
        pytest.skip("needs Mask2Former")
    model, _ = groups_of(method)
    for place, module in model.named_modules():
        trains = any(p.requires_grad for p in module.parameters(recurse=False))
        if trains and isinstance(
            module, torch.nn.GroupNorm | torch.nn.LayerNorm | torch.nn.modules.batchnorm._BatchNorm
        ):
            assert "norm" in place


def test_a_method_may_have_a_different_learning_rate_from_the_head() -> None:
    model, groups = groups_of("lora", "method.paramwise.adapter_lr_mult=0.25")
    rate = {id(p): group["lr"] for group in groups for p in group["params"]}
    assert {rate[id(p)] for p in model.backbone.adapter.parameters()} == {0.25 * 1e-4}
    assert {rate[id(p)] for p in model.decode_head.parameters()} == {1e-4}


def test_equal_settings_share_a_group_and_others_do_not() -> None:
    a, b, c = (torch.nn.Parameter(torch.zeros(1)) for _ in range(3))
    joined = merge_groups(
        [
            {"params": [a], "lr": 1.0, "decay_mult": 1.0},
            {"params": [b], "lr": 2.0},
            {"params": [c], "lr": 1.0},
        ]
    )
    assert [(group["lr"], [id(p) for p in group["params"]]) for group in joined] == [
        (1.0, [id(a), id(c)]),
        (2.0, [id(b)]),
    ]


@pytest.mark.slow
def test_optimizers_of_large_libraries_are_registered_on_first_use() -> None:
    code = (
        "import sys; import rs_adapt.engine; from mmengine.registry import OPTIMIZERS\n"
        "assert not {'peft', 'torch.distributed.optim', 'transformers'} & set(sys.modules)\n"
        "from rs_adapt.engine.lean_mmengine import register_optimizer as register\n"
        "register('AdamW'); register('Adafactor'); register('Adafactor')\n"
        "assert OPTIMIZERS.get('Adafactor').__module__.startswith('transformers.')\n"
        "register('ZeroRedundancyOptimizer'); register('ZeroRedundancyOptimizer')\n"
        "from torch.distributed.optim import ZeroRedundancyOptimizer\n"
        "assert issubclass(OPTIMIZERS.get('ZeroRedundancyOptimizer'), ZeroRedundancyOptimizer)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize("bench", ["loveda-dg", "loveda-da"])
def test_what_a_head_names_does_not_decay(bench: str) -> None:
    cfg = compose(resolve_cell(bench, method="lora", backbone="dinov2-nano", head="text"), weights="random")
    model = build_on_meta(cfg)
    load_libraries()
    groups = build_optim_wrapper(model, cfg.optim_wrapper.to_dict()).optimizer.param_groups
    decay = {id(p): group["weight_decay"] for group in groups for p in group["params"]}
    head = {name.rpartition("decode_head.")[2]: p for name, p in model.named_parameters() if "decode_head." in name}
    assert decay[id(head["log_scale"])] == 0.0
    assert decay[id(head["projections.0.weight"])] == decay[id(head["learned_MC"])] == cfg.optim.weight_decay > 0
