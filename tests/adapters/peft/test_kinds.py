"""Every tuner of peft is a method or named as none, and what is saved of each is all that it needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from rs_adapt.adapters import PeftAdapter, attach
from rs_adapt.adapters.peft.kinds import KINDS
from rs_adapt.adapters.peft.options import load_peft, make_config
from rs_adapt.config import axis_files, resolve_cell
from rs_adapt.errors import UnknownName

FACTS = {"embed_dim": 32, "depth": 4, "mlp_dim": 64}
FILE = axis_files.read_file("method", "peft")["method"]


def named_in_the_file(kind: str) -> dict[str, Any]:
    facts: dict[str, Any] = FILE["kinds"][kind]
    return facts


def test_every_tuner_of_peft_is_a_method_or_refused_with_its_reason() -> None:
    tuners = {kind.value for kind in load_peft().PeftType}
    reached = {facts.name for facts in KINDS.values()}
    assert {*reached, *(kind.upper() for kind in FILE["refused"])} == tuners
    assert not reached & {kind.upper() for kind in FILE["refused"]}
    assert {named_in_the_file(kind).get("tuner", kind) for kind in FILE["kinds"]} == set(KINDS)


@pytest.mark.parametrize("kind", FILE["refused"])
def test_a_tuner_that_is_no_method_says_why(kind: str) -> None:
    with pytest.raises(UnknownName, match=f"peft has it, but {FILE['refused'][kind][:30]}"):
        resolve_cell("loveda-dg", method=f"peft:{kind}")


@pytest.mark.parametrize("kind", [kind for kind in FILE["kinds"] if kind != "adalora"])
def test_options_in_the_file_are_pefts(kind: str) -> None:
    options = {name: 1.0 if value is None else value for name, value in named_in_the_file(kind)["options"].items()}
    assert make_config(named_in_the_file(kind).get("tuner", kind), options)


# PVeRA adds noise in training; predictions have none.
EXAMPLES = (*PeftAdapter.examples(), {"kind": "pvera", "options": {"r": 16}})


@pytest.mark.parametrize("settings", EXAMPLES, ids=lambda s: f"{s['kind']}-{s.get('options', '')}")
def test_a_state_is_complete_for_an_adapter_that_was_drawn_with_another_seed(
    settings: dict[str, Any], make_vit: Callable[[], nn.Module]
) -> None:
    image = torch.randn(1, 3, 32, 48, generator=torch.Generator().manual_seed(3))

    def built(seed: int) -> Any:
        vit: Any = make_vit()
        torch.manual_seed(seed)
        vit.adapter = PeftAdapter(**FACTS, **settings)
        attach(vit.adapter, vit)
        return vit.eval()

    first, second = built(1), built(2)
    with torch.no_grad():
        for parameter in first.adapter.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    state: dict[str, Tensor] = first.adapter.state_dict()
    second.adapter.load_state_dict(state)
    assert torch.equal(second(image), first(image))
    if first.adapter.why_unmergeable() is None:
        expected = first(image).detach()
        first.adapter.merge(first)
        first.adapter = None
        torch.testing.assert_close(first(image), expected, atol=1e-5, rtol=1e-3)
    # A tensor that layers share is saved once.
    assert len({value.data_ptr() for value in state.values()}) == len(state)
    # What is computed from the weights is saved too: only what follows from a seed, or is the same always, is not.
    left_out = {name.rpartition(".layer.")[2] for name, _ in second.adapter.named_buffers() if name not in state}
    fixed = ("vera_", "pvera_", "randlora_", "unilora_", "tinylora_P", "boft_P", "rows", "cols")
    assert all(any(part in name for part in fixed) for name in left_out), left_out
    # Beside parameters and buffers, peft's layers hold no tensors but places in a weight, which follow from a seed.
    held = {
        name
        for part in second.adapter.layers.modules()
        for name, value in vars(part).items()
        for inner in (value.values() if isinstance(value, dict) and not name.startswith("_") else [value])
        if isinstance(inner, Tensor)
    }
    assert held <= {"shira_indices", "indices", "waveft_indices"}


def test_layers_of_one_name_share_what_a_tuner_shares_between_blocks(make_vit: Callable[[], nn.Module]) -> None:
    adapter: Any = PeftAdapter(**FACTS, kind="lily", options={"r": 4, "stride_A": 2})
    attach(adapter, make_vit())
    downs, ups = (
        [getattr(adapter.layers[f"{n}_attn_q"].layer, name)["default"] for n in range(4)]
        for name in ("lily_A", "lily_B")
    )
    assert ups[0] is ups[3]
    assert downs[0] is downs[1] is not downs[2]
    assert adapter.layers["0_attn_v"].layer.lily_B["default"] is not ups[0]


def test_ranks_may_differ_by_the_name_of_the_layer(make_vit: Callable[[], nn.Module]) -> None:
    adapter: Any = PeftAdapter(**FACTS, kind="lora", options={"r": 4, "rank_pattern": {"attn_v": 2}})
    attach(adapter, make_vit())
    ranks = {
        handle: len(adapter.layers[f"3_{handle}"].layer.lora_A["default"].weight) for handle in ("attn_q", "attn_v")
    }
    assert ranks == {"attn_q": 4, "attn_v": 2}
    assert PeftAdapter.num_params(**FACTS, kind="lora", options=adapter.options) == 4 * (4 + 2) * 64
