"""Methods of plugins: the same tables as in a file of `configs/method/`, read as data from the plugin's own file."""

from __future__ import annotations

import ast
import functools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rs_adapt.config import axis_files
from rs_adapt.config.literals import parse_literals
from rs_adapt.config.names import normalize
from rs_adapt.config.tree import merge_trees
from rs_adapt.errors import ConfigError
from rs_adapt.plugins import Plugin, PluginFile, plugins

if TYPE_CHECKING:
    from rs_adapt.config.facts import ConfigNode

_NAME = re.compile(r"[a-z0-9_]{1,60}")
# Tables of a method's file; everything else at the top level of a plugin is code.
_TABLES = ("_base_", "method", "model", "tuned", "tuned_on")


@dataclass(frozen=True, kw_only=True)
class PluginMethod:
    """A method that a plugin adds.

    Attributes:
        name: The method's name, as file stems spell it.
        plugin: The plugin.
        file: Its file with the method's tables.
        content: The tables.
    """

    name: str
    plugin: Plugin
    file: Path
    content: ConfigNode


def plugin_methods() -> dict[str, PluginMethod]:
    """Return the methods of all plugins in use by name; parts that cannot be used are in `plugin_faults`."""
    return _read_all(plugins())[0]


def plugin_faults() -> list[str]:
    """Return one sentence for each plugin, or part of one, that cannot be used."""
    return _read_all(plugins())[1]


def plugins_of(method: str) -> tuple[Plugin, ...]:
    """Return the plugins that provide a method, or the parts of a stack."""
    methods = plugin_methods()
    found = [methods[part].plugin for part in map(normalize, method.split("+")) if part in methods]
    return tuple(dict.fromkeys(found))


@functools.lru_cache(maxsize=8)
def _read_all(used: tuple[Plugin, ...]) -> tuple[dict[str, PluginMethod], list[str]]:
    methods: dict[str, PluginMethod] = {}
    faults: list[str] = []
    shipped = (*axis_files.stems("method"), "peft")
    for plugin in used:
        faults += plugin.faults
        for file in plugin.files:
            try:
                content = None if file.fault else _read_tables(file)
                if content is None:
                    continue
                name = normalize(str(content["method"]["name"]))
                taken = "this package has" if name in shipped else methods[name].plugin.name if name in methods else ""
                if taken:
                    raise ConfigError(f"{file.path} names its method {name!r}, as {taken}. Choose a different name.")
            except ConfigError as error:
                faults.append(f"Plugin file {file.path} cannot be used: {error}")
                continue
            methods[name] = PluginMethod(name=name, plugin=plugin, file=file.path, content=content)
    return methods, faults


def _read_tables(file: PluginFile) -> ConfigNode | None:
    """Return the tables of a file; None for a file without a method."""
    nodes = [
        node
        for node in ast.parse(file.text).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id in _TABLES
    ]
    text = "\n".join(ast.unparse(node) for node in nodes)
    content = parse_literals(text, file=str(file.path), remedy="Fix the file.").values
    if "method" not in content:
        return None
    base = content.pop("_base_", None)
    if base is not None:
        stem = str(base).removesuffix(".py")
        if stem != "_recipe" and stem not in axis_files.stems("method"):
            raise ConfigError(
                f"{file.path}: _base_ is {base!r}; it must be '_recipe.py', or the file of a method of configs/method/."
            )
        content = merge_trees(axis_files.load_file("method", stem), content)
    if not isinstance(content["method"], dict) or not isinstance(content["method"].get("name"), str):
        raise ConfigError(f"{file.path}: method must be a table with a name, as in configs/method/.")
    if not _NAME.fullmatch(normalize(content["method"]["name"])):
        raise ConfigError(
            f"{file.path} names its method {content['method']['name']!r}; allowed are letters, digits, - and _, "
            "because runs have folders of that name."
        )
    if not isinstance(content.get("model"), dict) or "adapter" not in content["model"].get("backbone", {}):
        raise ConfigError(f"{file.path}: model must be a table with backbone.adapter, as in configs/method/.")
    for key, value in {"title": content["method"]["name"], "paper": None, "requires": None}.items():
        content["method"].setdefault(key, value)
    axis_files.check_ownership(content, "method", file.path)
    return content
