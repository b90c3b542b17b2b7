"""Captions with their words in other orders, as ARO asks of models (Yuksekgonul et al., ICLR 2023). Loads no torch.

ARO takes parts of speech from a statistical tagger; here they are those of the lexicon, so scores are not those of
ARO's own files to the digit.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

from rs_adapt.datasets.captions.lexicon import read_lexicon
from rs_adapt.datasets.captions.parsing import is_word, join_tokens, parse_caption

T = TypeVar("T")
_TRIGRAM = 3
_TRIES = 10


def perturbations(caption: str, draw: random.Random) -> list[str]:
    """Return reorderings of a caption: of nouns and adjectives, of all other words, of trigrams, and within trigrams.

    Args:
        caption: The caption.
        draw: The generator of the draws.

    Returns:
        Four texts or fewer: what a caption is too short for is left out, and so is what equals it.
    """
    parsed = parse_caption(caption, read_lexicon())
    tokens, glued = parsed.tokens, parsed.glued
    places = [place for place, token in enumerate(tokens) if is_word(token)]
    words = [tokens[place] for place in places]
    content = {place for span in (*parsed.nouns, *parsed.adjectives) for place in range(span.start, span.end)}
    known = [number for number, place in enumerate(places) if place in content]
    other = [number for number, place in enumerate(places) if place not in content]
    groups = [words[start : start + _TRIGRAM] for start in range(0, len(words), _TRIGRAM)]
    orders = [
        _permuted(words, known, draw),
        _permuted(words, other, draw),
        [word for number in _changed(list(range(len(groups))), draw) for word in groups[number]],
        [word for group in groups for word in _changed(group, draw)],
    ]
    texts: list[str] = []
    for order in orders:
        if order != words:
            new = list(tokens)
            for place, word in zip(places, order, strict=True):
                new[place] = word
            texts.append(join_tokens(new, glued))
    return texts


def _permuted(words: Sequence[str], numbers: Sequence[int], draw: random.Random) -> list[str]:
    """Return words of which those with the given numbers have changed places."""
    result = list(words)
    for number, source in zip(numbers, _changed(list(numbers), draw), strict=True):
        result[number] = words[source]
    return result


def _changed(values: Sequence[T], draw: random.Random) -> list[T]:
    """Return values in a random order that differs from theirs, if a few draws give one."""
    for _ in range(_TRIES):
        order = draw.sample(values, len(values))
        if order != list(values):
            return order
    return list(values)
