"""CLIP's byte-pair encoding, without a network: transformers' tokenizer, built of the merges in the package.

CLIP: Radford et al., arXiv 2103.00020, section 2.4 (lower case, 49 152 entries, 76 tokens, start and end).
Shapes: T texts, N tokens.
"""

from __future__ import annotations

import functools
import gzip
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

CONTEXT = 77
VOCABULARY = 49_408
START, END = "<|startoftext|>", "<|endoftext|>"
_MERGES_FILE = Path(__file__).parent / "shipped" / "clip_merges.txt.gz"
_WORD_END = "</w>"


class Tokens(NamedTuple):
    """Texts as tokens.

    Attributes:
        ids_TN: Numbers of the tokens, int64 (T, 77): start, text, end, then zeros.
        cut: Numbers of the texts, from 0, that were longer and lost their last tokens.
    """

    ids_TN: Tensor
    cut: tuple[int, ...]


class ClipTokenizer:
    """CLIP's tokenizer: lower case, words in byte pairs, 77 places with start and end.

    Unicode is composed (NFC) and runs of white space count as one. The original also repairs wrongly decoded text and
    HTML entities before that, which is left out, as in transformers.

    Example:
        >>> ClipTokenizer()(["Bare land"]).ids_TN[0, :5].tolist()
        [49406, 14318, 973, 49407, 0]
    """

    def __init__(self) -> None:
        """Build the tokenizer of the merges in the package."""
        self._tokenizer = _tokenizer()

    @property
    def num_tokens(self) -> int:
        """Size of the vocabulary, 49 408; the end is the last entry."""
        return len(self._tokenizer)

    def __call__(self, texts: Sequence[str]) -> Tokens:
        """Return the tokens of texts; one that is too long is cut, keeps its end, and is listed in `cut`.

        Args:
            texts: Any texts, also empty ones.
        """
        if not texts:
            return Tokens(torch.zeros(0, CONTEXT, dtype=torch.int64), ())
        encoded: list[list[int]] = self._tokenizer(list(texts), padding=False, truncation=False)["input_ids"]
        ids_TN = torch.zeros(len(encoded), CONTEXT, dtype=torch.int64)
        for row_N, ids in zip(ids_TN, encoded, strict=True):
            kept = ids if len(ids) <= CONTEXT else [*ids[: CONTEXT - 1], ids[-1]]
            row_N[: len(kept)] = torch.tensor(kept)
        return Tokens(ids_TN, tuple(number for number, ids in enumerate(encoded) if len(ids) > CONTEXT))


@functools.cache
def _tokenizer() -> Any:
    # Imported here: transformers takes seconds, and who only names the class needs none of it.
    from transformers.models.clip.tokenization_clip import CLIPTokenizer

    merges = gzip.decompress(_MERGES_FILE.read_bytes()).decode("utf-8").splitlines()[1:]
    pairs = [tuple(line.split()) for line in merges]
    letters = _byte_letters()
    entries = [*letters, *(letter + _WORD_END for letter in letters), *map("".join, pairs), START, END]
    vocabulary = {entry: number for number, entry in enumerate(entries)}
    return CLIPTokenizer(vocab=vocabulary, merges=pairs)


def _byte_letters() -> list[str]:
    """Return one printable letter for each byte, in CLIP's order: printable bytes stand for themselves, and come first.

    The order is that of the vocabulary; the letters are those of byte-level pairs since GPT-2.
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = (byte for byte in range(256) if byte not in printable)
    return [*map(chr, printable), *(chr(256 + number) for number, _ in enumerate(others))]
