"""Rules on configurations of other programs: classes of data sets and heads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from rs_adapt.audit.foreign.found import FoundSet
from rs_adapt.audit.lint.finding import Hit, Level
from rs_adapt.audit.lint.foreign_subject import ForeignSubject
from rs_adapt.datasets.manifest import load_manifest

# Heads that score classes; a proposal scores none, and the number of classes of a backbone is that of its pretraining.
_HEAD = re.compile(r"[.](?!rpn_)\w*head[.]")
# Data sets of mmsegmentation that list their classes themselves, by the manifest that has the same.
_MANIFESTS = {
    "LoveDADataset": "loveda",
    "PotsdamDataset": "potsdam",
    "ISPRSDataset": "vaihingen",
    "iSAIDDataset": "isaid",
}
# Of these, the ones whose labels begin with 1.
_FROM_ONE = {"LoveDADataset", "PotsdamDataset", "ISPRSDataset"}
_SHIFTED = "Label values and class list do not line up, so pixels count for the wrong class or are wrongly ignored."


def class_list(subject: ForeignSubject) -> Iterator[Hit]:
    """Class names, order, colours or number that differ between data sets and heads."""
    written = [(found, classes) for found in subject.sets.all if (classes := _listed(found, "classes"))]
    for found, classes in written:
        palette = _listed(found, "palette")
        if palette and len(palette) != len(classes):
            yield _hit(
                found,
                "palette",
                f"{len(palette)} colours for {len(classes)} classes",
                "A class has no colour of its own, or there is one too many.",
                "Give one colour for each class, in the order of the classes.",
            )
    known = [(found, classes) for found in subject.sets.all if (classes := _known(found))]
    # What is trained with labels decides, for the head learns from it.
    named = sorted([*written, *known], key=lambda pair: (pair[0].role != "labelled", subject.sets.all.index(pair[0])))
    if named:
        first, classes = named[0]
        yield from _against_first(named)
        yield from _heads(subject, len(classes), first.key if named[0] in written else first.type)
    for found in subject.sets.all:
        yield from _shifted(found)
    yield from _shifted_apart(subject.sets.all)


def _known(found: FoundSet) -> list[Any]:
    """Return the classes that mmsegmentation's class of a data set lists by itself; none where the file has a list."""
    if _listed(found, "classes") or found.type not in _MANIFESTS:
        return []
    return [entry.name for entry in load_manifest(_MANIFESTS[found.type]).classes if not entry.ignored]


def _differ(first: list[Any], other: list[Any], *, spelled: bool) -> bool:
    """Return whether two lists differ: lists of one file in any letter, a known one in number or order alone."""
    if spelled:
        return first != other
    one, two = ([re.sub(r"[\W_]+", " ", str(name)).lower() for name in names] for names in (first, other))
    return len(one) != len(two) or (one != two and sorted(one) == sorted(two))


def _against_first(named: list[tuple[FoundSet, list[Any]]]) -> Iterator[Hit]:
    first, classes = named[0]
    colours = _listed(first, "palette")
    for found, other in named[1:]:
        if _differ(classes, other, spelled=bool(_listed(first, "classes") and _listed(found, "classes"))):
            same = "in a different order" if sorted(map(str, other)) == sorted(map(str, classes)) else "others"
            yield _hit(
                found,
                "classes",
                f"{', '.join(map(str, other))}; {first.key} has {same}: {', '.join(map(str, classes))}",
                "An index means different classes in the two places: labels, predictions and names do not match.",
                "List the same classes in the same order in all data sets.",
            )
        elif (palette := _listed(found, "palette")) and colours and palette != colours:
            yield _hit(
                found,
                "palette",
                f"the colours of the classes differ from those of {first.key}",
                "One colour stands for different classes, so maps and labels that are read by colour do not match.",
                "List the same colours in the same order in all data sets.",
                level="warning",
            )


def _heads(subject: ForeignSubject, number: int, where: str) -> Iterator[Hit]:
    for key, node in subject.parts("num_classes"):
        if not _HEAD.search(key) or not isinstance(node.value, int) or node.value == number:
            continue
        head = subject.root.at(*(int(part) if part.isdecimal() else part for part in key.split(".")[:-1]))
        outputs = head.at("out_channels") if head else None
        # One output for two classes is a threshold, which is the other way to write them.
        if number == 2 and (node.value == 1 or (outputs is not None and outputs.value == 1)):
            continue
        yield Hit(
            level="error",
            key=key,
            file=node.site.file,
            line=node.site.line,
            found=f"{node.value}, but {where} has {number} classes",
            consequence="A class has no output of its own, or there is one too many.",
            remedy=f"Set it to {number}.",
        )
    for key, node in subject.parts("class_weight"):
        # Queries have a weight more, for those that show nothing.
        if _HEAD.search(key) and node.items and len(node.items) not in (number, number + 1):
            yield Hit(
                level="error",
                key=key,
                file=node.site.file,
                line=node.site.line,
                found=f"{len(node.items)} weights for {number} classes",
                consequence="The weights belong to other classes than those that are trained.",
                remedy="Give one weight for each class, and one more where the head has queries.",
            )


def _shifted(found: FoundSet) -> Iterator[Hit]:
    stated = found.node.at("reduce_zero_label")
    # Where the set says nothing, mmsegmentation's class has a value of its own.
    value = found.type in _FROM_ONE if stated is None else bool(stated.value)
    if stated is None and found.type not in _MANIFESTS:
        return
    for step in found.steps:
        own = step.node.at("reduce_zero_label") if step.name == "LoadAnnotations" else None
        if own is not None and own.value is not None and value != bool(own.value):
            yield Hit(
                level="error",
                key=f"{step.key}.reduce_zero_label",
                file=own.site.file,
                line=own.site.line,
                found=f"{own.value}, but {found.key}.reduce_zero_label is {value}"
                + (f" by {found.type}" if stated is None else ""),
                consequence=_SHIFTED,
                remedy="Give the step and the data set the same value.",
            )


def _shifted_apart(sets: tuple[FoundSet, ...]) -> Iterator[Hit]:
    """Yield sets of one class of data sets whose labels are shifted differently."""
    first: dict[str, FoundSet] = {}
    for found in sets:
        stated = found.node.at("reduce_zero_label")
        if stated is None or not found.type:
            continue
        other = first.setdefault(found.type, found)
        before = other.node.at("reduce_zero_label")
        if before is not None and bool(before.value) != bool(stated.value):
            yield Hit(
                level="error",
                key=f"{found.key}.reduce_zero_label",
                file=stated.site.file,
                line=stated.site.line,
                found=f"{stated.value}, but {other.key}.reduce_zero_label is {before.value}, and both are {found.type}",
                consequence=_SHIFTED,
                remedy="Give both sets the same value.",
            )


def _listed(found: FoundSet, name: str) -> list[Any]:
    node = found.node.at(*_path(found, name))
    return list(node.plain()) if node is not None and node.items else []


def _path(found: FoundSet, name: str) -> tuple[str, ...]:
    """Return where a data set lists something of its classes; empty where it does not."""
    paths = (("metainfo", name), ("metainfo", name.upper()), (name,))
    return next((path for path in paths if (node := found.node.at(*path)) is not None and node.items), ())


def _hit(found: FoundSet, name: str, text: str, consequence: str, remedy: str, level: Level = "error") -> Hit:
    path = _path(found, name)
    site = found.site(*path)
    return Hit(
        level=level,
        key=".".join([found.key, *path]),
        file=site.file,
        line=site.line,
        found=text,
        consequence=consequence,
        remedy=remedy,
    )
