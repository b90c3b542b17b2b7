"""Names of methods that are made of others."""

from __future__ import annotations

import pytest

from rs_adapt.config import axes, compose, resolve_cell
from rs_adapt.config.cell import default_run_dir
from rs_adapt.errors import ConfigError, IncompatibleCell, UnknownName


def adapter_of(method: str, *overrides: str, head: str = "linear") -> dict:
    cell = resolve_cell("loveda-dg", method=method, head=head)
    return compose(cell, overrides=overrides).model.backbone.adapter.to_dict()


def test_a_stack_has_the_settings_of_its_methods_with_the_backbones_facts() -> None:
    adapter = adapter_of("LoRA+earth-adapter", "model.backbone.adapter.adapters.lora.rank=3")
    assert adapter["type"] == "rs_adapt.Stack"
    assert list(adapter["adapters"]) == ["lora", "earth_adapter"]
    assert adapter["adapters"]["lora"] == {
        "type": "rs_adapt.Lora",
        **{"embed_dim": 1024, "depth": 24, "mlp_dim": 4096, "rank": 3, "alpha": 32.0},
        **{"targets": ["attn_q", "attn_v"], "dropout": 0.0},
    }
    assert adapter["adapters"]["earth_adapter"]["frequency_layers"] == (21, 22, 23)


def test_a_stack_with_rein_links_its_queries_or_says_what_it_requires() -> None:
    adapter = adapter_of("lora+rein", head="mask2former")
    assert adapter["adapters"]["rein"]["query_dim"] == 256
    with pytest.raises(IncompatibleCell, match="adapters.rein.query_dim=None"):
        adapter_of("lora+rein")
    unlinked = adapter_of("lora+rein", "model.backbone.adapter.adapters.rein.query_dim=None")
    assert unlinked["adapters"]["rein"]["query_dim"] is None


def test_peft_fills_in_kind_and_options() -> None:
    adapter = adapter_of("peft:DoRA", "model.backbone.adapter.options.r=2")
    assert (adapter["kind"], adapter["options"]["r"]) == ("dora", 2)
    assert "peft:dora" in axes.values("method")
    assert axes.title("method", "peft:dora") == "DoRA (peft)"
    assert ":" not in str(default_run_dir(resolve_cell("loveda-dg", method="peft:dora")))


def test_a_gate_has_the_settings_of_its_host_with_the_backbones_facts() -> None:
    cell = resolve_cell("loveda-dg", method="Gate:LoRA+earth-adapter", head="linear")
    assert cell.method == "gate:lora+earth_adapter"
    assert "gate" in str(default_run_dir(cell))
    adapter = adapter_of(
        "gate:lora+earth-adapter", "model.backbone.adapter.k=5", "model.backbone.adapter.host.adapters.lora.rank=3"
    )
    assert (adapter["type"], adapter["k"], adapter["every"], adapter["depth"]) == ("rs_adapt.Gate", 5, 50, 24)
    assert adapter["host"] == adapter_of("lora+earth-adapter", "model.backbone.adapter.adapters.lora.rank=3")
    assert adapter_of("gate:peft:dora")["host"]["kind"] == "dora"
    assert adapter_of("gate:lora")["host"]["type"] == "rs_adapt.Lora"


def test_a_gate_over_rein_says_what_it_requires() -> None:
    with pytest.raises(IncompatibleCell, match="adapter.host.query_dim=None"):
        adapter_of("gate:rein")
    assert adapter_of("gate:rein", "model.backbone.adapter.host.query_dim=None")["host"]["query_dim"] is None
    with pytest.raises(IncompatibleCell, match="adapter.host.adapters.rein.query_dim=None"):
        adapter_of("gate:lora+rein")


def test_crossearths_gate_has_frequencies_in_all_blocks_and_an_ablation_without_choice() -> None:
    gate, off = adapter_of("crossearth-gate"), adapter_of("crossearth-gate-off")
    assert gate["host"]["adapters"]["earth_adapter"]["frequency_layers"] == tuple(range(24))
    assert (gate.pop("k"), off.pop("k")) == ("25%", None)
    assert gate == off


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("lora+lora", ConfigError, "twice"),
        ("gate:lora+lora", ConfigError, "twice"),
        ("gate:lorra", UnknownName, "Did you mean lora"),
        ("gate:", UnknownName, "A part of the method's name is empty"),
        ("gate:gate:lora", UnknownName, "A gate stands before all of it, once"),
        ("lora+gate:vpt", UnknownName, "A gate stands before all of it, once"),
        ("lora+", UnknownName, "A part of the method's name is empty"),
        ("peft:lora+", UnknownName, "LoRA. is peft:lora-plus"),
        ("peft:prompt_tuning", UnknownName, "peft has it, but it puts prompts before the words of a language model"),
        ("lora+nothing", UnknownName, "no method 'nothing'"),
        ("peft:dorra", UnknownName, "Did you mean dora"),
        ("peft", UnknownName, "peft:"),
        ("timm:dora", UnknownName, "library of methods 'timm'"),
    ],
)
def test_wrong_names_are_refused(name: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        resolve_cell("loveda-dg", method=name)


@pytest.mark.parametrize("part", ["frozen", "full"])
def test_a_stack_accepts_only_methods_with_an_adapter(part: str) -> None:
    with pytest.raises(IncompatibleCell, match=f"holds {part}"):
        adapter_of(f"lora+{part}")


def test_facts_of_a_gated_mlp_reach_the_adapter() -> None:
    cell = resolve_cell("loveda-dg", method="bitfit", backbone="dinov2-g", head="linear")
    adapter = compose(cell).model.backbone.adapter
    assert (adapter.mlp_dim, adapter.gated_mlp) == (4096, True)


def test_facts_reach_an_adapter_within_an_adapter() -> None:
    host = adapter_of("cobot+vpt")["adapters"]["cobot"]["host"]
    assert (host["embed_dim"], host["depth"], host["mlp_dim"]) == (1024, 24, 4096)


def test_prompt_methods_declare_that_they_add_tokens() -> None:
    from rs_adapt.registry import MODELS

    for name in (name for name in axes.values_of_task("method", "segmentation") if not name.startswith("peft")):
        file = axes.load("method", name)
        if "task" in file["method"]:
            continue
        adapter = file["model"]["backbone"]["adapter"]
        adds = adapter is not None and MODELS.get(adapter["type"]).adds_tokens
        assert file["method"].get("adds_tokens", False) == adds, name
    assert axes.peek("method", "lora+vpt")["method"]["adds_tokens"]
    assert not axes.peek("method", "lora+rein")["method"]["adds_tokens"]


@pytest.mark.parametrize("name", ["crossearth-gate+vpt", "lora+crossearth-gate-off"])
def test_a_gate_is_no_part_of_a_stack(name: str) -> None:
    with pytest.raises(IncompatibleCell, match=r"which is a gate: .* Gate the whole stack"):
        adapter_of(name)


@pytest.mark.parametrize(
    ("method", "text", "said"),
    [
        ("peft:pissa", "init_lora_weights=olora", "of peft:pissa is 'olora', but 'pissa' is what makes it PiSSA"),
        ("peft:eva", "init_lora_weights=true", "but 'eva' is what makes it EVA"),
        ("peft:rslora", "use_rslora=false", "but True is what makes it rsLoRA"),
        ("gate:peft:mica", "init_lora_weights=gaussian", "but 'mica' is what makes it MiCA"),
    ],
)
def test_a_form_of_lora_stays_what_its_name_says(method: str, text: str, said: str) -> None:
    host = "host." if method.startswith("gate:") else ""
    with pytest.raises(ConfigError, match=said):
        adapter_of(method, f"model.backbone.adapter.{host}options.{text}")


def test_a_form_of_lora_has_its_other_options() -> None:
    fast = adapter_of("peft:pissa", "method.options.init_lora_weights=pissa_niter_4", "method.options.r=8")
    assert (fast["options"]["init_lora_weights"], fast["options"]["r"]) == ("pissa_niter_4", 8)


@pytest.mark.parametrize(
    ("text", "option"),
    [
        ("protocol.name=paper", "--protocol"),
        ("method.name=lora", "--method"),
        ("strategy.name=dacs", "--strategy"),
        ("backbone.name=dinov2_g", "--backbone"),
        ("bench.name=isprs", "--bench"),
        ("bench.direction=u2r", "--direction"),
        ("protocol.version=7", "--protocol"),
    ],
)
def test_names_of_what_is_run_cannot_be_overridden(text: str, option: str) -> None:
    with pytest.raises(ConfigError, match=rf"names what is run, and would not change it\. Use {option}\."):
        compose(resolve_cell("loveda-dg"), overrides=[text])


@pytest.mark.parametrize("axis", ["method", "backbone", "head", "strategy", "protocol", "direction", "setting"])
def test_an_empty_name_is_no_default(axis: str) -> None:
    with pytest.raises(ConfigError, match=f"The {axis} is empty"):
        resolve_cell("loveda-dg", **{axis: " "})
