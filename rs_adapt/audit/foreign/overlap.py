"""What two data sets of a configuration both read: folders, and lists of names that select images of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rs_adapt.audit.foreign.paths import inside, splits_of, words

# Texts beside a set's paths that choose no images.
_CHOOSE_NOTHING = set("name names serialize backend suffix log title description desc tag note color colour".split())
_CHOOSE_NOTHING |= set("interpolation cache client style key keys dtype format".split())


@dataclass(frozen=True, kw_only=True)
class Part:
    """Images that a data set reads: a folder, or those of it that a list names.

    Attributes:
        folder: The folder, with the data root.
        names: The list, with the data root; empty where the whole folder is read.
        listed: The list as the configuration spells it.
        stated: Whether the configuration names the folder of images, and not the data root alone.
    """

    folder: str
    names: str = ""
    listed: str = ""
    stated: bool = True

    @property
    def shown(self) -> str:
        """The folder and the list, for people."""
        return f"{self.folder} ({self.listed})" if self.listed else self.folder

    def common(self, other: Part) -> Part | None:
        """Return the smaller of two parts where one lies in the other, None where neither is known to."""
        if self.folder == other.folder and self.names == other.names:
            return self
        if not (self.stated and other.stated):
            # Below a data root, the class of a set finds its folders by itself.
            return None
        if not other.names and (self.folder == other.folder or inside(self.folder, other.folder)):
            return self
        if not self.names and (self.folder == other.folder or inside(other.folder, self.folder)):
            return other
        return None


@dataclass(frozen=True, kw_only=True)
class Overlap:
    """Images that two data sets both read.

    Attributes:
        parts: The folders and lists, as either set states the smaller one.
        whole: Whether they are all that the first set reads.
        doubt: Keys that one of the two states and that may choose among the images; empty where nothing is in doubt.
    """

    parts: tuple[Part, ...]
    whole: bool
    doubt: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """The folders and lists, for people."""
        return " + ".join(dict.fromkeys(part.shown for part in self.parts))


def overlap(
    first: Sequence[Part], first_words: Mapping[str, str], second: Sequence[Part], second_words: Mapping[str, str]
) -> Overlap | None:
    """Return what two sets both read; None where they read nothing in common, as far as the configuration says.

    Args:
        first: Parts of the one set.
        first_words: Its other texts by key, by which its class may choose images.
        second: Parts of the other set.
        second_words: Its other texts.
    """
    doubt = []
    for key in sorted(first_words.keys() | second_words.keys()):
        one, other = first_words.get(key), second_words.get(key)
        if one == other or _CHOOSE_NOTHING & set(words(key)):
            continue
        if (one is not None and other is not None) or splits_of(one or other or ""):
            return None
        doubt.append(key)
    touched = [[common for other in second if (common := part.common(other)) is not None] for part in first]
    parts = tuple(dict.fromkeys(common for found in touched for common in found))
    whole = all(any(common == part for common in found) for part, found in zip(first, touched, strict=True))
    return Overlap(parts=parts, whole=whole, doubt=tuple(doubt)) if parts else None
