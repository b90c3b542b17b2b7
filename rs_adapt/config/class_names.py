"""Names of classes: what every table, plot, file and option can show and tell apart."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from rs_adapt.errors import ConfigError

LONGEST = 100
# Control characters, halves of pairs, and separators of lines and paragraphs.
_REFUSED_CATEGORIES = ("Cc", "Cs", "Zl", "Zp")
# Marks that turn the direction of the text after them.
_DIRECTIONS = frozenset(chr(code) for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A)))


def check_class_names(names: Sequence[object], place: str) -> None:
    """Refuse names that cannot be shown, or that options cannot tell apart.

    Args:
        names: Names in index order.
        place: The file or bench that states them, for the message.

    Raises:
        ConfigError: A name is no text, empty, longer than 100 characters, holds a control character, or is that of
            another class except for blanks around it, letter case, and `-`, `_` or a space within it.
    """
    first: dict[str, str] = {}
    for name in names:
        if not isinstance(name, str) or not name.strip():
            raise ConfigError(f"{place}: a class is named {name!r}; give every class a name to read.")
        if len(name) > LONGEST:
            raise ConfigError(
                f"{place}: the class name {name[:40]!r}... has {len(name)} characters; at most {LONGEST} are allowed."
            )
        wrong = [char for char in name if unicodedata.category(char) in _REFUSED_CATEGORIES or char in _DIRECTIONS]
        if wrong:
            raise ConfigError(
                f"{place}: the class name {name!r} holds the control character U+{ord(wrong[0]):04X}. Remove it."
            )
        # Composed: a letter with its accent and the same letter followed by the accent look and read alike.
        composed = unicodedata.normalize("NFC", name.casefold())
        key = " ".join(composed.replace("-", " ").replace("_", " ").split())
        if key in first:
            raise ConfigError(
                f"{place}: class holds a name twice: {first[key]!r} and {name!r}. Blanks around a name, letter case, "
                "and -, _ and a space make no difference."
            )
        first[key] = name
