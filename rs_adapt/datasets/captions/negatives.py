"""Captions that say something else in almost the same words, by rule. Loads no torch.

DeGLA (arXiv 2504.16801, section 3) has five kinds of negatives: the words of the sentence reshuffled, nouns exchanged,
adjectives exchanged, adjectives replaced, nouns replaced; a language model writes them. Here a lexicon and a parser of
noun phrases do, so nothing is downloaded and the same seed gives the same texts. The paper merges two kinds to have
K = 4 negatives and does not say which; here both exchanges are one slot.
"""

from __future__ import annotations

import importlib
import random
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from typing import TypeAlias, TypeVar

from rs_adapt.datasets.captions.lexicon import Lexicon, read_lexicon
from rs_adapt.datasets.captions.parsing import ParsedCaption, Span, is_word, join_tokens, normalized, parse_caption
from rs_adapt.datasets.captions.records import mark_in
from rs_adapt.errors import ConfigError, DataError

T = TypeVar("T")
# A caption, how many negatives, and the generator of the sample's own draws, to the negatives.
NegativeMaker: TypeAlias = Callable[[str, int, random.Random], Sequence[str]]
_Rule: TypeAlias = Callable[[ParsedCaption, Lexicon, random.Random], Iterator[str]]
_SHUFFLES = 20
_MARK = "__negative_maker__"


def reshuffle(parsed: ParsedCaption, lexicon: Lexicon, draw: random.Random) -> Iterator[str]:
    """Yield the caption with its words in random orders; punctuation keeps its places."""
    places = [place for place, token in enumerate(parsed.tokens) if is_word(token)]
    orders = [draw.sample(places, len(places)) for _ in range(_SHUFFLES)]
    # The last is an order that differs wherever two words do.
    for order in (*orders, places[1:] + places[:1]):
        tokens = list(parsed.tokens)
        for place, source in zip(places, order, strict=True):
            tokens[place] = parsed.tokens[source]
        yield join_tokens(tokens, parsed.glued)


def swap_nouns(parsed: ParsedCaption, lexicon: Lexicon, draw: random.Random) -> Iterator[str]:
    """Yield the caption with two different nouns of one number exchanged, pair by pair; adjectives stay in place.

    Left out are pairs whose exchange says the same: `a tree next to a house`, where both have equal adjectives.
    """
    described = [_adjectives_of(parsed, number) for number in range(len(parsed.nouns))]
    for first, second in _drawn(list(combinations(range(len(parsed.nouns)), 2)), draw):
        a, b = parsed.nouns[first], parsed.nouns[second]
        between = [token.lower() for token in parsed.tokens[a.end : b.start]]
        own = {
            token.lower()
            for span in parsed.adjectives
            if span.noun == second
            for token in parsed.tokens[span.start : span.end]
        }
        is_symmetric = all(t in lexicon.symmetric or t in (",", "a", "an", "the") or t in own for t in between)
        differ = a.entry.text != b.entry.text and a.entry.plural == b.entry.plural
        if differ and not (is_symmetric and described[first] == described[second]):
            yield parsed.render({(a.start, a.end): b.entry.text, (b.start, b.end): a.entry.text})


def swap_adjectives(parsed: ParsedCaption, lexicon: Lexicon, draw: random.Random) -> Iterator[str]:
    """Yield the caption with two different adjectives of two different nouns exchanged, pair by pair.

    A count (two, many) changes places with a count alone.
    """
    for a, b in _drawn(list(combinations(parsed.adjectives, 2)), draw):
        assert a.noun is not None
        assert b.noun is not None
        nouns = parsed.nouns[a.noun].entry.text, parsed.nouns[b.noun].entry.text
        counts = [span.entry.group in lexicon.counting for span in (a, b)]
        if a.entry.text != b.entry.text and nouns[0] != nouns[1] and counts[0] == counts[1]:
            yield parsed.render({(a.start, a.end): b.entry.text, (b.start, b.end): a.entry.text})


def replace_adjective(parsed: ParsedCaption, lexicon: Lexicon, draw: random.Random) -> Iterator[str]:
    """Yield the caption with an adjective replaced by one of its group that the caption does not have."""
    yield from _replacements(parsed, parsed.adjectives, lexicon, draw)


def replace_noun(parsed: ParsedCaption, lexicon: Lexicon, draw: random.Random) -> Iterator[str]:
    """Yield the caption with a noun replaced by one of its group, in its number, that the caption does not have."""
    yield from _replacements(parsed, parsed.nouns, lexicon, draw)


def _swap(parsed: ParsedCaption, lexicon: Lexicon, draw: random.Random) -> Iterator[str]:
    rules = [swap_nouns, swap_adjectives]
    draw.shuffle(rules)
    for rule in rules:
        yield from rule(parsed, lexicon, draw)


_SLOTS: tuple[_Rule, ...] = (reshuffle, _swap, replace_adjective, replace_noun)


def make_negatives(caption: str, count: int, draw: random.Random, *, lexicon: Lexicon | None = None) -> list[str]:
    """Return negatives of a caption by the five rules.

    Each of the four slots (reshuffled, exchanged, adjective replaced, noun replaced) gives one in turn; where the rule
    of a slot finds nothing (no two nouns, no adjective), the next rules fill its place. Where the rules find fewer
    different texts than asked for, as in captions of two words, those that there are repeat.

    Args:
        caption: The caption.
        count: Number of negatives K, 0 or more.
        draw: The generator of the sample's draws.
        lexicon: The known words; None for those of the package.

    Returns:
        K texts, none equal to the caption (see `normalized`).

    Raises:
        DataError: No rule applies: the caption is a single word that the lexicon lacks, or has none.
    """
    if not count:
        return []
    lexicon = lexicon or read_lexicon()
    parsed = parse_caption(caption, lexicon)
    streams = [rule(parsed, lexicon, draw) for rule in _SLOTS]
    seen = {normalized(caption)}
    negatives: list[str] = []
    slot = 0
    while len(negatives) < count and streams:
        text = next((text for text in streams[slot] if normalized(text) not in seen), None)
        if text is None:
            del streams[slot]
            slot = slot % len(streams) if streams else 0
            continue
        seen.add(normalized(text))
        negatives.append(text)
        slot = (slot + 1) % len(streams)
    if not negatives:
        raise DataError(
            f"No negative can be made of the caption {caption[:80]!r}: it has no two words to reorder and none that "
            "the lexicon knows. Give its negatives in the data, a lexicon with its words, or leave the image out."
        )
    return [negatives[number % len(negatives)] for number in range(count)]


def sample_draws(seed: int, key: str) -> random.Random:
    """Return the generator of one sample's draws: a function of seed and key, on every machine and in every process."""
    return random.Random(f"{seed}\0{key}")


def negative_maker(function: NegativeMaker) -> NegativeMaker:
    """Mark a function as a maker of negatives; `load_maker` accepts no others.

    The mark keeps a configuration from somebody else from calling any function of any module with a caption.
    """
    setattr(function, _MARK, True)
    return function


def load_maker(name: str) -> NegativeMaker:
    """Return a maker of negatives by `module:function`.

    Args:
        name: An importable module and a function in it that `negative_maker` decorates.

    Raises:
        ConfigError: There is no such module or function, or it has not been marked.
    """
    module, colon, attribute = name.partition(":")
    if not colon or not module or not attribute.isidentifier():
        raise ConfigError(f"captions.negative_maker is {name!r}; write MODULE:FUNCTION, such as my_negatives:make.")
    try:
        function = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as failure:
        raise ConfigError(f"captions.negative_maker is {name!r}, which cannot be imported: {failure}.") from failure
    if not getattr(function, _MARK, False):
        raise ConfigError(
            f"captions.negative_maker is {name!r}, which is no maker of negatives: decorate the function with "
            "rs_adapt.datasets.captions.negatives.negative_maker."
        )
    maker: NegativeMaker = function
    return maker


def check_negatives(caption: str, negatives: Sequence[str], count: int, *, place: str) -> tuple[str, ...]:
    """Return the first `count` negatives of a caption, from a file or from a maker, if they can be used.

    Args:
        caption: The caption.
        negatives: Its negatives.
        count: Number of negatives K that training needs.
        place: Where they come from, for the message.

    Raises:
        DataError: There are fewer, or one is empty, equal to the caption, or holds a mark of CLIP.
    """
    if not all(isinstance(text, str) for text in negatives):
        raise DataError(f"{place}: negatives must be texts.")
    if len(negatives) < count:
        raise DataError(
            f"{place}: {len(negatives)} negatives for the caption {caption[:80]!r}, and captions.negatives asks for "
            f"{count}. Add some, or set captions.negatives={len(negatives)}."
        )
    chosen = tuple(negatives[:count])
    if marked := [text for text in chosen if mark_in(text)]:
        raise DataError(f"{place}: the negative {marked[0][:80]!r} holds CLIP's own mark of start or end: remove it.")
    if bad := [text for text in chosen if not text.strip() or normalized(text) == normalized(caption)]:
        raise DataError(f"{place}: the negative {bad[0][:80]!r} is empty or equal to its caption: replace it.")
    return chosen


def _replacements(parsed: ParsedCaption, spans: Sequence[Span], lexicon: Lexicon, draw: random.Random) -> Iterator[str]:
    # Singular and plural are one word here: a caption with a car gets no negative with cars.
    present = {(span.entry.group, span.entry.text) for span in (*parsed.nouns, *parsed.adjectives)}
    choices = [
        (span, text) for span in spans for text in lexicon.others(span.entry) if (span.entry.group, text) not in present
    ]
    for span, text in _drawn(choices, draw):
        yield parsed.render({(span.start, span.end): text})


def _adjectives_of(parsed: ParsedCaption, noun: int) -> list[str]:
    return sorted(span.entry.text for span in parsed.adjectives if span.noun == noun)


def _drawn(values: list[T], draw: random.Random) -> list[T]:
    return draw.sample(values, len(values))
