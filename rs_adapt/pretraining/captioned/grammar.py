"""Captions by a grammar: every sentence is made of claims that are true of its tile.

Attributes and objects that training leaves out (`held_out`) are never named.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from rs_adapt.pretraining.captioned.facts import SeenObject, TileFacts, touches
from rs_adapt.pretraining.captioned.held_out import HELD_OUT_KINDS, HELD_OUT_PAIRS
from rs_adapt.pretraining.captioned.objects import KINDS
from rs_adapt.pretraining.captioned.relations import in_place, lies_between, related
from rs_adapt.pretraining.captioned.words import (
    COVER_PHRASES,
    DENSE,
    DENSE_TREES,
    KIND_WORDS,
    NUMBERS,
    PLACES,
    RELATIONS,
    SEASON_WORDS,
    SPARSE,
    TEMPLATES,
    plural,
    singular,
)

# Shares of a tile from which a cover is named as its main one, as one of it, and as some.
MOSTLY, MUCH, SOME = 0.55, 0.3, 0.07
FOREST = 0.4
_ALL_BUILDINGS = ("house", "warehouse", "building")
# Scenes hold cars, and water that could be a pond, which no map of objects has.
UNCOUNTED = frozenset({"car", "pond", "solar panels", "building"})


@dataclass(frozen=True)
class Described:
    """An object in words: kind, colour, size and roof where they are said (else empty), and the noun for the kind."""

    kind: str
    colour: str = ""
    size: str = ""
    roof: str = ""
    noun: str = ""

    def fits(self, seen: SeenObject) -> bool:
        """Return whether an object is described by these words."""
        return self.kind == seen.kind and all(
            not word or word == of
            for word, of in ((self.colour, seen.colour), (self.size, seen.size), (self.roof, seen.roof))
        )

    def words(self, *, number: int = 1) -> str:
        """Return the words, with an article for one object and a number for several."""
        adjectives = " ".join(word for word in (self.size, self.colour) if word)
        noun = f"{adjectives} {self.noun or self.kind}".strip()
        text = singular(noun) if number == 1 else f"{NUMBERS[number]} {plural(noun)}"
        return f"{text} with a {self.roof} roof" if self.roof else text


@dataclass(frozen=True)
class Claim:
    """One thing that a caption says.

    Attributes:
        says: "cover", "forest", "exists", "count", "buildings", a relation, "between", "beside", a place, or "season".
        of: Objects in words, in the order of the sentence.
        value: The phrase of a cover, the season, or a number in digits; empty where objects say all.
        share: Least share of the tile, for covers.
    """

    says: str
    of: tuple[Described, ...] = ()
    value: str = ""
    share: float = 0.0


@dataclass(frozen=True)
class Caption:
    """A sentence, and what it says."""

    text: str
    claims: tuple[Claim, ...]


Phrase = tuple[str, Claim]


def write_caption(rng: np.random.Generator, facts: TileFacts) -> Caption:
    """Write a caption of one to three phrases that are true of a tile."""
    covers, objects = _cover_phrases(rng, facts), _object_phrases(rng, facts)
    phrases = [covers[0]]
    if objects:
        about = [objects[int(i)] for i in rng.permutation(len(objects))[: 1 + int(rng.random() < 0.25)]]
        phrases = [*about, covers[0]] if rng.random() < 0.5 else about
    if len(covers) > 1 and rng.random() < 0.35:
        phrases.append(covers[1])
    *first, last = [words for words, _ in phrases]
    text = ", ".join(first) + str(rng.choice([" and ", " with "])) + last if first else last
    claims = tuple(claim for _, claim in phrases)
    if rng.random() < 0.3:
        text += f" {rng.choice(SEASON_WORDS[facts.season])}"
        claims = (*claims, Claim("season", value=facts.season))
    return Caption(str(rng.choice(TEMPLATES)).replace("{}", text), claims)


def cover_share(facts: TileFacts, phrase: str) -> float:
    """Return the share of a tile, 0 to 1, that a phrase of `COVER_PHRASES` stands for."""
    return sum(facts.shares.get(cover, 0.0) for cover in COVER_PHRASES[phrase])


def _cover_phrases(rng: np.random.Generator, facts: TileFacts) -> list[Phrase]:
    """Return the main cover, and a second one if there is any."""
    shares = {phrase: cover_share(facts, phrase) for phrase in COVER_PHRASES}
    most = max(shares.values())
    main = str(rng.choice([phrase for phrase, share in shares.items() if share >= min(MUCH, most)]))
    found = [_cover(rng, main, shares[main])]
    if COVER_PHRASES[main] == {"trees"} and shares[main] >= FOREST and rng.random() < 0.5:
        found = [(str(rng.choice(DENSE_TREES)), Claim("forest", share=FOREST))]
    others = [
        phrase
        for phrase, share in shares.items()
        if share >= SOME and not COVER_PHRASES[phrase] & COVER_PHRASES[main] and not phrase.startswith("a ")
    ]
    if others:
        second = str(rng.choice(others))
        found.append((f"{rng.choice(['some ', ''])}{second}", Claim("cover", value=second, share=SOME)))
    return found


def _cover(rng: np.random.Generator, phrase: str, share: float) -> Phrase:
    if share >= MOSTLY and rng.random() < 0.3 and not phrase.startswith("a "):
        return f"mostly {phrase}", Claim("cover", value=phrase, share=MOSTLY)
    return phrase, Claim("cover", value=phrase, share=min(share, MUCH))


def _object_phrases(rng: np.random.Generator, facts: TileFacts) -> list[Phrase]:
    """Return phrases about objects, of every sort that the tile allows."""
    named = [seen for seen in facts.objects if seen.kind != "building" and seen.kind not in HELD_OUT_KINDS]
    found: list[Phrase] = []
    sorts: tuple[Callable[[np.random.Generator, TileFacts, Sequence[SeenObject]], Phrase | None], ...] = (
        _existence,
        _count,
        _buildings,
        _relation,
        _relation,
        _between,
        _beside,
        _place,
    )
    for sort in sorts:
        phrase = sort(rng, facts, named)
        if phrase is not None:
            found.append(phrase)
    return found


def describe(rng: np.random.Generator, seen: SeenObject) -> Described:
    """Describe an object with some of its attributes; those that are held out with its kind are left out."""
    colour = seen.colour if KINDS[seen.kind].colours else ""
    said = {
        name: word if word and (word, seen.kind) not in HELD_OUT_PAIRS and rng.random() < often else ""
        for name, word, often in (("colour", colour, 0.7), ("size", seen.size, 0.4), ("roof", seen.roof, 0.2))
    }
    return Described(seen.kind, noun=_noun(rng, seen.kind), **said)


def _noun(rng: np.random.Generator, kind: str) -> str:
    return kind if rng.random() < 0.6 else str(rng.choice(KIND_WORDS[kind]))


def _existence(rng: np.random.Generator, facts: TileFacts, named: Sequence[SeenObject]) -> Phrase | None:
    if not named:
        return None
    described = describe(rng, named[int(rng.integers(len(named)))])
    return described.words(), Claim("exists", (described,))


def _count(rng: np.random.Generator, facts: TileFacts, named: Sequence[SeenObject]) -> Phrase | None:
    kinds = sorted({seen.kind for seen in named} - UNCOUNTED - facts.uncountable)
    if not kinds:
        return None
    kind = str(rng.choice(kinds))
    all_of = [seen for seen in named if seen.kind == kind]
    colour = all_of[int(rng.integers(len(all_of)))].colour
    if (
        rng.random() < 0.5
        or not KINDS[kind].colours
        or not all(seen.colour for seen in all_of)
        or (colour, kind) in HELD_OUT_PAIRS
    ):
        colour = ""
    described = Described(kind, colour, noun=_noun(rng, kind))
    number = sum(described.fits(seen) for seen in all_of)
    if number not in NUMBERS:
        return None
    text = f"one {described.words()[2:]}" if number == 1 else described.words(number=number)
    return text, Claim("count", (described,), value=str(number))


def _buildings(rng: np.random.Generator, facts: TileFacts, named: Sequence[SeenObject]) -> Phrase | None:
    del named
    number = sum(seen.kind in _ALL_BUILDINGS for seen in facts.objects)
    if facts.uncountable & set(_ALL_BUILDINGS) or not number:
        return None
    words = []
    if number in NUMBERS:
        words.append("one building" if number == 1 else f"{NUMBERS[number]} buildings")
    if SPARSE[0] <= number <= SPARSE[1]:
        words += ["few buildings", "sparse buildings"]
    if number >= DENSE:
        words += ["many buildings", "dense buildings"]
    return str(rng.choice(words)), Claim("buildings", value=str(number))


def _relation(rng: np.random.Generator, facts: TileFacts, named: Sequence[SeenObject]) -> Phrase | None:
    pairs = [(a, b) for a, b in permutations(named, 2) if a.kind != b.kind or (a.colour != b.colour)]
    if not pairs:
        return None
    one, other = pairs[int(rng.integers(len(pairs)))]
    true = [relation for relation in RELATIONS if related(facts, relation, one, other)]
    if not true:
        return None
    relation = str(rng.choice(true))
    pair = describe(rng, one), describe(rng, other)
    return f"{pair[0].words()} {relation} {pair[1].words()}", Claim(relation, pair)


def _between(rng: np.random.Generator, facts: TileFacts, named: Sequence[SeenObject]) -> Phrase | None:
    del facts
    if not 3 <= len(named) <= 6:
        return None
    triples = [(a, b, c) for a, b, c in permutations(named, 3) if lies_between(a, b, c)]
    if not triples:
        return None
    one, middle, other = (describe(rng, seen) for seen in triples[int(rng.integers(len(triples)))])
    return f"{middle.words()} between {one.words()} and {other.words()}", Claim("between", (middle, one, other))


def _beside(rng: np.random.Generator, facts: TileFacts, named: Sequence[SeenObject]) -> Phrase | None:
    covers = [cover for cover in ("road", "water", "trees") if facts.shares.get(cover, 0) >= SOME / 2]
    if not named or not covers:
        return None
    seen, cover = named[int(rng.integers(len(named)))], str(rng.choice(covers))
    if not touches(facts.object_HW == seen.number, facts.cover_mask(cover) & (facts.object_HW == 0), 3):
        return None
    described, phrase = describe(rng, seen), "a road" if cover == "road" else cover
    return f"{described.words()} beside {phrase}", Claim("beside", (described,), value=cover)


def _place(rng: np.random.Generator, facts: TileFacts, named: Sequence[SeenObject]) -> Phrase | None:
    del facts
    if not named:
        return None
    seen = named[int(rng.integers(len(named)))]
    places = [place for place in PLACES if in_place(seen, place)]
    if not places:
        return None
    seen_as, place = describe(rng, seen), str(rng.choice(places))
    return f"{seen_as.words()} {place}", Claim(place, (seen_as,))
