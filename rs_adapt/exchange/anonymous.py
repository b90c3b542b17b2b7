"""Texts without the paths, users and hosts of the machine that wrote them."""

from __future__ import annotations

import ast
import getpass
import io
import os
import re
import socket
import tokenize
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

from rs_adapt.errors import ConfigError

# Stands before every path that replaces one of a machine.
PREFIX = "anonymous"
# A path from the root, the home folder or a drive, up to what no path of a command line or sentence holds.
_PATH = re.compile(
    r"""(?<![\w.)\]}>/:\\~-])(?:~[\w.-]*[/\\]|/(?=[\w.~-])|[A-Za-z]:[\\/]|\\\\(?=\w))[^\s'"`,;()<>\[\]{}|]*"""
)
# Folders below which the next part of a path is the name of a user.
_HOMES = re.compile(r"(?<![\w.~-])(?:/(?:home|Users|media|scratch)/|[A-Za-z]:[\\/]Users[\\/])([^/\\\s'\",:]+)")
# Names of users and machines that name nobody, and are words of texts.
_NOBODY = frozenset(
    "root user users admin administrator ubuntu debian centos docker runner home data localhost local localdomain host "
    "server work test public guest app nobody".split()
)
_MIN_NAME = 3


class Anonymizer:
    """Replaces the paths of a machine; the same path becomes the same text in all files of a run.

    Args:
        places: Names for folders of the machine, such as `{"/data/sets": "data"}`.
        texts: All texts of the run, from whose paths names of users are taken.
    """

    def __init__(self, places: Mapping[str, str], texts: str) -> None:
        named = {
            str(PurePath(place)): f"{PREFIX}/{name}" for place, name in places.items() if PurePath(place).parts[1:]
        }
        # The longest first: tiles may be prepared below the data root.
        self._places = dict(sorted(named.items(), key=lambda item: -len(item[0])))
        self._others: dict[str, str] = {}
        self.names = _names_of_people(texts)

    def text(self, value: str) -> str:
        """Return a text with replaced paths."""
        if _is_absolute(value) and "\n" not in value:
            return self._path(value)
        return _PATH.sub(lambda match: self._path(match[0]), value)

    def tree(self, value: Any) -> Any:
        """Return what a JSON file holds with replaced paths, also in keys."""
        if isinstance(value, dict):
            return {self.text(key): self.tree(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.tree(item) for item in value]
        return self.text(value) if isinstance(value, str) else value

    def python(self, code: str) -> str:
        """Return Python code with replaced paths in its string literals; everything else stays as it is."""
        lines = code.splitlines(keepends=True)
        tokens = [
            token for token in tokenize.generate_tokens(io.StringIO(code).readline) if token.type == tokenize.STRING
        ]
        for token in reversed(tokens):
            value = ast.literal_eval(token.string)
            if not isinstance(value, str) or (replaced := self.text(value)) == value:
                continue
            (first, start), (last, end) = token.start, token.end
            before, after = lines[first - 1][:start], lines[last - 1][end:]
            lines[first - 1 : last] = [f"{before}{replaced!r}{after}"]
        return "".join(lines)

    def refuse_traces(self, file: str, content: bytes) -> None:
        """Refuse content that still names a path, a user or a host.

        Raises:
            ConfigError: Of the first trace: the file, and what stands there.
        """
        text = content.decode("utf-8", errors="replace")
        for name in self.names:
            if match := re.search(rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])", text, flags=re.IGNORECASE):
                raise _trace(file, text, match, "the name of a user or a machine")
        for place in (*self._places, *self._others):
            # A root such as /data alone is a word of many texts.
            if len(PurePath(place).parts) > 2 and (position := text.find(place)) >= 0:
                raise _trace(file, text, re.compile(re.escape(place)).search(text, position), "a path of a machine")

    def _path(self, path: str) -> str:
        for place, name in self._places.items():
            if path == place or path.startswith((f"{place}/", f"{place}\\")):
                return name + path[len(place) :].replace("\\", "/")
        if path not in self._others:
            last = re.split(r"[/\\]", path.rstrip("/\\"))[-1]
            self._others[path] = f"{PREFIX}/path{len(self._others) + 1}/{last}"
        return self._others[path]


def _is_absolute(value: str) -> bool:
    return bool(re.match(r"(?:~[\w.-]*[/\\]|/[\w.~-]|[A-Za-z]:[\\/]|\\\\\w)", value))


def _names_of_people(texts: str) -> tuple[str, ...]:
    """Return names of users and machines: of this process, and of the homes in the paths of the run."""
    names = {match[1] for match in _HOMES.finditer(texts)}
    names |= {os.environ.get(variable, "") for variable in ("USER", "LOGNAME", "USERNAME", "HOSTNAME")}
    try:
        names.add(getpass.getuser())
    except (KeyError, OSError):
        # A process without an entry in the list of users.
        pass
    host = socket.gethostname()
    names |= {host, host.partition(".")[0], Path.home().name}
    return tuple(sorted(name for name in names if len(name) >= _MIN_NAME and name.lower() not in _NOBODY))


def _trace(file: str, text: str, match: re.Match[str] | None, what: str) -> ConfigError:
    assert match is not None
    shown = text[max(0, match.start() - 30) : match.end() + 30].replace("\n", " ")
    return ConfigError(
        f"{file} holds {what} that cannot be replaced: ...{shown!r}... Nothing is written. Rename what carries the "
        "name (a class, a tile, a file of weights), or share the run without anonymity: copy its folder."
    )
