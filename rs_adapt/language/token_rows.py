"""Text towers that have rows for a part of CLIP's vocabulary: rows on disk to a row for every entry.

CLIP's 49 408 rows would be most of a small file, and rows of tokens that no caption of the training holds are noise.
Such a file stores one shared row, which training teaches as "some word" (words of captions are replaced by it at
random), then the rows of the tokens that captions hold, and the entries of the vocabulary that those are. In memory
every other entry has the shared row, so the tokenizer and the tower are CLIP's.

Shapes: R rows of tokens, V entries of the vocabulary, W width.
"""

from __future__ import annotations

import re

import torch
from torch import Tensor

from rs_adapt.errors import WeightsError
from rs_adapt.language.tokenizer import VOCABULARY, ClipTokenizer

# Name of the entries in a file, int32 (R), next to transformers' names of the other tensors.
TOKEN_IDS = "text_model.embeddings.token_ids"
_WORD = re.compile(r"[^\W_]+")


def spread_rows(rows_RW: Tensor, ids_R: Tensor) -> Tensor:
    """Return a row for every entry of the vocabulary (V, W).

    Args:
        rows_RW: The shared row, then those of the entries (1 + R, W).
        ids_R: The entries, ascending; the last is the end of a text.

    Raises:
        WeightsError: If the entries are not such a list, or their number is not that of the rows.
    """
    whole = not ids_R.is_floating_point() and ids_R.ndim == 1 and len(ids_R) == len(rows_RW) - 1 and len(ids_R) > 0
    if not whole or bool((ids_R.diff() <= 0).any()) or int(ids_R[0]) < 0 or int(ids_R[-1]) != VOCABULARY - 1:
        raise WeightsError(
            f"{TOKEN_IDS} (shape {tuple(ids_R.shape)}) must list the entries of the vocabulary that the "
            f"{len(rows_RW) - 1} rows after the first belong to: whole numbers from 0, ascending, the last "
            f"{VOCABULARY - 1}. Get the file again."
        )
    full_VW = rows_RW[0].expand(VOCABULARY, -1).clone()
    full_VW[ids_R.long()] = rows_RW[1:]
    return full_VW


def compact_ids(ids_TN: Tensor, known_R: Tensor) -> Tensor:
    """Return tokens as numbers of rows, int64 (T, N): 0 the shared row, r + 1 that of the entry `known_R[r]`."""
    place_TN = torch.searchsorted(known_R, ids_TN).clamp(max=len(known_R) - 1)
    return torch.where(known_R[place_TN] == ids_TN, place_TN + 1, 0)


def unknown_words(known_R: Tensor, text: str) -> tuple[str, ...]:
    """Return the words of a text of which a token has no row of its own, each once, lower case."""
    words = list(dict.fromkeys(_WORD.findall(text.lower())))
    if not words:
        return ()
    known = set(known_R.tolist()) | {0}
    ids_TN = ClipTokenizer()(words).ids_TN
    return tuple(word for word, ids_N in zip(words, ids_TN, strict=True) if not known.issuperset(ids_N.tolist()))
