"""The words of negatives: nouns and adjectives in groups whose words exclude each other. Loads no torch."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rs_adapt.documents import read_toml
from rs_adapt.errors import ConfigError

Kind = Literal["noun", "adjective"]
_SHIPPED = Path(__file__).with_name("lexicon.toml")
_WORD = re.compile(r"[a-z][a-z -]*")
_TABLES = ("adjectives", "nouns", "plurals", "words")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A word of the lexicon, in the form in which a caption has it.

    Attributes:
        text: The form, in lower case; nouns may have several words.
        kind: Noun or adjective.
        group: Its group.
        plural: Whether it is the plural of a noun.
    """

    text: str
    kind: Kind
    group: str
    plural: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class Lexicon:
    """Words by form, and the words that a word can be replaced with.

    Attributes:
        entries: By form; a form in several groups (an orange, an orange boat) has an entry of each.
        symmetric: Words between two things that leave their order open.
        counting: Groups of adjectives that count.
        longest: Words of the longest form.
    """

    entries: Mapping[str, tuple[Entry, ...]]
    symmetric: frozenset[str]
    counting: frozenset[str]
    longest: int

    def others(self, entry: Entry) -> tuple[str, ...]:
        """Return the other words of an entry's group in the same number, in the order of the lexicon."""
        same = (
            other.text
            for forms in self.entries.values()
            for other in forms
            if (other.kind, other.group, other.plural) == (entry.kind, entry.group, entry.plural)
        )
        return tuple(text for text in same if text != entry.text)


def read_lexicon(path: Path | None = None) -> Lexicon:
    """Return the lexicon of a TOML file.

    Args:
        path: A file with the tables `adjectives` and `nouns` (groups: lists of words in lower case), `plurals`
            (irregular ones) and `words` (`symmetric`, `counting`); None for that of the package,
            `rs_adapt/datasets/captions/lexicon.toml`.

    Raises:
        ConfigError: The file is missing or damaged, or a table, group or word is not usable.
    """
    return _read(_SHIPPED if path is None else path)


@functools.lru_cache(maxsize=8)
def _read(path: Path) -> Lexicon:
    try:
        content = read_toml(path, error=ConfigError)
    except FileNotFoundError as failure:
        raise ConfigError(
            f"There is no lexicon {path}: name a TOML file with the tables {', '.join(_TABLES)}."
        ) from failure
    if unknown := sorted(content.keys() - set(_TABLES)):
        raise ConfigError(f"{path}: table {unknown[0]!r} is unknown. Allowed: {', '.join(_TABLES)}.")
    plurals = content.get("plurals", {})
    if not isinstance(plurals, dict) or not all(isinstance(value, str) for value in plurals.values()):
        raise ConfigError(f'{path}: plurals must have a word for each word, such as man = "men".')
    entries: dict[str, list[Entry]] = {}
    for group, words in _groups(path, content, "adjectives").items():
        for word in words:
            entries.setdefault(word, []).append(Entry(text=word, kind="adjective", group=group))
    for group, words in _groups(path, content, "nouns").items():
        for word in words:
            many = plurals.get(word) or _plural(word)
            entries.setdefault(word, []).append(Entry(text=word, kind="noun", group=group))
            if many != word:
                entries.setdefault(many, []).append(Entry(text=many, kind="noun", group=group, plural=True))
    special = _groups(path, content, "words")
    return Lexicon(
        entries={form: tuple(found) for form, found in entries.items()},
        symmetric=frozenset(special.get("symmetric", ())),
        counting=frozenset(special.get("counting", ())),
        longest=max((len(form.split()) for form in entries), default=1),
    )


def _groups(path: Path, content: Mapping[str, object], table: str) -> dict[str, list[str]]:
    groups = content.get(table, {})
    if not isinstance(groups, dict):
        raise ConfigError(f"{path}: {table} must be a table of groups, each a list of words.")
    for name, words in groups.items():
        if not isinstance(words, list) or not all(isinstance(word, str) and _WORD.fullmatch(word) for word in words):
            raise ConfigError(f"{path}: {table}.{name} must be a list of words in lower case, a to z.")
        if len(set(words)) < len(words):
            raise ConfigError(f"{path}: a word stands twice in {table}.{name}.")
    return groups


def _plural(word: str) -> str:
    if word.endswith("y") and word[-2:-1] not in "aeiou":
        return f"{word[:-1]}ies"
    return f"{word}es" if word.endswith(("s", "x", "z", "ch", "sh")) else f"{word}s"
