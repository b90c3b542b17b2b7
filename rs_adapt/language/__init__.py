"""The language side of CLIP: class names to tokens, tokens to vectors of the space that images share.

`ClipModel` embeds texts and whole images with both towers of a file.

A class is imported when it is first accessed: the text tower and the tokenizer import transformers,
which takes seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rs_adapt.lazy_names import load_names

if TYPE_CHECKING:
    from rs_adapt.language.clip_model import ClipModel
    from rs_adapt.language.text_tower import TextTower
    from rs_adapt.language.tokenizer import ClipTokenizer, Tokens

__all__ = ["ClipModel", "ClipTokenizer", "TextTower", "Tokens"]

_MODULES = {
    "ClipModel": "clip_model",
    "ClipTokenizer": "tokenizer",
    "TextTower": "text_tower",
    "Tokens": "tokenizer",
}

__getattr__ = load_names(__name__, _MODULES)
