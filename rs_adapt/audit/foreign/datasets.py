"""The data sets of a configuration that another program runs: what trains, what is scored, and what files they read.

Keys are those of mmsegmentation and mmdetection, with mmengine (`train_dataloader.dataset`, `data_prefix`) and before
(`data.train`, `img_dir`), and of programs built on them, which hold a source and a target in one data set.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from rs_adapt.audit.foreign.node import Key, Node, Site

Role = Literal["labelled", "target", "val", "test"]
# Names of the set whose labels adaptation, or training with few labels, does not have.
_TARGET = re.compile(r"(?:^|_)(?:target|tgt|trg|unlabell?ed|unlab|unsup\w*|ulb)(?:_|$)")
_PLACES = ("data_root", "data_prefix", "img_dir", "img_prefix", "ann_dir", "seg_prefix", "ann_file", "split")
_IMAGES: tuple[tuple[Key, ...], ...] = (
    ("data_prefix", "img_path"),
    ("data_prefix", "img"),
    ("img_dir",),
    ("img_prefix",),
)
_NAMES: tuple[tuple[Key, ...], ...] = (("ann_file",), ("split",))
_NO_SETS = ("pipeline", "metainfo", "data_prefix", "sampler", "batch_sampler", "collate_fn", "transforms")
# Words of a path that name a split or a kind of file, not a region.
_TRAIN_WORDS = {"train", "training"}
_VAL_WORDS = {"val", "valid", "validation", "trainval"}
_KIND_WORDS = {"test", "testing", "dir", "ann", "anns", "annotation", "annotations", "label", "labels", "mask", "masks"}
_KIND_WORDS |= {"img", "imgs", "image", "images", "png", "jpg", "tif", "gt"}
_NO_REGION = _TRAIN_WORDS | _VAL_WORDS | _KIND_WORDS
# Keys under which a data set is expected even if it states none of the usual places.
_SET_KEY = re.compile(r"(?:^|[._])(?:datasets?|train|val|test|source|src|target|tgt|labell?ed|unlabell?ed)(?:\.\d+)*$")


@dataclass(frozen=True, kw_only=True)
class Step:
    """A step of a pipeline: the last part of its type, its settings, and its dotted key."""

    name: str
    node: Node
    key: str

    @property
    def loads_no_labels(self) -> bool:
        """Whether it stands where labels are loaded and loads none, as mmdetection's `LoadEmptyAnnotations`."""
        return self.name.startswith("LoadEmpty")


@dataclass(frozen=True, kw_only=True)
class FoundSet:
    """A data set of a configuration.

    Attributes:
        role: What it is for: "labelled" and "target" are trained on, the latter without its labels by name, or by a
            step that loads none.
        key: Its dotted key.
        node: Its settings.
        images: Paths of its images, as the configuration spells them, below its data root.
        names: The lists of names that select some of the images; empty without one.
        labels: Where its labels lie; None where that is not stated.
        steps: The steps of its pipeline, those within wrappers too.
    """

    role: Role
    key: str
    node: Node
    images: tuple[str, ...]
    names: tuple[str, ...] = ()
    labels: Node | None = None
    steps: tuple[Step, ...] = ()

    @property
    def type(self) -> str:
        """The last part of its type."""
        return last_part(self.node.at("type"))

    @property
    def identity(self) -> tuple[object, ...] | None:
        """What it reads, for comparison; None where the configuration does not state it."""
        if not self.images:
            return None
        # A class of its own may choose the split by a word.
        skip = ("type", "data_root", *_PLACES)
        words = {key: node.text for key, node in self.node.entries.items() if node.text and key not in skip}
        endings = {key: text for key, text in words.items() if "suffix" not in str(key)}
        return tuple(sorted(self.images)), tuple(sorted(self.names)), *sorted(map(str, endings.items()))

    @property
    def homes(self) -> frozenset[str]:
        """The regions that its images belong to: their folders without the words that name a split."""
        return frozenset(filter(None, map(_home, self.images)))

    @property
    def shown(self) -> str:
        """What it reads, for people."""
        images = " + ".join(self.images) or f"a {self.type or 'data set'} without a folder"
        return f"{images} ({', '.join(self.names)})" if self.names else images

    @property
    def reads_val(self) -> tuple[Key, ...]:
        """The path of the key that says that images of a validation split are read; empty if none does."""
        for key in (*_NAMES, *_IMAGES):
            for text in _texts(self.node.at(*key)):
                # A folder is a validation split by its whole name; a list of names by a word in its own.
                words = _words(posixpath.basename(text)) if key in _NAMES else _folders(text)
                if _VAL_WORDS & set(words):
                    return key
        return ()

    def site(self, *path: Key) -> Site:
        """Return the place of a key within the settings, else that of the settings."""
        node = self.node.at(*path)
        return self.node.site if node is None else node.site


@dataclass(frozen=True, kw_only=True)
class FoundSets:
    """All data sets of a configuration, by role.

    Attributes:
        all: The sets.
        loaders: Role -> key and node of the loader, or of the part of `data`, that holds its sets.
    """

    all: tuple[FoundSet, ...]
    loaders: dict[Role, tuple[str, Node]] = field(default_factory=dict)

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
        trained = {home for one in self.of("labelled") for home in one.homes}
        scored = {home for one in self.scored for home in one.homes}
        return "dg" if trained and scored and not trained & scored else "ss"

    def of_target(self, found: FoundSet) -> bool:
        """Return whether a scored set belongs to another region than those with labels in training."""
        trained = {home for one in self.of("labelled") for home in one.homes}
        return self.setting != "ss" and bool(found.homes) and not found.homes & trained


def find_sets(root: Node) -> FoundSets:
    """Return the data sets that a configuration trains on and scores."""
    loaders: dict[Role, tuple[str, Node]] = {}
    sets: list[FoundSet] = []
    data = root.at("data")
    tops = [(str(key), node) for key, node in root.entries.items() if "dataloader" in str(key)]
    tops += [(f"data.{key}", node) for key, node in (data.entries if data else {}).items()]
    for key, node in tops:
        role = _role(key)
        if found := list(_within(node, key, role, None, ())):
            loaders.setdefault(role, (key, node))
            sets += found
    return FoundSets(all=tuple(sets), loaders=loaders)


def last_part(node: Node | None) -> str:
    """Return the last part of a dotted name, such as a type; empty without a text."""
    return "" if node is None else node.text.rpartition(".")[2]


def steps_of(pipeline: Node | None, key: str) -> Iterator[Step]:
    """Yield the steps of a pipeline, and those within steps that hold a pipeline of their own."""
    for place, node in enumerate(pipeline.items if pipeline else ()):
        where = f"{key}.{place}"
        if node.items:
            # `TestTimeAug` holds lists of steps, of which each is a branch.
            yield from steps_of(node, where)
        elif node.entries:
            yield Step(name=last_part(node.at("type")), node=node, key=where)
            for name in ("transforms", "pipeline"):
                yield from steps_of(node.at(name), f"{where}.{name}")


def _role(key: str) -> Role:
    words = key.removeprefix("data.")
    if re.search(r"(?:^|_)val(?:_|$|idation)", words):
        return "val"
    if re.search(r"(?:^|_)test(?:_|$)", words):
        return "test"
    return "target" if _TARGET.search(words) else "labelled"


def _within(node: Node, key: str, role: Role, root: str | None, outer: Sequence[Step]) -> Iterator[FoundSet]:
    """Yield the data sets in a data set that may wrap others; `outer` are the steps of the wrappers around it."""
    if node.items:
        for place, item in enumerate(node.items):
            yield from _within(item, f"{key}.{place}", role, root, outer)
        return
    steps = [*steps_of(node.at("pipeline"), f"{key}.pipeline"), *outer]
    own_root = node.at("data_root")
    inner = [
        found
        for name, child in node.entries.items()
        if name not in _NO_SETS and (child.entries or any(item.entries for item in child.items))
        for found in _within(
            child,
            f"{key}.{name}",
            "target" if role == "labelled" and _TARGET.search(str(name)) else role,
            root if own_root is None else own_root.text or root,
            steps,
        )
    ]
    if inner:
        yield from inner
    elif node.at("type") is not None and (_SET_KEY.search(key) or any(name in node.entries for name in _PLACES)):
        empty = role == "labelled" and any(step.loads_no_labels for step in steps)
        yield FoundSet(
            role="target" if empty else role,
            key=key,
            node=node,
            images=_images(node, root),
            names=_names(node),
            labels=_labels(node),
            steps=tuple(steps),
        )


def _images(node: Node, outer_root: str | None) -> tuple[str, ...]:
    roots = _texts(node.at("data_root")) or ([outer_root] if outer_root else [""])
    inner = next((texts for key in _IMAGES if (texts := _texts(node.at(*key)))), [""])
    return tuple(posixpath.normpath(text) for root in roots for path in inner if (text := posixpath.join(root, path)))


def _names(node: Node) -> tuple[str, ...]:
    return tuple(text for key in _NAMES for text in _texts(node.at(*key)))


def _labels(node: Node) -> Node | None:
    places: tuple[tuple[Key, ...], ...] = (
        ("data_prefix", "seg_map_path"),
        ("data_prefix", "seg"),
        ("ann_dir",),
        ("seg_prefix",),
    )
    return next((found for place in places if (found := node.at(*place)) is not None and found.text), None)


def _home(path: str) -> str:
    parts = ("_".join(word for word in _words(part) if word not in _NO_REGION) for part in path.split("/"))
    return "/".join(part for part in parts if part)


def _folders(path: str) -> list[str]:
    """Return the folders of a path that are named as a split, in one word each: `train_val` is `trainval`."""
    return ["".join(words) for part in path.split("/") if (words := _words(part))]


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z]+", text.lower())


def _texts(node: Node | None) -> list[str]:
    if node is None:
        return []
    return [item.text for item in node.items] if node.items else [node.text] if node.text else []
