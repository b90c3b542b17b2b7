from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rs_adapt.config import axes, axis_files
from rs_adapt.errors import ConfigError, UnknownName

if TYPE_CHECKING:
    from pathlib import Path


def test_values_are_the_stems_of_the_files(own_configs: Path) -> None:
    (own_configs / "head" / "my_head.py").write_text('"""A head."""\n')
    (own_configs / "head" / "_draft.py").write_text('"""No value of the axis."""\n')
    assert "my_head" in axes.values("head")
    assert "_draft" not in axes.values("head")


@pytest.mark.parametrize("name", ["dinov2-l", "dinov2_l", "DINOv2-L", " dinov2_l "])
def test_dash_underscore_and_case_are_the_same(name: str) -> None:
    assert axes.find("backbone", name) == "dinov2_l"


def test_unknown_name_lists_the_nearest_and_all() -> None:
    with pytest.raises(UnknownName, match=r"no backbone 'dinov-l'. Did you mean .*dinov2-l or .*Known: .*dinov2-s"):
        axes.find("backbone", "dinov-l")


def test_load_hands_out_a_copy() -> None:
    first = axes.load("bench", "loveda_r2u")
    first["bench"]["classes"].append("snow")
    assert "snow" not in axes.load("bench", "loveda_r2u")["bench"]["classes"]


def test_a_changed_file_is_read_again(own_configs: Path) -> None:
    import os

    file = own_configs / "head" / "my_head.py"
    file.write_text("head = dict(title='one')\n")
    os.utime(file, ns=(1, 1))
    assert axes.title("head", "my_head") == "one"
    file.write_text("head = dict(title='two')\n")
    os.utime(file, ns=(2, 2))
    assert axes.title("head", "my_head") == "two"


def test_title_falls_back_to_the_docstring(own_configs: Path) -> None:
    (own_configs / "head" / "my_head.py").write_text('"""One line.\n\nMore.\n"""\nmodel = dict(decode_head=dict())\n')
    assert axes.title("head", "my_head") == "One line."


@pytest.mark.parametrize(
    ("axis", "text", "key", "owner"),
    [
        ("head", "model = dict(backbone=dict(depth=3))", "model.backbone.depth", "backbone"),
        ("backbone", "model = dict(backbone=dict(adapter=dict(rank=3)))", "model.backbone.adapter", "method"),
        ("backbone", "model = dict(backbone=dict(frozen=True))", "model.backbone.frozen", "method"),
        ("method", "model = dict(backbone=dict(depth=3))", "model.backbone.depth", "backbone"),
        ("method", "model = 3", "model", None),
        ("method", "optim = dict(lr=1.0)", "optim", "bench"),
        ("strategy", "train_cfg = dict()", "train_cfg", None),
        ("strategy", "model = dict(type='X')", "model.type", None),
    ],
)
def test_a_foreign_key_is_refused(own_configs: Path, axis: str, text: str, key: str, owner: str | None) -> None:
    file = own_configs / axis / "intruder.py"
    file.write_text(f"{text}\n")
    belongs = f"belongs to the {owner} files" if owner else "belongs to no axis"
    with pytest.raises(ConfigError, match=rf"intruder\.py sets '{key}', which {belongs}"):
        axes.load(axis, "intruder")


@pytest.mark.parametrize("text", ["bench = dict(", "bench = no_such_name"])
def test_a_broken_file_is_named(own_configs: Path, text: str) -> None:
    (own_configs / "bench" / "broken.py").write_text(text)
    with pytest.raises(ConfigError, match=r"broken\.py cannot be read"):
        axes.load("bench", "broken")


def test_every_shipped_file_states_its_title() -> None:
    for axis in axis_files.FILE_AXES:
        assert axes.values(axis), axis
        for name in axes.values(axis):
            assert axes.title(axis, name), f"{axis}/{name} has neither a title nor a docstring"
            facts = axes.load(axis, name).get(axis, {})
            assert axis == "runtime" or facts.get("name", name) == name
