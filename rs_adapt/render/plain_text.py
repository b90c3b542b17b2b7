"""Texts from elsewhere, for terminals: what moves the cursor, changes colours or turns letters round is spelled out."""

from __future__ import annotations

import re

# Control characters but tab and line feed, marks that change the direction of a text (a name could read as a
# different one), and halves of characters, which nothing can print: names of files that are no UTF-8 have them.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    r"""Return the text with characters that control a terminal spelled out, such as `\x1b`; lines stay lines."""
    return _UNPRINTABLE.sub(_spell, text)


def printable_line(text: str) -> str:
    """Return the text in one line; see `printable`."""
    return printable(text).replace("\n", " ")


def _spell(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
