"""Plugins: Python files from outside this package that add methods, and which of them are in use.

A plugin is a file or a folder of files that the user names (`--plugins`), or one that an installed package offers as an
entry point of the group `rs_adapt.plugins`. Reading a plugin parses it; nothing in it runs before one of its classes is
needed. Loads no torch.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
import json
import os
import sys
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from rs_adapt.errors import ConfigError

GROUP = "rs_adapt.plugins"
VARIABLE = "RS_ADAPT_PLUGINS"
_MOST_BYTES = 2_000_000


@dataclass(frozen=True, kw_only=True)
class PluginFile:
    """A Python file of a plugin.

    Attributes:
        path: The file.
        text: Its content.
        classes: Names of the classes at its top level.
        fault: Why it cannot be parsed; empty if it can.
    """

    path: Path
    text: str
    classes: tuple[str, ...] = ()
    fault: str = ""


@dataclass(frozen=True, kw_only=True)
class Plugin:
    """A plugin that is in use.

    Attributes:
        name: Name of its file or folder, or of its entry point.
        path: Its file or folder; None for an entry point that leads nowhere.
        sha256: Over the names and contents of its files.
        files: Its files.
        entry_point: Dotted name of the module that an installed package offers; empty for a path.
        fault: Why it cannot be used; empty if it can.
    """

    name: str
    path: Path | None
    sha256: str
    files: tuple[PluginFile, ...] = field(repr=False)
    entry_point: str = ""
    fault: str = ""

    @property
    def faults(self) -> list[str]:
        """One sentence for each of its parts that cannot be used."""
        whole = [f"Plugin {self.name} cannot be used: {self.fault}."] if self.fault else []
        return whole + [f"Plugin file {file.path} cannot be used: {file.fault}." for file in self.files if file.fault]


# By path, in the order in which they were named.
_named: dict[Path, Plugin] = {}
_modules: dict[Path, str] = {}


def use_plugins(paths: Iterable[str | Path]) -> tuple[Plugin, ...]:
    """Put plugins into use for the rest of this process, and return all that are.

    Args:
        paths: Python files, or folders of them.

    Raises:
        ConfigError: There is no such file or folder, or it is no Python.
    """
    _inherit()
    for given in paths:
        path = Path(given).expanduser().resolve()
        _named[path] = _read(path.name, path)
    # Processes that this one starts (cells of a sweep, measurements) use the same.
    if _named:
        os.environ[VARIABLE] = json.dumps([str(path) for path in _named])
    return plugins()


def plugins() -> tuple[Plugin, ...]:
    """Return all plugins in use: those named here or in the process that started this one, then installed ones."""
    _inherit()
    return (*_named.values(), *_installed())


def _inherit() -> None:
    """Use the plugins of the process that started this one, at the first call."""
    if not _named and (inherited := os.environ.get(VARIABLE)):
        for path in map(Path, json.loads(inherited)):
            _named[path] = _read(path.name, path)


def read_plugin(path: Path) -> Plugin:
    """Read a plugin without putting it into use; its files are parsed, and nothing in them runs.

    Raises:
        ConfigError: There is no such file or folder, or it is no Python.
    """
    return _read(path.name, path)


def forget_plugins() -> None:
    """Take all named plugins out of use."""
    _named.clear()
    os.environ.pop(VARIABLE, None)
    _installed.cache_clear()


def import_class(name: str) -> None:
    """Import the files of plugins that define a class, which registers it; nothing happens where none does.

    Raises:
        ConfigError: A file cannot be imported; the text names the file and the reason.
    """
    for plugin in plugins():
        for file in plugin.files:
            if name in file.classes and file.path not in _modules:
                _import(file, plugin)


def _import(file: PluginFile, plugin: Plugin) -> None:
    module_name = f"rs_adapt_plugin_{file.path.stem}_{hashlib.sha256(str(file.path).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(module_name, file.path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Before it is executed, as Python does: what a file defines refers to its module by name.
    sys.modules[module_name] = module
    folder = str(file.path.parent)
    sys.path.append(folder)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        # A plugin is a user's code, so it may raise anything.
        del sys.modules[module_name]
        raise ConfigError(
            f"The plugin {file.path} cannot be imported: {type(error).__name__}: {error}. Fix the file, or leave "
            f"out {plugin.name}."
        ) from error
    finally:
        sys.path.remove(folder)
    _modules[file.path] = module_name


@functools.cache
def _installed() -> tuple[Plugin, ...]:
    return tuple(_read_entry_point(point) for point in entry_points(group=GROUP))


def _read_entry_point(point: EntryPoint) -> Plugin:
    try:
        spec = importlib.util.find_spec(point.module)
        if spec is None or spec.origin is None:
            raise ConfigError(f"there is no module {point.module}")
        origin = Path(spec.origin)
        path = origin.parent if origin.name == "__init__.py" else origin
        found = _read(point.name, path)
    except Exception as error:
        # Finding a module imports the packages around it, which may raise anything.
        return Plugin(
            name=point.name, path=None, sha256="", files=(), entry_point=point.value, fault=f"{error}".rstrip(".")
        )
    return Plugin(name=found.name, path=found.path, sha256=found.sha256, files=found.files, entry_point=point.value)


def _read(name: str, path: Path) -> Plugin:
    if path.is_dir():
        sources = sorted(file for file in path.rglob("*.py") if not any(part.startswith(".") for part in file.parts))
        if not sources:
            raise ConfigError(f"--plugins {path}: the folder holds no Python file. Name a file or a folder of files.")
    elif path.is_file() and path.suffix == ".py":
        sources = [path]
    else:
        state = "is no Python file" if path.exists() else "does not exist"
        raise ConfigError(f"--plugins {path} {state}. Name a .py file, or a folder of such files.")
    files = tuple(_read_file(source) for source in sources)
    digest = hashlib.sha256()
    for file in files:
        content = file.text.encode("utf-8", "surrogateescape")
        inside = file.path.relative_to(path).as_posix() if path.is_dir() else file.path.name
        digest.update(f"{inside} {len(content)}\n".encode())
        digest.update(content)
    return Plugin(name=name, path=path, sha256=digest.hexdigest(), files=files)


def _read_file(path: Path) -> PluginFile:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ConfigError(f"--plugins {path} has more than {_MOST_BYTES} bytes, which no method needs.")
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise ConfigError(f"--plugins {path} cannot be read: {error.strerror}.") from error
    try:
        with warnings.catch_warnings():
            # An odd escape sequence does not concern the user.
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        return PluginFile(
            path=path, text=text, fault=f"{type(error).__name__}{line}: {error.args[0] if error.args else error}"
        )
    return PluginFile(
        path=path, text=text, classes=tuple(node.name for node in tree.body if isinstance(node, ast.ClassDef))
    )
