"""Keys that version 0.1.0 did not store: configurations without them are those of the same runs."""

from __future__ import annotations

import pytest

from rs_adapt.config import compose, resolve_cell
from rs_adapt.config.added_keys import absent_classes_in, absent_classes_of, without_added_keys
from rs_adapt.config.wording import without_wording
from rs_adapt.errors import ConfigError
from rs_adapt.sweeps.identity import config_identity

RULES = {"strict": "left_out", "paper": "zero_if_predicted", "crossearth": "zero_if_predicted"}
RULES |= {"loveda_server": "left_out", "no_such_protocol": "left_out"}


def text_of_0_1_0(text: str) -> str:
    """Return a configuration without the lines of the rule, as version 0.1.0 wrote it."""
    return "".join(line for line in text.splitlines(keepends=True) if "absent_classes" not in line)


@pytest.mark.parametrize(("protocol", "rule"), RULES.items())
def test_rule_of_a_protocol_stands_in_its_file(protocol: str, rule: str) -> None:
    assert absent_classes_of(protocol) == absent_classes_in({"name": protocol}) == rule
    assert absent_classes_in({"name": protocol, "absent_classes": "zero_if_predicted"}) == "zero_if_predicted"


def test_strict_configurations_are_those_of_version_0_1_0() -> None:
    cfg = compose(resolve_cell("loveda-da"))
    assert "absent_classes" not in cfg.pretty_text
    changed = compose(resolve_cell("loveda-da"), overrides=["protocol.absent_classes=zero_if_predicted"])
    assert changed.val_evaluator.absent_classes == changed.protocol.absent_classes == "zero_if_predicted"
    assert without_wording(changed.pretty_text, file="") != without_wording(cfg.pretty_text, file="")
    assert config_identity(changed) != config_identity(cfg)


def test_paper_states_the_rule_and_stays_the_same_run() -> None:
    cfg = compose(resolve_cell("loveda-da", protocol="paper"))
    assert cfg.val_evaluator.absent_classes == cfg.protocol.absent_classes == "zero_if_predicted"
    before = text_of_0_1_0(cfg.pretty_text)
    assert before != cfg.pretty_text
    # What --resume and sweeps compare.
    assert without_wording(before, file="") == without_wording(cfg.pretty_text, file="")
    assert not any("absent_classes" in key for key in config_identity(cfg))
    changed = compose(resolve_cell("loveda-da", protocol="paper"), overrides=["protocol.absent_classes=left_out"])
    assert changed.val_evaluator.absent_classes == "left_out"
    assert config_identity(changed)["protocol.absent_classes"] == "left_out"


def test_other_keys_and_values_stay() -> None:
    tree = {
        "protocol": {"name": "paper", "absent_classes": "left_out"},
        "list": [{"absent_classes": "left_out"}],
        "a": 1,
    }
    assert without_added_keys(tree) == tree
    assert without_added_keys({"a": {"absent_classes": "left_out"}}) == {"a": {}}


@pytest.mark.parametrize("strategy", ["dacs", "source_only"])
def test_strategies_of_before_had_neither_styles_nor_matches(strategy: str) -> None:
    kept = without_added_keys(compose(resolve_cell("synthetic-da", strategy=strategy)).to_dict())
    assert not {"style", "back_weight", "class_match", "match_gsd"} & set(kept["strategy"])
    assert not {"back_weight", "class_match"} & set(kept["model"])
    added = ["strategy.match_gsd=True"] + (["strategy.class_match=0.5"] if strategy == "dacs" else [])
    changed = without_added_keys(compose(resolve_cell("synthetic-da", strategy=strategy), overrides=added).to_dict())
    assert changed["strategy"]["match_gsd"] is True


VIEWS = ("photometric_unlabelled", "teacher_view", "mix_classes", "ignored_pixels", "norm_decay_mult")


@pytest.mark.parametrize(
    ("bench", "protocol", "head", "same"),
    [
        # One pipeline for both domains, as before.
        ("loveda-da", "paper", "linear", True),
        # Group norms do not decay.
        ("loveda-da", "paper", "mask2former", False),
        # Nothing is distorted, or there is no teacher, and the head predicts no masks.
        ("synthetic-da", "strict", "linear", True),
        ("loveda-dg", "strict", "linear", True),
        # The teacher now labels the plain view.
        ("loveda-da", "strict", "linear", False),
        # Masks leave ignored pixels out.
        ("loveda-dg", "strict", "mask2former", False),
        ("synthetic-da", "strict", "mask2former-small", False),
    ],
)
def test_configurations_of_before_are_those_of_the_same_runs_where_they_train_alike(
    bench: str, protocol: str, head: str, same: bool
) -> None:
    cfg = compose(resolve_cell(bench, protocol=protocol, head=head))
    text = cfg.pretty_text
    before = "".join(line for line in text.splitlines(keepends=True) if not any(key in line for key in VIEWS))
    assert before != text
    assert (without_wording(before, file="") == without_wording(text, file="")) == same


def test_an_interrupted_run_of_before_can_be_given_its_own_ways() -> None:
    ways = [
        "protocol.teacher_view=distorted",
        "protocol.ignored_pixels=background",
        "method.paramwise.norm_decay_mult=None",
    ]
    now = compose(resolve_cell("loveda-da"), overrides=ways).pretty_text
    before = "".join(line for line in now.splitlines(keepends=True) if not any(key in line for key in VIEWS))
    assert without_wording(before, file="") == without_wording(now, file="")


def test_a_rule_that_there_is_not_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"protocol.absent_classes is 'zero'. Allowed: left_out, zero_if_predicted"):
        compose(resolve_cell("loveda-da"), overrides=["protocol.absent_classes=zero"])
