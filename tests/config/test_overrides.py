from __future__ import annotations

import copy
from typing import Any

import pytest

from rs_adapt.config import compose, overrides, resolve_cell
from rs_adapt.errors import ConfigError

TREE: dict[str, Any] = {
    "optim": {"lr": 1e-4, "poly_power": 0.9},
    "schedule": {"iters": 100, "warmup": "20%"},
    "flag": True,
    "name": "x",
    "nothing": None,
    "layers": "first 3",
    "scales": (4.0, 2.0),
    "hooks": [{"every": 1}, {"every": 2}],
}


def changed(*texts: str) -> dict[str, Any]:
    tree = copy.deepcopy(TREE)
    for override in overrides.parse(texts):
        overrides.apply(tree, override)
    return tree


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        ("optim.lr=6e-5", ("optim", "lr"), 6e-5),
        ("optim.lr=1", ("optim", "lr"), 1.0),
        ("schedule.iters=2e3", ("schedule", "iters"), 2000),
        ("schedule.warmup=7", ("schedule", "warmup"), 7),
        ("schedule.warmup=5%", ("schedule", "warmup"), "5%"),
        ("flag=false", ("flag",), False),
        ("flag=True", ("flag",), True),
        ("name=a b", ("name",), "a b"),
        ("name=17", ("name",), "17"),
        ("name=a=b", ("name",), "a=b"),
        ("name=none", ("name",), "none"),
        ("name=null", ("name",), "null"),
        ("name=true", ("name",), "true"),
        ("name=False", ("name",), "False"),
        ("name=on", ("name",), "on"),
        ("name='none'", ("name",), "none"),
        ("nothing=none", ("nothing",), None),
        ("nothing=0.5", ("nothing",), 0.5),
        ("nothing=None", ("nothing",), None),
        ("layers=(0, 5)", ("layers",), (0, 5)),
        ("layers=last 2", ("layers",), "last 2"),
        ("scales=[1.0]", ("scales",), (1.0,)),
        ("scales.1=3", ("scales",), (4.0, 3.0)),
        ("hooks.1.every=9", ("hooks",), [{"every": 1}, {"every": 9}]),
    ],
)
def test_a_value_is_parsed_and_stored(text: str, path: tuple[str, ...], expected: object) -> None:
    value: Any = changed(text)
    for part in path:
        value = value[part]
    assert value == expected
    assert type(value) is type(expected)


def test_nothing_else_changes() -> None:
    tree = changed("hooks.0.every=5")
    assert tree["hooks"][0] == {"every": 5}
    tree["hooks"][0] = {"every": 1}
    assert tree == TREE


@pytest.mark.parametrize(
    "text",
    [
        "schedule.iters=many",
        "schedule.iters=1.5",
        "schedule.iters=true",
        "optim.lr=fast",
        "flag=1",
        "scales=3",
        "scales.0=x",
    ],
)
def test_a_value_of_a_different_kind_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"expected .* got "):
        changed(text)


@pytest.mark.parametrize("value", ["3", "dict(lr=1)", "{'lr': 1}"])
def test_a_table_is_never_replaced(value: str) -> None:
    with pytest.raises(ConfigError, match=r"is a table. Set its entries: optim\.lr, optim\.poly_power"):
        changed(f"optim={value}")


def test_the_folder_of_prepared_tiles_cannot_be_changed() -> None:
    with pytest.raises(ConfigError, match="cannot change 'prepared_dir'"):
        changed("prepared_dir=/home/me/thesis")


@pytest.mark.parametrize("text", ["optim.lr", "=3", ""])
def test_a_text_without_key_or_value_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="does not have the form key=value"):
        overrides.parse([text])


@pytest.mark.parametrize(
    ("key", "option"), [("cell.seed", "axis options"), ("randomness.seed", "--seed"), ("work_dir", "--work-dir")]
)
def test_keys_that_an_option_decides_cannot_be_set(key: str, option: str) -> None:
    with pytest.raises(ConfigError, match=f"cannot change '{key}': use .*{option}"):
        overrides.parse([f"{key}=1"])


@pytest.mark.parametrize("key", ["optim.lr.x", "hooks.7.every", "hooks.x", "optim.nope", "name.0", "nope"])
def test_has_is_false_where_no_value_is(key: str) -> None:
    assert not overrides.has(TREE, key)
    assert overrides.has(TREE, "hooks.1.every")


@pytest.mark.parametrize(("key", "near"), [("optim.ler", "optim.lr"), ("schedule.poly_power", "optim.poly_power")])
def test_an_unknown_key_names_the_nearest(key: str, near: str) -> None:
    with pytest.raises(ConfigError, match=rf"--set {key}: there is no such key. Nearest: .*{near}"):
        overrides.refuse_unknown(key, [TREE])


@pytest.mark.parametrize("text", ["[]", "x", "7", "[1]", "[[]]"])
def test_a_pipeline_is_a_list_of_tables(text: str) -> None:
    tree = {"loader": {"pipeline": [{"type": "A"}], "hooks": [{"type": "B"}]}}
    with pytest.raises(
        ConfigError, match=r"--set loader\.pipeline=.*: expected a list of tables.*loader\.pipeline\.0\.type"
    ):
        overrides.apply(tree, overrides.parse([f"loader.pipeline={text}"])[0])
    overrides.apply(tree, overrides.parse(["loader.hooks=[]"])[0])
    assert tree["loader"]["hooks"] == []


@pytest.mark.parametrize("key", ["default_scope", "custom_imports.imports"])
def test_keys_of_the_framework_cannot_be_set(key: str) -> None:
    with pytest.raises(ConfigError, match=f"--set cannot change '{key}'"):
        overrides.parse([f"{key}=x"])


@pytest.mark.parametrize("text", ["-" * 3000 + "1", "[" * 300 + "]" * 300, "{[]: 1}"])
def test_a_text_that_python_cannot_parse_stays_a_text(text: str) -> None:
    assert overrides.parse([f"a={text}"])[0].value == text


def test_numbers_beyond_64_bits_are_refused() -> None:
    for text in ("1" * 25, f"[1, {'1' * 25}]"):
        with pytest.raises(ConfigError, match="is beyond 64 bits"):
            overrides.apply({"a": None}, overrides.parse([f"a={text}"])[0])


@pytest.mark.parametrize("text", ["none", "'none'"])
def test_a_name_that_is_also_a_word_reaches_its_strategy(text: str) -> None:
    ways = [f"strategy.weighting={text}", "strategy.confidence=None"]
    assert compose(resolve_cell("synthetic-da", strategy="dacs-conf"), overrides=ways).model.weighting == "none"


def test_none_in_full_is_still_none_where_it_may_be() -> None:
    tree = {"strategy": {"weighting": "share", "confidence": 0.9, "layers": "first 3"}}
    for override in overrides.parse(["strategy.weighting=None", "strategy.confidence=none", "strategy.layers=none"]):
        overrides.apply(tree, override)
    assert tree["strategy"] == {"weighting": None, "confidence": None, "layers": None}
