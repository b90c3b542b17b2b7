"""The rate and the weight decay of every tensor beside the published rule: nothing decays that belongs to a norm.

The rule is written here by the types of modules, the groups of the optimizer go by names, types and contracts.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import pytest
from torch import nn

from rs_adapt.config import axes
from tests.engine.test_param_groups import groups_of

RATE, DECAY = 1e-4, 0.05
# Rate and decay by the `id` of a tensor.
Settings: TypeAlias = dict[int, tuple[float, float]]
# Learned numbers of heads that the publications leave without decay, by the end of their name: queries and levels of
# Mask2Former, the scale of CLIP. The last two are those of a norm without a module.
NO_DECAY = ("query_embed.weight", "level_embed.weight", "log_scale", "norm_weight", "norm_bias")
HEADS = [
    *("linear", "linear_bn", "upernet_small", "dpt_small", "segmenter", "mask2former", "mask2former_small"),
    *("pmt_small", "eomt_small", "text", "cost_small"),
]
BACKBONES = ["dinov2_nano", "dinov2_b_reg", "dinov3_s", "mae_b", "sam_b", "prithvi_2_l", "mit_b0", "mobilevit_s"]


def is_norm(module: nn.Module) -> bool:
    """Whether a module normalises: by its class, or by that class's name where a library has norms of its own."""
    known = nn.LayerNorm | nn.GroupNorm | nn.modules.batchnorm._NormBase | nn.RMSNorm
    return isinstance(module, known) or type(module).__name__.endswith(("Norm", "Norm2d", "LayerNorm2d"))


def build(method: str, *, head: str | None = None, backbone: str | None = None) -> tuple[Any, Settings]:
    """Return a model without memory, and (rate, decay) of each of its trained tensors."""
    model, groups = groups_of(method, head=head, backbone=backbone)
    return model, {id(p): (group["lr"], group["weight_decay"]) for group in groups for p in group["params"]}


def norms_of(model: nn.Module) -> dict[int, str]:
    """The tensors of all norms, with their names."""
    return {
        id(p): f"{place}.{name}"
        for place, module in model.named_modules()
        if is_norm(module)
        for name, p in module.named_parameters(recurse=False)
    }


@pytest.mark.parametrize(("head", "method"), [*((head, "lora") for head in HEADS), ("eomt_small", "full")])
def test_every_tensor_of_a_head_has_the_published_rate_and_decay(head: str, method: str) -> None:
    model, settings = build(method, head=head)
    norms = norms_of(model)
    own = {id(p) for p in model.decode_head.parameters()}
    if head == "eomt_small":
        # Its last blocks are the backbone's.
        own -= {id(p) for p in model.backbone.parameters()}
    trained = [(name, p) for name, p in model.decode_head.named_parameters() if id(p) in settings and id(p) in own]
    assert trained
    for name, p in trained:
        free = id(p) in norms or name.endswith(NO_DECAY)
        assert settings[id(p)] == (RATE, 0.0 if free else DECAY), name


@pytest.mark.parametrize("method", axes.values_of_task("method", "segmentation"))
def test_no_norm_decays_with_any_method(method: str) -> None:
    model, settings = build(method)
    decaying = {name for key, name in norms_of(model).items() if settings.get(key, (0.0, 0.0))[1] != 0.0}
    assert decaying == set()
    assert any(decay == DECAY for _, decay in settings.values())


@pytest.mark.parametrize("backbone", BACKBONES)
def test_no_norm_of_a_backbone_that_trains_decays_and_its_matrices_do(backbone: str) -> None:
    model, settings = build("full", backbone=backbone)
    norms = norms_of(model)
    names = {id(p): name for name, p in model.backbone.named_parameters()}
    assert {names[key] for key in names if key in norms and settings[key][1] != 0.0} == set()
    assert sum(key in norms for key in names) >= 12
    matrices = [module.weight for module in model.backbone.modules() if isinstance(module, nn.Linear)]
    assert {settings[id(p)][1] for p in matrices} == {DECAY}
    assert [settings[key][0] for key in names] == pytest.approx([RATE / 10] * len(names))
