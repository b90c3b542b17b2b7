"""Open tables: keys that an axis file does not name, where its file says so, and nowhere else."""

from __future__ import annotations

from typing import Any

import pytest

from rs_adapt.config import compose, open_tables, resolve_cell
from rs_adapt.errors import ConfigError

OPTIONS = "model.backbone.adapter.options"


def composed(method: str, *overrides: str) -> Any:
    return compose(resolve_cell("loveda-dg", method=method, head="linear"), overrides=overrides)


def test_only_keys_below_a_mark_are_open() -> None:
    tree = {"closed": {"a": 1}, "some": {"_open_": True, "b": {"c": 1}}}
    assert open_tables.is_open(tree, "some.new")
    assert open_tables.is_open(tree, "some.b.new.newer")
    assert not any(open_tables.is_open(tree, key) for key in ("some", "closed.new", "closed", "other.x", "some._open_"))
    assert open_tables.without_marks([tree]) == [{"closed": {"a": 1}, "some": {"b": {"c": 1}}}]


def test_options_that_the_file_does_not_name_reach_the_adapter() -> None:
    cfg = composed("peft:lora", f"{OPTIONS}.init_lora_weights=pissa", f"{OPTIONS}.eva_config.tau=0.9")
    assert cfg.model.backbone.adapter.options.to_dict() == {
        **{"r": 32, "lora_alpha": 32, "init_lora_weights": "pissa"},
        "eva_config": {"tau": 0.9},
    }
    assert open_tables.MARK not in cfg.pretty_text


def test_values_below_an_open_table_are_those_that_were_written() -> None:
    texts = (f"{OPTIONS}.r=0.5", f"{OPTIONS}.use_rslora=true", f"{OPTIONS}.init_lora_weights=none")
    options = composed("peft:lora", *texts).model.backbone.adapter.options
    assert (options.r, options.use_rslora, options.init_lora_weights) == (0.5, True, None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model.backbone.adapter.option.r=2", "no such key"),
        (f"{OPTIONS}=2", "is a table. Set its entries: .*options.r"),
        (f"{OPTIONS}._open_=false", "no such key"),
        (f"{OPTIONS}.r.x=2", r"options\.r is 32, which has no entries"),
        (f"{OPTIONS}.eva_config={{'rho': 1.0}}", "is a table. Set its entries"),
        (f"{OPTIONS}.new=99999999999999999999", "beyond 64 bits"),
    ],
)
def test_what_is_no_entry_of_an_open_table_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        composed("peft:lora", text)


def test_an_open_table_stays_open_within_a_stack() -> None:
    key = "model.backbone.adapter.adapters.peft:dora.options"
    adapter = composed("lora+peft:dora", f"{key}.use_rslora=true").model.backbone.adapter
    assert adapter.adapters["peft:dora"].options.use_rslora
    with pytest.raises(ConfigError, match="no such key"):
        composed("lora+peft:dora", "model.backbone.adapter.adapters.lora.use_rslora=true")


def test_a_key_of_the_adapter_has_a_short_name_that_is_recorded_in_full() -> None:
    cfg = composed("peft:lora", "method.options.use_rslora=true", "method.targets=['fc1']", "method.title=Mine")
    assert cfg.model.backbone.adapter.options.use_rslora
    assert cfg.model.backbone.adapter.targets == ["fc1"]
    assert cfg.method.title == "Mine"
    assert cfg.origin.overrides == (
        f"{OPTIONS}.use_rslora=true",
        "model.backbone.adapter.targets=['fc1']",
        "method.title=Mine",
    )
    with pytest.raises(ConfigError, match="--set method.rnk: there is no such key"):
        composed("lora", "method.rnk=3")
