"""The bridge to peft: what it refuses, and that files hold each tensor once."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest
import torch
from torch import nn

from rs_adapt.adapters import PeftAdapter, attach
from rs_adapt.adapters.peft.bridge import _build_with_peft
from rs_adapt.errors import ConfigError

FACTS = {"embed_dim": 32, "depth": 4, "mlp_dim": 64}


def test_absent_library_is_named_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ConfigError, match=r"pip install 'rs-adapt\[peft\]'"):
        PeftAdapter(**FACTS, kind="lora")


def test_an_unknown_kind_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="no kind 'dorra'. Known: beft, .*vera, waveft"):
        PeftAdapter(**FACTS, kind="dorra")


def test_frozen_layers_and_random_projections_are_in_no_file(make_vit: Callable[[], nn.Module]) -> None:
    vit, adapter = make_vit(), PeftAdapter(**FACTS, kind="vera", options={"r": 16})
    attach(adapter, vit)
    assert adapter.state_dict().keys() == adapter.adapter_params().keys()
    names = [name for name, _ in vit.named_parameters()]
    assert len([name for name in names if name.endswith("attn_q.base.weight")]) == 4
    assert not any("base_layer" in name for name in names)


def test_nothing_is_drawn_beside_pefts_own_start(make_vit: Callable[[], nn.Module]) -> None:
    adapter, vit = PeftAdapter(**FACTS, kind="lora", options={"r": 4}, targets=("attn_q",)), make_vit()
    torch.manual_seed(5)
    attach(adapter, vit)
    torch.manual_seed(5)
    # Peft draws A and B, and A again for its own start.
    first = nn.Linear(32, 4, bias=False), nn.Linear(4, 32, bias=False)
    nn.init.kaiming_uniform_(first[0].weight, a=5**0.5)
    assert torch.equal(adapter.layers["0_attn_q"].layer.lora_A["default"].weight, first[0].weight)


def test_equal_seeds_give_equal_projections(make_vit: Callable[[], nn.Module]) -> None:
    layers = []
    for _ in range(2):
        adapter = PeftAdapter(**FACTS, kind="vera", options={"r": 16, "projection_prng_key": 3})
        attach(adapter, make_vit())
        layers.append(adapter.layers["0_attn_q"].layer.vera_A["default"])
    assert layers[0].equal(layers[1])


def test_fourierft_changes_weights_of_every_width_alike() -> None:
    sizes = {}
    for dim, scaling in ((48, None), (96, None), (192, None), (48, 150.0)):
        torch.manual_seed(0)
        adapter = PeftAdapter(
            embed_dim=dim,
            depth=1,
            mlp_dim=dim,
            kind="fourierft",
            options={"n_frequency": 200, "scaling": scaling},
        )
        (change,) = _build_with_peft("fourierft", adapter.config, {"0_attn_q": nn.Linear(dim, dim)}).values()
        sizes[dim, scaling] = change.layer.get_delta_weight("default").std().item()
        # The transform divides by the number of elements, and its real part has half the power.
        expected = (scaling or 150 * (dim / 768) ** 2) / dim**2 * (200 / 2) ** 0.5
        assert sizes[dim, scaling] == pytest.approx(expected, rel=0.25)
    assert sizes[48, None] == pytest.approx(sizes[192, None], rel=0.25)
    # As with one value for all widths: 256 times as much at 48 as at 768.
    assert sizes[48, 150.0] / sizes[48, None] == pytest.approx((768 / 48) ** 2, rel=1e-3)
    assert adapter.options["scaling"] == 150.0


def test_fourierfts_own_scaling_is_left_as_it_is() -> None:
    for options, scaling in (({"scaling": 9.0}, 9.0), ({"scaling": None}, 150 * (32 / 768) ** 2), ({}, 150.0)):
        adapter = PeftAdapter(**FACTS, kind="fourierft", options={"n_frequency": 50, **options})
        assert adapter.config.scaling == pytest.approx(scaling)
