"""The data sets of a configuration that another program runs, by what they are for."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from rs_adapt.audit.foreign.node import Key, Node, Site
from rs_adapt.audit.foreign.overlap import Overlap, Part, overlap
from rs_adapt.audit.foreign.paths import Split, home, home_of_list, related, splits_of, splits_of_folders, words
from rs_adapt.audit.foreign.steps import Step, last_part

Role: TypeAlias = Literal["labelled", "target", "val", "test"]
SIDES: tuple[Role, Role] = ("labelled", "target")
IMAGES: tuple[tuple[Key, ...], ...] = (
    ("data_prefix", "img_path"),
    ("data_prefix", "img"),
    ("data_prefix",),
    ("img_dir",),
    ("img_prefix",),
)
NAMES: tuple[tuple[Key, ...], ...] = (("ann_file",), ("split",))
PLACES = ("data_root", "data_prefix", "img_dir", "img_prefix", "ann_dir", "seg_prefix", "ann_file", "split")


@dataclass(frozen=True, kw_only=True)
class FoundSet:
    """A data set of a configuration.

    Attributes:
        role: What it is for: "labelled" and "target" are trained on, the latter without its labels by name, or by a
            step that loads none.
        key: Its dotted key.
        node: Its settings.
        parts: What it reads; empty where the configuration does not say.
        labels: Where its labels lie; None where that is not stated.
        steps: The steps of its pipeline, those within wrappers too.
    """

    role: Role
    key: str
    node: Node
    parts: tuple[Part, ...] = ()
    labels: Node | None = None
    steps: tuple[Step, ...] = ()

    @property
    def type(self) -> str:
        """The last part of its type."""
        return last_part(self.node.at("type"))

    @property
    def words(self) -> dict[str, str]:
        """Its texts beside its paths, by which a class of its own may choose images, and mmengine's `indices`."""
        skip = ("type", *PLACES)
        texts = {str(key): node.text for key, node in self.node.entries.items() if node.text and key not in skip}
        # Of mmengine: the positions of the images that are taken.
        chosen = self.node.at("indices")
        return texts if chosen is None or chosen.value is None else texts | {"indices": str(chosen.plain())}

    def common(self, other: FoundSet) -> Overlap | None:
        """Return the images that another set reads too; None where there are none, as far as the configuration says."""
        return overlap(self.parts, self.words, other.parts, other.words)

    @property
    def homes(self) -> frozenset[str]:
        """The regions that its images belong to: their folders without the words that name a split."""
        return frozenset(filter(None, (home(part.folder) for part in self.parts)))

    @property
    def listed_homes(self) -> frozenset[str]:
        """The same, told apart further by the names of the lists, such as `urban_train.txt`."""
        named = ((home(part.folder), home_of_list(part.names)) for part in self.parts)
        return frozenset(filter(None, ("/".join(filter(None, pair)) for pair in named)))

    @property
    def shown(self) -> str:
        """What it reads, for people."""
        folders = " + ".join(dict.fromkeys(part.folder for part in self.parts))
        images = folders or f"a {self.type or 'data set'} without a folder"
        names = ", ".join(dict.fromkeys(part.listed for part in self.parts if part.listed))
        return f"{images} ({names})" if names else images

    @property
    def is_source(self) -> bool:
        """Whether its key calls it the source of an adaptation, and not just a set with labels."""
        return bool({"source", "sources", "src"} & set(words(self.key)))

    def says(self, split: Split) -> tuple[Key, ...]:
        """Return the path of the key that says that images of a split are read; empty if none does."""
        lists = [splits_of(posixpath.basename(text)) for key in NAMES for text in texts_of(self.node.at(*key))]
        # A list of the training images may lie beside a folder `trainval` that holds all of them.
        for key in NAMES if any(lists) else (*NAMES, *IMAGES):
            for text in texts_of(self.node.at(*key)):
                # A folder is a split by its whole name; a list of names by a word in its own.
                found = splits_of(posixpath.basename(text)) if key in NAMES else splits_of_folders(text)
                if split in found:
                    return key
        return ()

    def site(self, *path: Key) -> Site:
        """Return the place of a key within the settings, else that of the settings."""
        node = self.node.at(*path)
        return self.node.site if node is None else node.site

    @property
    def place(self) -> Site:
        """The place that says what it reads: that of its settings, or of a later change to one of its paths."""
        places = [node for key in (("data_root",), *IMAGES, *NAMES) if (node := self.node.at(*key)) is not None]
        changed = (node.site for node in places if node.site.changes or node.site.file != self.node.site.file)
        return next(changed, self.node.site)


@dataclass(frozen=True, kw_only=True)
class FoundSets:
    """All data sets of a configuration, by role.

    Attributes:
        all: The sets.
        loaders: Role -> key and node of the loader, or of the part of `data`, that holds its sets.
        unknown: Keys of loaders whose names do not say what they are for; their sets are not in `all`.
    """

    all: tuple[FoundSet, ...]
    loaders: dict[Role, tuple[str, Node]] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()

    def of(self, *roles: Role) -> list[FoundSet]:
        """Return the sets of some roles."""
        return [one for one in self.all if one.role in roles]

    @property
    def scored(self) -> list[FoundSet]:
        """The sets that a score is reported on: those of the test, else those of the validation."""
        return self.of("test") or self.of("val")

    @property
    def setting(self) -> Literal["da", "dg", "ss"]:
        """`da` with a set of the target in training; `dg` where regions are trained on and others scored; else `ss`."""
        if self.of("target"):
            return "da"
        trained = self._homes("labelled")
        elsewhere = any(one.homes and not related(one.homes, trained) for one in self.scored)
        return "dg" if trained and elsewhere else "ss"

    def of_target(self, found: FoundSet) -> bool:
        """Return whether a scored set belongs to another region than those with labels in training."""
        if self.setting == "ss" or not found.homes:
            return False
        if not related(found.homes, self._homes("labelled")):
            return True
        # One folder may hold both regions, and lists tell them apart.
        homes = found.listed_homes
        if self.setting != "da" or homes == found.homes:
            return False
        return related(homes, self.listed_homes("target")) and not related(homes, self.listed_homes("labelled"))

    def of_either(self, found: FoundSet) -> bool:
        """Return whether a scored set may be of the source or of the target: both lie where it does."""
        if self.setting != "da" or self.of_target(found):
            return False
        sides = [self.listed_homes(role) for role in SIDES]
        apart = all(sides) and not sides[0] & sides[1]
        return apart and all(related(found.listed_homes, side) for side in sides)

    def listed_homes(self, role: Role) -> set[str]:
        """Return the regions of the sets of a role, told apart by lists too."""
        return {home for one in self.of(role) for home in one.listed_homes}

    def _homes(self, role: Role) -> set[str]:
        return {home for one in self.of(role) for home in one.homes}


def texts_of(node: Node | None) -> list[str]:
    """Return a text, or the texts in a list."""
    if node is None:
        return []
    return [item.text for item in node.items if item.text] if node.items else [node.text] if node.text else []
