"""Configurations of mmengine and mmcv with their bases, read as data: nothing in any of the files is executed.

Both forms are read: `_base_ = [...]` with its merging and `{{_base_.x}}`, and `with read_base(): from .base import *`.
"""

from __future__ import annotations

import ast
import warnings
from dataclasses import dataclass, replace
from pathlib import Path

from rs_adapt import limits
from rs_adapt.audit.foreign.budget import Budget, NotReadable, check_size
from rs_adapt.audit.foreign.calls import copied
from rs_adapt.audit.foreign.expressions import Expressions
from rs_adapt.audit.foreign.log_text import config_text, log_within, looks_like_log
from rs_adapt.audit.foreign.node import Key, Node, Site, Symbol, merged
from rs_adapt.audit.foreign.statements import run_statements
from rs_adapt.documents import read_bytes
from rs_adapt.errors import ConfigError

_REMEDY = (
    "Nothing in the file is executed: names, dicts, lists, arithmetic, f-strings and bases are computed, other code is "
    "not. Write the value out, or name the configuration that the training printed (its log, or vis_data/config.py)."
)
_BASE = "_base_"
_BYTES_OF_MARK = "utf-8-sig"
_REASON_CHARS = 400


@dataclass(frozen=True, kw_only=True)
class ForeignConfig:
    """A configuration that another program runs.

    Attributes:
        file: The file that was named, or the log in the folder that was named.
        root: All of its values, those of its bases merged.
        bases: The files that it includes, in the order of reading.
        earlier: First lines of other configurations in the same log.
    """

    file: str
    root: Node
    bases: tuple[str, ...] = ()
    earlier: tuple[int, ...] = ()


def read_foreign(path: Path) -> ForeignConfig:
    """Return the configuration in a file of Python, in a training log, or in the folder of one training.

    Raises:
        ConfigError: There is none, or a part of it is not read; one sentence with file and line.
    """
    if path.is_dir():
        path = log_within(path)
    text = _text(path, most=limits.LOG_BYTES)
    first_line = 1
    earlier: tuple[int, ...] = ()
    if looks_like_log(path, text):
        path, first_line, text, earlier = config_text(path, text)
    return replace(parse_foreign(text, path=path, first_line=first_line), earlier=earlier)


def parse_foreign(text: str, *, path: Path, first_line: int = 1) -> ForeignConfig:
    """Return the configuration in a text.

    Args:
        text: Python.
        path: The file that holds it, for places and for the paths of bases.
        first_line: The number of the text's first line in the file.

    Raises:
        ConfigError: A part of it is not read.
    """
    bases: list[Path] = []
    budget = Budget()
    values = _values(text, path, first_line, budget, bases)
    # What a file imports from modules is not a part of the configuration.
    kept = {key: node for key, node in values.items() if not isinstance(node.value, Symbol)}
    root = Node(kept, Site(file=str(path), line=first_line))
    try:
        check_size(root)
    except NotReadable as error:
        raise ConfigError(f"{path}: {error}. {_REMEDY}") from None
    return ForeignConfig(file=str(path), root=root, bases=tuple(map(str, bases)))


def _values(text: str, path: Path, first_line: int, budget: Budget, bases: list[Path]) -> dict[Key, Node]:
    """Return the names of one file with those of its bases."""
    where = path.resolve()
    if where in budget.opened:
        circle = " -> ".join(one.name for one in [*budget.opened[budget.opened.index(where) :], where])
        raise ConfigError(f"{path} is a base of itself ({circle}). Remove it from one of the lists of bases.")
    budget.opened.append(where)
    budget.files -= 1
    if budget.files < 0:
        raise ConfigError(f"{path} and the files around it include more files than any configuration. {_REMEDY}")
    if len(text) > limits.CONFIG_BYTES:
        raise ConfigError(
            f"{path} holds {len(text)} characters; at most {limits.CONFIG_BYTES} are read, and configurations have "
            "some ten thousand. Name the configuration."
        )
    try:
        with warnings.catch_warnings():
            # An odd escape sequence in the text does not concern the user.
            warnings.simplefilter("ignore")
            module = ast.parse(text)
        return _File(path, first_line, budget, bases).read(module)
    except NotReadable as error:
        lines = text.split("\n")
        shown = lines[error.line - 1].strip()[:80] if 0 < error.line <= len(lines) else ""
        # A name may be as long as its file.
        reason = str(error)[:_REASON_CHARS]
        raise ConfigError(f"{path}, line {error.line + first_line - 1}: `{shown}`: {reason}. {_REMEDY}") from None
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        if isinstance(error, SyntaxError):
            at = f", line {error.lineno + first_line - 1}" if error.lineno else ""
            raise ConfigError(f"{path}{at}: this is cut off or not Python ({error.msg}). {_REMEDY}") from error
        reason = "it nests too deeply" if isinstance(error, RecursionError | MemoryError) else str(error)
        raise ConfigError(f"{path} is not read: {reason}. {_REMEDY}") from error
    finally:
        budget.opened.pop()


class _File:
    def __init__(self, path: Path, first_line: int, budget: Budget, bases: list[Path]) -> None:
        self._path = path
        self._budget = budget
        self._bases = bases
        self._offset = first_line - 1
        self._names: dict[str, Node] = {}
        places = {
            "fileDirname": str(path.parent),
            "fileBasename": path.name,
            "fileBasenameNoExtension": path.stem,
            "fileExtname": path.suffix,
        }
        self._here = Expressions(self._names, places=places, file=str(path), offset=self._offset, budget=budget)

    def read(self, module: ast.Module) -> dict[Key, Node]:
        base = self._named_bases(module)
        if base is not None:
            self._names[_BASE] = Node(base, Site(file=str(self._path), line=1))
            # Its assignment names files; in the rest of the file, the name holds what they set.
            module.body = [statement for statement in module.body if not _sets_base(statement)]
        run_statements(module, self._here, self._import)
        own: dict[Key, Node] = {name: node for name, node in self._names.items() if name != _BASE}
        return own if base is None else merged(base, own, lambda number: self._budget.spend(number, 1))

    def _named_bases(self, module: ast.Module) -> dict[Key, Node] | None:
        """Return the names that the files in `_base_` set; None where the file has no such list."""
        statement = next((one for one in module.body if _sets_base(one)), None)
        if not isinstance(statement, ast.Assign):
            return None
        node = self._here.value(statement.value)
        names = [entry.value for entry in node.items] if isinstance(node.value, list) else [node.value]
        base: dict[Key, Node] = {}
        for name in names:
            if not isinstance(name, str):
                raise NotReadable(statement.lineno, "the bases are not names of files")
            values = self._open(name, self._path.parent / name, statement.lineno)
            if twice := sorted(str(key) for key in base.keys() & values.keys()):
                raise NotReadable(statement.lineno, f"two of the bases set {twice[0]}, which mmengine refuses")
            base |= values
        return base

    def _import(self, level: int, module: str, line: int) -> dict[str, Node]:
        parts = module.split(".") if module else []
        if level:
            folders = [self._path.parent.joinpath(*[".."] * (level - 1))]
        else:
            # A base by its full name lies in a package that holds this file, or it is not here.
            folders = list(self._path.resolve().parents)
        files = [folder.joinpath(*parts).with_suffix(".py") for folder in folders] if parts else []
        file = next((one for one in files if one.is_file()), files[0] if files else self._path.parent)
        values = self._open("." * level + module, file, line)
        return {name: node for name, node in values.items() if isinstance(name, str)}

    def _open(self, name: str, file: Path, line: int) -> dict[Key, Node]:
        if "::" in name or not file.is_file():
            lack = "is no file" if file.exists() else "does not exist"
            raise NotReadable(line, f"the base {name} is not here ({file} {lack})")
        if file.suffix != ".py":
            raise NotReadable(line, f"the base {name} is no file of Python")
        self._bases.append(file)
        values = _values(_text(file, most=limits.CONFIG_BYTES), file, 1, self._budget, self._bases)
        # mmengine copies what a base sets, part by part: a change of `train_pipeline` does not reach the data set that
        # the base put it into.
        return {name: Node(copied(node.value, self._budget, line), node.site) for name, node in values.items()}


def _sets_base(statement: ast.stmt) -> bool:
    match statement:
        case ast.AnnAssign(target=ast.Name(id=name)) if name == _BASE:
            raise NotReadable(statement.lineno, "mmengine reads bases from `_base_ = ...` alone, without a type")
        case ast.Assign(targets=[ast.Name(id=name)]):
            return name == _BASE
    return False


def _text(path: Path, *, most: int) -> str:
    try:
        raw = read_bytes(path, most=most)
        # Programs that a training starts may print anything into its log.
        whole = path.suffix == ".py" or b"\0" in raw
        return raw.decode(_BYTES_OF_MARK, errors="strict" if whole else "replace")
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path} is not text in UTF-8 (byte {error.start}). Name a configuration in Python, or a training log."
        ) from error
    except OSError as error:
        reason = error.strerror or error
        raise ConfigError(
            f"{path} cannot be read: {reason}. Name a configuration in Python, or a training log."
        ) from error
