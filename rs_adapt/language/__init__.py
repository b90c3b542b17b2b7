"""The language side of CLIP: class names to tokens, tokens to vectors of the space that images share.

A class is imported when it is first accessed: the text tower and the tokenizer import transformers,
which takes seconds.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rs_adapt.language.text_tower import TextTower
    from rs_adapt.language.tokenizer import ClipTokenizer, Tokens

__all__ = ["ClipTokenizer", "TextTower", "Tokens"]

_MODULES = {"ClipTokenizer": "tokenizer", "TextTower": "text_tower", "Tokens": "tokenizer"}


def __getattr__(name: str) -> Any:
    """Load a class from its module (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
