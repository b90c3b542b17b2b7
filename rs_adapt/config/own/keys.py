"""Read a table of a bench's own file key by key: each value is checked, and an error names file, key and remedy."""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rs_adapt.errors import ConfigError, DataNotFound

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_NAME = re.compile(r"[a-z0-9][a-z0-9_]*")
_MISSING = object()


class Keys:
    """A table of a file.

    Args:
        given: the table.
        file: for messages.
        where: dotted place of the table in the file, "" for the top.
        known: the keys that it may hold; None where they are free.

    Raises:
        ConfigError: it holds another key.
    """

    def __init__(self, given: Mapping[str, Any], file: Path, where: str, known: Sequence[str] | None) -> None:
        self.given, self.file, self.where = given, file, where
        for key in given:
            if known is not None and key not in known:
                near = difflib.get_close_matches(key, known, n=1)
                hint = f" Did you mean {near[0]}?" if near else ""
                raise ConfigError(f"{file}: there is no key {self.place(key)}.{hint} Known: {', '.join(known)}.")

    def place(self, key: str) -> str:
        """The dotted name of a key."""
        return f"{self.where}.{key}" if self.where else key

    def error(self, key: str, what: str) -> ConfigError:
        """An error about a key."""
        return ConfigError(f"{self.file}: {self.place(key)} {what}.")

    def _get(self, key: str, default: Any, kind: type | tuple[type, ...], what: str) -> Any:
        value = self.given.get(key, default)
        if value is _MISSING:
            raise self.error(key, f"is missing; it must be {what}")
        # A bool is an int in Python, and a mistake here.
        wrong = isinstance(value, bool) and kind is not bool
        if (wrong or not isinstance(value, kind)) and value is not default:
            raise self.error(key, f"is {value!r}; it must be {what}")
        return value

    def table(self, key: str, known: Sequence[str] | None, *, needed: bool = False) -> Keys:
        """A table below this one; an empty one where it is absent and not needed."""
        value = self._get(key, _MISSING if needed else {}, dict, f"a table [{self.place(key)}]")
        return Keys(value, self.file, self.place(key), known)

    def text(self, key: str, default: Any = _MISSING) -> Any:
        """A text."""
        return self._get(key, default, str, "a text")

    def name(self, key: str, default: Any = _MISSING) -> str:
        """A short name, which becomes part of folder names."""
        value = str(self._get(key, default, str, "a short name"))
        if not _NAME.fullmatch(value):
            raise self.error(key, f"is {value!r}; a name is of small letters, digits and _")
        return value

    def flag(self, key: str, default: bool) -> bool:
        """True or false."""
        return bool(self._get(key, default, bool, "true or false"))

    def whole(self, key: str, default: int, *, least: int, most: int | None = None) -> int:
        """A whole number in a range."""
        value = int(self._get(key, default, int, "a whole number"))
        if value < least or (most is not None and value > most):
            raise self.error(key, f"is {value}; it must be {least} {f'to {most}' if most is not None else 'or larger'}")
        return value

    def number(self, key: str, default: Any, *, above: float, below: float = float("inf")) -> Any:
        """A number in an open range."""
        value = self._get(key, default, (int, float), "a number")
        if value is not default and not above < value < below:
            raise self.error(
                key, f"is {value}; it must be above {above:g}{f' and below {below:g}' if below < 1e9 else ''}"
            )
        return value

    def numbers(self, key: str, default: Any, *, count: int) -> Any:
        """A list of numbers, smallest first."""
        value = self._get(key, default, list, f"a list of {count} numbers")
        if value is not default and not (_all(value, (int, float), count) and value == sorted(set(value))):
            raise self.error(key, f"is {value}; it must be {count} numbers, smallest first")
        return value

    def wholes(self, key: str, default: Any, *, count: int, least: int) -> Any:
        """A list of whole numbers."""
        value = self._get(key, default, list, f"a list of {count} whole numbers")
        if value is not default and not (_all(value, int, count) and min(value) >= least):
            raise self.error(key, f"is {value}; it must be {count} whole numbers from {least}")
        return value

    def texts(self, key: str, default: list[str]) -> list[str]:
        """A list of texts."""
        value = self._get(key, default, list, "a list of texts")
        if not all(isinstance(item, str) for item in value):
            raise self.error(key, f"is {value}; it must be a list of texts")
        return list(value)

    def folder(self, key: str, root: Path) -> Path:
        """An existing folder, relative to `root`.

        Raises:
            DataNotFound: it does not exist.
        """
        path = (root / str(self.text(key))).expanduser()
        if not path.is_dir():
            raise DataNotFound(f"{self.file}: {self.place(key)} names {path}, which is no folder.")
        return path.resolve()


def _all(value: list[Any], kind: type | tuple[type, ...], count: int) -> bool:
    return len(value) == count and all(isinstance(item, kind) and not isinstance(item, bool) for item in value)
