"""Attributes as text, so that 1, 1.0 and "1" are one class, as the formats of vector files store numbers at will."""

from __future__ import annotations

import math
import re
import unicodedata

# Whole numbers as a column of decimals shows them.
_WHOLE = re.compile(r"([+-]?\d+)\.0*")


def attribute_text(value: object) -> str:
    """Return an attribute as text; "" where there is no value.

    Whole numbers have no decimals, and texts no blanks around them. Letters with accents are composed (NFC), whichever
    way the file spells them.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return unicodedata.normalize("NFC", str(value)).strip()


def attribute_key(text: str) -> str:
    """Return what attributes and classes are compared by where their texts differ: "1.0" is "1", "True" is "true"."""
    text = attribute_text(text)
    if whole := _WHOLE.fullmatch(text):
        return whole[1]
    return text.lower() if text.lower() in ("true", "false") else text
