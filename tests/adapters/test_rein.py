"""Rein against the golden vectors and hand-computed answers."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import Tensor

from rs_adapt.adapters.rein import Rein
from rs_adapt.errors import ConfigError

GOLDEN = Path(__file__).parents[1] / "golden"


def _golden(name: str) -> tuple[Rein, dict[str, Tensor], dict[str, Tensor]]:
    with safe_open(str(GOLDEN / f"{name}.safetensors"), "pt") as file:
        metadata = file.metadata()
        data = {key: file.get_tensor(key) for key in file.keys()}
    adapter = Rein(
        embed_dim=64,
        depth=4,
        num_tokens=int(metadata["token_length"]),
        token_rank=int(metadata["lora_dim"]) if metadata["lora"] == "True" else None,
        query_dim=int(metadata["query_dims"]),
    )
    state = {k.removeprefix("state."): v for k, v in data.items() if k.startswith("state.")}
    return adapter, state, data


@pytest.mark.parametrize("name", ["rein_lora", "rein_full"])
def test_outputs_equal_the_golden_vectors(name: str) -> None:
    adapter, state, data = _golden(name)
    adapter.load_state_dict(Rein.convert_reference(state))
    for layer in range(4):
        expected = data[f"output.layer{layer}"]
        assert (expected - data["input"]).abs().max() > 1e-4
        torch.testing.assert_close(adapter.after_block(data["input"], layer, (4, 4)), expected, atol=1e-5, rtol=0)
    queries = adapter.queries()
    assert queries is not None
    torch.testing.assert_close(queries, data["queries"], atol=1e-5, rtol=0)


def test_convert_reference_refuses_unknown_names() -> None:
    adapter, state, _ = _golden("rein_lora")
    with pytest.raises(ConfigError, match="mlp_unheard"):
        Rein.convert_reference({**state, "mlp_unheard.weight": torch.zeros(1)})


def test_convert_reference_without_link_drops_the_link() -> None:
    _, state, data = _golden("rein_lora")
    adapter = Rein(embed_dim=64, depth=4, num_tokens=20, token_rank=8, query_dim=None)
    adapter.load_state_dict(Rein.convert_reference(state))
    assert adapter.queries() is None
    out = adapter.after_block(data["input"], 2, (4, 4))
    torch.testing.assert_close(out, data["output.layer2"], atol=1e-5, rtol=0)


def test_one_layer_has_a_known_answer() -> None:
    """Zero tokens give a uniform softmax over M, of which the sink keeps 1 / M."""
    adapter = Rein(embed_dim=2, depth=1, num_tokens=4, token_rank=None, query_dim=None, scale_init=0.5)
    with torch.no_grad():
        adapter.layer_tokens.zero_()
        adapter.token_to_feature.bias.copy_(torch.tensor([4.0, 8.0]))
        adapter.refine.weight.copy_(torch.eye(2))
        adapter.refine.bias.copy_(torch.tensor([0.0, 1.0]))
    x = torch.tensor([[[9.0, 9.0], [1.0, 2.0]]])
    expected = torch.tensor([[[9.0, 9.0], [1 + 0.5 * (3 + 1), 2 + 0.5 * (6 + 2 + 1)]]])
    torch.testing.assert_close(adapter.after_block(x, 0, (1, 1)), expected)


def test_attention_is_seen_with_the_sink_first() -> None:
    adapter = Rein(embed_dim=4, depth=1, num_tokens=3, token_rank=None, query_dim=None)
    with torch.no_grad():
        adapter.layer_tokens.zero_()
        # Divided by sqrt(4): a logit of log 2 for the first patch, 0 for the second, whose first entry is 0.
        adapter.layer_tokens[0, 0, 0] = 2 * math.log(2)
    x = torch.tensor([[[9.0, 0, 0, 0], [1.0, 0, 0, 0], [0.0, 5, 0, 0]]])
    views = adapter.inspect_block(x, 0, (1, 2))
    torch.testing.assert_close(views["attention_share/sink"], torch.tensor([[[1 / 2, 1 / 3]]]))
    torch.testing.assert_close(views["attention_share/tokens"], torch.tensor([[5 / 12, 7 / 24, 7 / 24]]))


def test_queries_interleave_max_mean_last() -> None:
    adapter = Rein(embed_dim=2, depth=3, num_tokens=2, token_rank=None, query_dim=2)
    with torch.no_grad():
        adapter.layer_tokens.copy_(torch.tensor([[[1.0, 0.0]] * 2, [[7.0, 2.0]] * 2, [[4.0, 1.0]] * 2]))
        adapter.query_project.weight.copy_(torch.eye(2))
        adapter.query_project.bias.zero_()
        adapter.query_merge.weight.copy_(torch.tensor([[1.0, 10, 100, 0, 0, 0], [0.0, 0, 0, 1, 10, 100]]))
        adapter.query_merge.bias.zero_()
    queries = adapter.queries()
    assert queries is not None
    torch.testing.assert_close(queries, torch.tensor([[7 + 40 + 400.0, 2 + 10 + 100.0]] * 2))


def test_parameter_count_equals_the_papers() -> None:
    assert Rein.num_params(embed_dim=1024, depth=24) == 2_990_081
    with torch.device("meta"):
        built = Rein(embed_dim=1024, depth=24)
    assert sum(p.numel() for p in built.parameters()) == 2_990_081


def test_start_values_are_in_their_range() -> None:
    torch.manual_seed(0)
    lora = Rein(embed_dim=400, depth=2, patch_px=14, token_rank=4)
    limit = math.sqrt(6 / (3 * 14**2 + math.sqrt(400 * 4)))
    for factor in (lora.layer_tokens_a, lora.layer_tokens_b):
        assert 0.95 * limit < factor.abs().max() <= limit
    full = Rein(embed_dim=400, depth=2, patch_px=14, token_rank=None)
    limit = math.sqrt(6 / (3 * 14**2 + 400))
    assert 0.95 * limit < full.layer_tokens.abs().max() <= limit
    assert full.scale.item() == pytest.approx(1e-3)
    assert 0.95 / 20 < full.refine.weight.abs().max() <= 1 / 20


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_tokens": 1}, "num_tokens is 1; it must be 2 or larger"),
        ({"token_rank": 0}, "token_rank is 0"),
        ({"query_dim": 0}, "query_dim is 0"),
    ],
)
def test_bad_arguments_are_refused(change: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Rein(embed_dim=8, depth=2, **change)
