"""The data sets of a configuration that another program runs: what trains, what is scored, and what files they read.

Keys are those of mmsegmentation and mmdetection, with mmengine (`train_dataloader.dataset`, `data_prefix`) and before
(`data.train`, `img_dir`), and of programs built on them, which hold a source and a target in one data set.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

from rs_adapt.audit.foreign.found import IMAGES, NAMES, SIDES, FoundSet, FoundSets, Role, texts_of
from rs_adapt.audit.foreign.node import Key, Node
from rs_adapt.audit.foreign.overlap import Part
from rs_adapt.audit.foreign.paths import words
from rs_adapt.audit.foreign.steps import Step, steps_of

# Words of keys that say what a set is for.
_TARGET = {"target", "targets", "tgt", "tgts", "trg", "trgs"}
_WITHOUT_LABELS = {"unlabeled", "unlabelled", "unlab", "ulb", "unsup", "unsupervised"}
_WITH_LABELS = {"source", "sources", "src", "labeled", "labelled", "lab", "sup", "supervised", "train", "training"}
_VAL = {"val", "valid", "validation"}
_TEST = {"test", "testing", "eval", "evaluation", "infer", "inference", "pred", "predict", "prediction", "submit"}
_LABEL_WORDS = {"seg", "ann", "anns", "label", "labels", "mask", "masks", "gt", "depth"}
# A wrapper around other sets states none of these.
_OWN_PLACES = ("data_prefix", "img_dir", "img_prefix")
_NO_SETS = ("metainfo", "data_prefix", "sampler", "batch_sampler", "collate_fn", "transforms")
# The last word of a key under which a data set is expected even if it states none of the usual places.
_SET_WORDS = {"dataset", "datasets", "data"} | _TARGET | _WITHOUT_LABELS | _WITH_LABELS | _VAL | _TEST
# The name of a pipeline, and its steps.
Scoped: TypeAlias = tuple[str, list[Step]]


def find_sets(root: Node) -> FoundSets:
    """Return the data sets that a configuration trains on and scores."""
    loaders: dict[Role, tuple[str, Node]] = {}
    sets: list[FoundSet] = []
    unknown: list[str] = []
    data = root.at("data")
    tops = [(str(key), node) for key, node in root.entries.items() if "dataloader" in str(key)]
    tops += [(f"data.{key}", node) for key, node in (data.entries if data else {}).items()]
    validates = any(_VAL & set(words(key)) for key, _ in tops)
    for key, node in tops:
        role = _role(key, validates)
        found = list(_within(node, key, role or "labelled", None, ()))
        if found and role is None:
            unknown.append(key)
        elif found and role is not None:
            loaders.setdefault(role, (key, node))
            sets += found
    return FoundSets(all=tuple(sets), loaders=loaders, unknown=tuple(unknown))


def _role(key: str, validates: bool) -> Role | None:
    """Return what the sets below a top-level key are for; None where its name does not say."""
    names = set(words(key))
    if names & _VAL:
        return "val"
    if names & _TEST:
        # A loader of that name beside the validation is a second look at the test.
        return "test" if validates or names & {"test", "testing"} else "val"
    if _is_target(key):
        return "target"
    plain = names <= {"data", "dataloader", "dataloaders", "loader"}
    return "labelled" if plain or names & _WITH_LABELS else None


def _is_target(key: str) -> bool:
    names = words(key)
    return bool((_TARGET | _WITHOUT_LABELS) & set(names)) or any(name.startswith("unsup") for name in names)


def _inner_role(name: str, siblings: Iterable[str], role: Role) -> Role:
    """Return the role of a set within a set, by its key and those beside it: `dataset_t` beside `dataset_s`."""
    if role != "labelled":
        return role
    *first, last = words(name) or [""]
    pair = last == "t" and any(words(other) == [*first, "s"] for other in siblings)
    return "target" if pair or _is_target(name) else role


def _within(node: Node, key: str, role: Role, root: str | None, outer: Sequence[Scoped]) -> Iterator[FoundSet]:
    """Yield the data sets in a data set that may wrap others; `outer` are the steps of the wrappers around it."""
    if node.items:
        for place, item in enumerate(node.items):
            yield from _within(item, f"{key}.{place}", role, root, outer)
        return
    pipelines = [(str(name), child) for name, child in node.entries.items() if "pipeline" in words(str(name))]
    scoped = [*((name, list(steps_of(child, f"{key}.{name}"))) for name, child in pipelines), *outer]
    own_root = node.at("data_root")
    inner = [
        found
        for name, child in ({} if any(place in node.entries for place in _OWN_PLACES) else node.entries).items()
        if name not in _NO_SETS and "pipeline" not in words(str(name)) and _holds_dicts(child)
        for found in _within(
            child,
            f"{key}.{name}",
            _inner_role(str(name), map(str, node.entries), role),
            root if own_root is None else own_root.text or root,
            scoped,
        )
    ]
    if inner:
        yield from inner
    elif node.at("type") is not None and (_names_a_set(key) or any(place in node.entries for place in _OWN_PLACES)):
        steps = tuple(step for name, found in scoped if _concerns(name, role) for step in found)
        empty = role == "labelled" and any(step.loads_no_labels for step in steps)
        yield FoundSet(
            role="target" if empty else role,
            key=key,
            node=node,
            parts=_parts(node, root),
            labels=_labels(node),
            steps=steps,
        )


def _names_a_set(key: str) -> bool:
    parts = [part for part in key.split(".") if not part.isdecimal()]
    names = [word for word in words(parts[-1]) if not word.isdecimal()] if parts else []
    return bool(names) and (names[-1] in _SET_WORDS or (names[0] == "dataset" and len(names[-1]) == 1))


def _holds_dicts(node: Node) -> bool:
    return bool(node.entries) or any(item.entries for item in node.items)


def _concerns(pipeline: str, role: Role) -> bool:
    """Return whether a pipeline of a wrapper is one of a set's: `target_pipeline` is not one of the source."""
    if role not in SIDES:
        return True
    if _is_target(pipeline):
        return role == "target"
    return role == "labelled" or not (_WITH_LABELS - {"train", "training"}) & set(words(pipeline))


def _parts(node: Node, outer_root: str | None) -> tuple[Part, ...]:
    roots = texts_of(node.at("data_root")) or ([outer_root] if outer_root else [""])
    stated = next((texts for key in IMAGES if (texts := texts_of(node.at(*key)))), _other_images(node))
    lists = [text for key in NAMES for text in texts_of(node.at(*key))]
    parts = []
    for base in roots:
        folders = [_joined(base, path) for path in stated or [""]]
        names = [(posixpath.normpath(_joined(base, text)), text) for text in lists] or [("", "")]
        # Lists of one length belong together one by one, as mmsegmentation pairs them.
        paired = len(folders) == len(names) > 1
        pairs = zip(folders, names, strict=True) if paired else ((one, name) for one in folders for name in names)
        parts += [
            Part(folder=posixpath.normpath(folder), names=name, listed=listed, stated=bool(stated))
            for folder, (name, listed) in pairs
            if folder
        ]
    return tuple(parts)


def _joined(root: str, path: str) -> str:
    # Some write the data root into the path as well.
    return path if root and path.startswith(f"{root.rstrip('/')}/") else posixpath.join(root, path)


def _other_images(node: Node) -> list[str]:
    """Return the folders of images under other names than mmsegmentation's, such as two for changes over time."""
    prefix = node.at("data_prefix")
    named = prefix.entries.items() if prefix else ()
    return [text for key, child in named if not _LABEL_WORDS & set(words(str(key))) for text in texts_of(child)]


def _labels(node: Node) -> Node | None:
    places: tuple[tuple[Key, ...], ...] = (
        ("data_prefix", "seg_map_path"),
        ("data_prefix", "seg"),
        ("ann_dir",),
        ("seg_prefix",),
    )
    return next((found for place in places if (found := node.at(*place)) is not None and found.text), None)
