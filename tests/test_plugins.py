"""Methods from outside: found, recorded, and never a reason why other methods cannot be used."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

import rs_adapt as rsa
from rs_adapt import plugins as plugins_module
from rs_adapt.config import axes
from rs_adapt.config.listing import axis_faults, list_axis
from rs_adapt.config.plugin_methods import plugin_faults, plugin_methods
from rs_adapt.engine.parameters import build_on_meta
from rs_adapt.errors import CheckpointMismatch, ConfigError, UnknownName
from rs_adapt.plugins import forget_plugins, plugins, use_plugins
from rs_adapt.registry import MODELS
from rs_adapt.runs.plugins import compare_plugins, plugin_facts

CODE = """
from rs_adapt.adapters.bitfit import BitFit
from rs_adapt.registry import MODELS


@MODELS.register_module()
class {cls}(BitFit):
    pass
"""
TABLES = """
_base_ = "_recipe.py"
method = dict(name="{name}", title="From outside")
model = dict(
    backbone=dict(
        adapter=dict(type="rs_adapt.{cls}", embed_dim=None, depth=None, mlp_dim=None, gated_mlp=None), frozen=True
    )
)
"""


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    """Leave no plugin in use."""
    before = set(MODELS.module_dict)
    yield
    forget_plugins()
    for name in set(MODELS.module_dict) - before:
        if MODELS.module_dict[name].__module__.startswith("rs_adapt_plugin_"):
            MODELS.module_dict.pop(name)


def write(path: Path, name: str = "outside", cls: str = "Outside", code: str = CODE) -> Path:
    path.write_text(code.format(cls=cls) + TABLES.format(name=name, cls=cls))
    return path


def test_a_file_adds_a_method_that_builds_and_stacks(tmp_path: Path) -> None:
    file = write(tmp_path / "plugin.py")
    cfg = rsa.compose("synthetic-da", method="outside", plugins=[file])
    assert cfg.method.title == "From outside"
    assert cfg.method.paramwise.adapter_lr_mult == 1.0
    assert type(build_on_meta(cfg).segmentor.backbone.adapter).__name__ == "Outside"
    assert "outside" in axes.values("method")
    stack = rsa.compose("synthetic-da", method="outside+lora")
    assert list(stack.model.segmentor.backbone.adapter.adapters) == ["outside", "lora"]
    (facts,) = plugin_facts("outside+lora")
    assert (facts.name, facts.methods, facts.entry_point) == ("plugin.py", ["outside"], None)
    assert len(facts.sha256) == 64


def test_reading_a_plugin_runs_nothing_of_it(tmp_path: Path) -> None:
    file = write(tmp_path / "plugin.py", code="raise RuntimeError('run')\n\n\nclass {cls}: ...\n")
    cfg = rsa.compose("synthetic-da", method="outside", plugins=[file])
    assert "outside" in [entry.name for entry in list_axis("method")]
    with pytest.raises(ConfigError, match=r"plugin\.py cannot be imported: RuntimeError: run"):
        build_on_meta(cfg)
    # The others are not affected.
    build_on_meta(rsa.compose("synthetic-da", method="lora"))


def test_a_broken_file_is_named_and_breaks_no_other(tmp_path: Path) -> None:
    write(tmp_path / "good.py")
    (tmp_path / "broken.py").write_text("method = dict(name='broken'\n")
    (tmp_path / "path.py").write_text(TABLES.format(name="../up", cls="Up"))
    (tmp_path / "code.py").write_text("method = dict(name=open('x').read())\n")
    (tmp_path / "bench.py").write_text("method = dict(name='b')\nmodel = dict(decode_head=dict())\n")
    use_plugins([tmp_path])
    assert "outside" in [entry.name for entry in list_axis("method")]
    faults = " ".join(axis_faults("method"))
    assert "broken.py cannot be used: SyntaxError, line 1" in faults
    assert "code.py" in faults
    assert "path.py names its method '../up'; allowed are letters" in faults
    assert "bench.py: model must be a table with backbone.adapter" in faults
    with pytest.raises(UnknownName, match=r"There is no method 'broken'.*broken\.py cannot be used"):
        axes.find("method", "broken")


@pytest.mark.parametrize(
    ("name", "message"), [("lora", "names its method 'lora', as this package has"), ("peft", "as this package has")]
)
def test_names_of_the_package_are_not_taken(tmp_path: Path, name: str, message: str) -> None:
    use_plugins([write(tmp_path / "plugin.py", name=name)])
    assert message in " ".join(plugin_faults())
    assert not plugin_methods()


def test_classes_of_the_package_are_not_taken(tmp_path: Path) -> None:
    cfg = rsa.compose("synthetic-da", method="mine", plugins=[write(tmp_path / "plugin.py", name="mine", cls="Lora")])
    MODELS.module_dict.pop("Outside", None)
    built = MODELS.get("Lora")
    assert built is not None
    assert built.__module__ == "rs_adapt.adapters.lora"
    assert cfg.cell.method == "mine"


@pytest.mark.parametrize(
    ("path", "message"),
    [("nowhere.py", "does not exist"), ("text.txt", "is no Python file"), ("empty", "holds no Python file")],
)
def test_what_is_no_plugin_is_refused(tmp_path: Path, path: str, message: str) -> None:
    (tmp_path / "text.txt").write_text("x")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=message):
        use_plugins([tmp_path / path])


def test_entry_points_of_installed_packages_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "outside_module.py")
    monkeypatch.syspath_prepend(str(tmp_path))
    points = [EntryPoint(name=name, value=name, group=plugins_module.GROUP) for name in ("outside_module", "gone")]
    monkeypatch.setattr(plugins_module, "entry_points", lambda group: points)
    forget_plugins()
    assert "outside" in axes.values("method")
    assert plugin_facts("outside")[0].entry_point == "outside_module"
    assert any("gone cannot be used: there is no module gone" in fault for fault in axis_faults("method"))


def test_a_run_says_which_plugin_it_lacks_and_notes_a_changed_one(tmp_path: Path) -> None:
    file = write(tmp_path / "plugin.py")
    use_plugins([file])
    recorded = plugin_facts("outside")
    assert compare_plugins(recorded, tmp_path) == []
    file.write_text(file.read_text() + "# changed\n")
    use_plugins([file])
    (note,) = compare_plugins(recorded, tmp_path)
    assert "is not the one of the training run" in note
    forget_plugins()
    with pytest.raises(CheckpointMismatch, match=r"comes from the plugin plugin\.py .*--plugins PATH"):
        compare_plugins(recorded, tmp_path)


def test_processes_started_from_here_use_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_plugins([write(tmp_path / "plugin.py")])
    # As a child process begins: with the variable alone.
    monkeypatch.setattr(plugins_module, "_named", {})
    assert [plugin.name for plugin in use_plugins([])] == ["plugin.py"]
    forget_plugins()
    use_plugins([])
    assert plugins_module.VARIABLE not in os.environ
    assert not plugins()


def test_a_broken_class_of_the_package_is_named_when_it_is_looked_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import rs_adapt.adapters

    file = tmp_path / "new.py"
    file.write_text("class NewMethod(Adapter):\n    oops(\n")
    monkeypatch.setitem(rs_adapt.adapters.broken, str(file), "SyntaxError: '(' was never closed")
    with pytest.raises(ConfigError, match=r"class NewMethod is in .*new\.py, which cannot be imported: SyntaxError"):
        MODELS.get("NewMethod")
    settings: dict[str, Any] = {"type": "rs_adapt.Lora", "embed_dim": 8, "depth": 1, "mlp_dim": 8}
    assert MODELS.build(settings) is not None
