"""Captions as words, nouns and adjectives, by a lexicon and a grammar of noun phrases. Loads no torch.

A noun phrase is `adjective* noun`: adjectives that stand directly before a noun, commas and "and" between them allowed,
describe it. Words that the lexicon lacks are left alone, so rules act on what is known to be a noun or adjective.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rs_adapt.datasets.captions.lexicon import Entry, Lexicon

# A word with its hyphens and apostrophes, or a run of whatever else is no space.
_TOKEN = re.compile(r"[^\W_]+(?:[-'\u2019][^\W_]+)*|[^\w\s]+|_+")
# What CLIP's tokenizer separates in any case.
_PIECE = re.compile(r"[^\W_]+|[^\w\s]|_")
_BETWEEN_ADJECTIVES = frozenset({",", "and"})
_VOWELS = "aeiou"


@dataclass(frozen=True, kw_only=True)
class Span:
    """A known word in a caption.

    Attributes:
        start: Its first token.
        end: The token behind its last.
        entry: The word.
        noun: For an adjective, the position of its noun among the nouns.
    """

    start: int
    end: int
    entry: Entry
    noun: int | None = None


@dataclass(frozen=True, kw_only=True)
class ParsedCaption:
    """A caption with its known words.

    Attributes:
        tokens: Its words and punctuation, in order.
        glued: Whether each token follows the one before it without a space.
        nouns: Its nouns, in order.
        adjectives: Its adjectives that describe a noun, in order.
    """

    tokens: tuple[str, ...]
    glued: tuple[bool, ...]
    nouns: tuple[Span, ...]
    adjectives: tuple[Span, ...]

    @property
    def num_words(self) -> int:
        """Number of tokens that are words."""
        return sum(is_word(token) for token in self.tokens)

    def render(self, replacements: Mapping[tuple[int, int], str]) -> str:
        """Return the caption with other words in place of some spans of tokens, with the article that they need.

        Args:
            replacements: Text by start and end of the span; spans do not overlap. A capital letter at the start of the
                span is kept.
        """
        parts: list[str] = []
        glued: list[bool] = []
        position = 0
        starts = {start: (end, text) for (start, end), text in replacements.items()}
        while position < len(self.tokens):
            end, text = starts.get(position, (position + 1, self.tokens[position]))
            if position in starts:
                text = _like(self.tokens[position], text)
                _fit_article(parts, text)
            parts.append(text)
            glued.append(self.glued[position])
            position = end
        return join_tokens(parts, glued)


def parse_caption(caption: str, lexicon: Lexicon) -> ParsedCaption:
    """Return the words of a caption, with its nouns and the adjectives that describe one.

    Args:
        caption: Any text.
        lexicon: The known words; the longest form that fits wins ("tennis court" before "court").
    """
    matches = list(_TOKEN.finditer(caption))
    tokens = tuple(match.group() for match in matches)
    glued = tuple(i > 0 and matches[i - 1].end() == match.start() for i, match in enumerate(matches))
    nouns: list[Span] = []
    adjectives: list[Span] = []
    waiting: list[Span] = []
    position = 0
    while position < len(tokens):
        end, forms = _longest_form(tokens, position, lexicon)
        adjective = next((form for form in forms if form.kind == "adjective"), None)
        noun = next((form for form in forms if form.kind == "noun"), None)
        # A word that may be both (orange) is an adjective if a known word follows.
        if adjective and (noun is None or _longest_form(tokens, end, lexicon)[1]):
            waiting.append(Span(start=position, end=end, entry=adjective))
        elif noun:
            adjectives += [Span(start=s.start, end=s.end, entry=s.entry, noun=len(nouns)) for s in waiting]
            nouns.append(Span(start=position, end=end, entry=noun))
            waiting = []
        elif tokens[position].lower() not in _BETWEEN_ADJECTIVES:
            waiting = []
        position = end
    return ParsedCaption(tokens=tokens, glued=glued, nouns=tuple(nouns), adjectives=tuple(adjectives))


def normalized(caption: str) -> str:
    """Return a caption in lower case with one space between its words and signs, as CLIP reads it.

    Two captions are equal if these texts are.
    """
    return " ".join(_PIECE.findall(caption.lower()))


def is_word(token: str) -> bool:
    """Return whether a token is a word or number and no punctuation."""
    return token[0].isalnum()


def join_tokens(tokens: Sequence[str], glued: Sequence[bool]) -> str:
    """Return tokens as a text, with a space before each that is not glued to the one before it."""
    return "".join(
        ("" if stuck or i == 0 else " ") + token for i, (token, stuck) in enumerate(zip(tokens, glued, strict=True))
    )


def _longest_form(tokens: Sequence[str], start: int, lexicon: Lexicon) -> tuple[int, tuple[Entry, ...]]:
    for length in range(min(lexicon.longest, len(tokens) - start), 0, -1):
        form = " ".join(tokens[start : start + length]).lower()
        if form in lexicon.entries:
            return start + length, lexicon.entries[form]
    return start + 1, ()


def _like(old: str, new: str) -> str:
    """Return a text with a capital at its start where the old text has one."""
    return new[:1].upper() + new[1:] if old[:1].isupper() else new


def _fit_article(parts: list[str], following: str) -> None:
    """Turn "a" into "an" and back before a word, so that no negative is recognised by its grammar."""
    if parts and parts[-1].lower() in ("a", "an"):
        parts[-1] = parts[-1][0] + ("n" if following[0].lower() in _VOWELS else "")
