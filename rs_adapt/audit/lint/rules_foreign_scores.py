"""Rules on configurations of other programs: classes, windows, and predictions that are averaged over views."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

from rs_adapt.audit.foreign.datasets import FoundSet, Step, last_part
from rs_adapt.audit.foreign.node import Node
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
_WHO = {"da": "adaptation", "dg": "generalization", "ss": "training and score in one region"}


def class_list(subject: ForeignSubject) -> Iterator[Hit]:
    """Class names, order, colours or number that differ between data sets and heads."""
    named = [(found, classes) for found in subject.sets.all if (classes := _listed(found, "classes"))]
    for found, classes in named:
        palette = _listed(found, "palette")
        if palette and len(palette) != len(classes):
            yield _hit(
                found,
                "palette",
                f"{len(palette)} colours for {len(classes)} classes",
                "A class has no colour of its own, or there is one too many.",
                "Give one colour for each class, in the order of the classes.",
            )
    if named:
        yield from _against_first(named)
        yield from _heads(subject, len(named[0][1]), named[0][0].key)
    elif known := next((found.type for found in subject.sets.all if found.type in _MANIFESTS), ""):
        classes = [entry for entry in load_manifest(_MANIFESTS[known]).classes if not entry.ignored]
        yield from _heads(subject, len(classes), known)
    for found in subject.sets.all:
        yield from _shifted(found)


def _against_first(named: list[tuple[FoundSet, list[Any]]]) -> Iterator[Hit]:
    first, classes = named[0]
    colours = _listed(first, "palette")
    for found, other in named[1:]:
        if other != classes:
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
    for step in found.steps:
        own = step.node.at("reduce_zero_label") if step.name == "LoadAnnotations" else None
        if stated is not None and own is not None and bool(stated.value) != bool(own.value) and own.value is not None:
            yield Hit(
                level="error",
                key=f"{step.key}.reduce_zero_label",
                file=own.site.file,
                line=own.site.line,
                found=f"{own.value}, but {found.key}.reduce_zero_label is {stated.value}",
                consequence="Label values and class list do not line up, so pixels count for the wrong class or are "
                "wrongly ignored.",
                remedy="Give the step and the data set the same value.",
            )


def test_time_augmentation(subject: ForeignSubject) -> Iterator[Hit]:
    """A score of predictions that are averaged over sizes or flips of the image."""
    reported = set()
    model = subject.root.at("model")
    if model is not None and last_part(model.at("type")).endswith("TTAModel"):
        yield _averaged("model.type", model.entries["type"], f"the model is wrapped by {last_part(model.at('type'))}")
        return
    for found in subject.sets.of("test", "val"):
        for step in found.steps:
            if (words := _views(step)) and step.node.site not in reported:
                reported.add(step.node.site)
                yield _averaged(step.key, step.node, f"{found.role} predicts {words}")


def inference_mode(subject: ForeignSubject) -> Iterator[Hit]:
    """Windows that skip pixels, and images that are predicted whole or in windows other than the crops of training."""
    crop = _train_crop(subject)
    for key, node in subject.parts("test_cfg"):
        mode, window, stride = (_plain(node.at(name)) for name in ("mode", "crop_size", "stride"))
        slides = mode == "slide" and _pair(window)
        if slides and _pair(stride) and any(step > side for step, side in zip(stride, window, strict=True)):
            site = (node.at("stride") or node).site
            yield Hit(
                level="error",
                key=f"{key}.stride",
                file=site.file,
                line=site.line,
                found=f"windows of {window[0]} x {window[1]} px every {stride[0]} x {stride[1]} px",
                consequence="Pixels between the windows get no prediction.",
                remedy=f"Use strides of at most {window[0]} x {window[1]} px.",
            )
        size = _scored_size(subject)
        if mode not in ("slide", "whole") or size is None or crop is None or max(size) <= max(crop):
            continue
        site = (node.at("mode") or node).site
        how = f"in windows of {window[0]} x {window[1]} px" if slides else "whole"
        yield Hit(
            level="note",
            key=f"{key}.mode",
            file=site.file,
            line=site.line,
            found=f"{mode}: images of {size[0]} x {size[1]} px are predicted {how}, after training on crops of "
            f"{crop[0]} x {crop[1]} px",
            consequence="Predicted in the other way, the same weights have a different score.",
            remedy="State slide or whole, and the window, with the score.",
        )


def read_without_a_cell(subject: ForeignSubject) -> Iterator[Hit]:
    """What the file was taken for, and the rules that need a run of rs-adapt."""
    sets = subject.sets
    roles = [("labels", sets.of("labelled")), ("target without labels", sets.of("target"))]
    roles += [("val", sets.of("val")), ("test", sets.of("test"))]
    parts = [f"{name}: {' and '.join(dict.fromkeys(one.shown for one in found))}" for name, found in roles if found]
    first = sets.all[0]
    yield Hit(
        level="note",
        key=first.key,
        file=first.node.site.file,
        line=first.node.site.line,
        found=f"taken for {_WHO[sets.setting]}; {'; '.join(parts)}",
        consequence="These are the roles that the findings rest on. Tiles, bands and deviations from a protocol were "
        "not checked, because the file names no cell of rs-adapt.",
        remedy="Read the list; a role that is wrong shows a key that was not understood.",
    )


def _listed(found: FoundSet, name: str) -> list[Any]:
    for path in (("metainfo", name), ("metainfo", name.upper()), (name,)):
        node = found.node.at(*path)
        if node is not None and node.items:
            return list(node.plain())
    return []


def _hit(found: FoundSet, name: str, text: str, consequence: str, remedy: str, level: Level = "error") -> Hit:
    paths = [path for path in (("metainfo", name), (name,)) if found.node.at(*path) is not None]
    path = paths[0] if paths else ()
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


def _averaged(key: str, node: Node, found: str) -> Hit:
    return Hit(
        level="warning",
        key=key,
        file=node.site.file,
        line=node.site.line,
        found=found,
        consequence="The score is that of several predictions an image, mostly a higher one, and does not compare "
        "with one of a single prediction.",
        remedy="Score one prediction an image, or give both scores.",
    )


def _views(step: Step) -> str:
    """Return what a step averages over, in words; empty where it makes one view."""
    node = step.node
    if step.name == "TestTimeAug":
        views = math.prod(max(len(branch.items), 1) for branch in (node.at("transforms") or node).items)
        return f"{views} views of each image (TestTimeAug)" if views > 1 else ""
    if step.name not in ("MultiScaleFlipAug", "MultiScaleFlipAug3D"):
        return ""
    scales = node.at("img_scale")
    nested = [item for item in (scales.items if scales else ()) if item.items]
    ratios, flip = node.at("img_ratios"), node.at("flip")
    sizes = max(len(nested), len(ratios.items) if ratios else 0, 1)
    texts = [f"{sizes} sizes"] if sizes > 1 else []
    texts += ["flips"] if flip is not None and flip.plain() not in (False, None) else []
    return f"{' and '.join(texts)} of each image ({step.name})" if texts else ""


def _train_crop(subject: ForeignSubject) -> list[int] | None:
    steps = [step for found in subject.sets.of("labelled") for step in found.steps if step.name == "RandomCrop"]
    return _size(steps[0].node.at("crop_size")) if steps else None


def _scored_size(subject: ForeignSubject) -> list[int] | None:
    """Return the size that scored images are brought to; None where they keep theirs."""
    for found in subject.sets.scored:
        for step in found.steps:
            for name in ("scale", "img_scale"):
                if step.name in ("Resize", "MultiScaleFlipAug") and (size := _size(step.node.at(name))):
                    return size
    return None


def _size(node: Node | None) -> list[int] | None:
    value = _plain(node)
    if isinstance(value, int) and not isinstance(value, bool):
        return [value, value]
    return value if _pair(value) else None


def _pair(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(isinstance(side, int) for side in value)


def _plain(node: Node | None) -> Any:
    return None if node is None else node.plain()
