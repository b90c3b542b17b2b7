"""Rules on configurations of other programs: windows, and predictions that are averaged over views."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from rs_adapt.audit.foreign.node import Node
from rs_adapt.audit.foreign.steps import Step, last_part
from rs_adapt.audit.lint.finding import Hit
from rs_adapt.audit.lint.foreign_subject import ForeignSubject

_WHO = {"da": "adaptation", "dg": "generalization", "ss": "training and score in one region"}


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
        mode, window, stride = _plain(node.at("mode")), _size(node.at("crop_size")), _size(node.at("stride"))
        slides = mode == "slide"
        if slides and stride and window and any(step > side for step, side in zip(stride, window, strict=True)):
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
        how = f"in windows of {window[0]} x {window[1]} px" if slides and window else "whole"
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
    yield from _not_looked_at(subject)
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


def _not_looked_at(subject: ForeignSubject) -> Iterator[Hit]:
    site = subject.root.site
    if subject.earlier:
        yield Hit(
            level="warning",
            key="Config",
            file=site.file,
            line=site.line,
            found=f"the log holds other configurations before this one ({', '.join(map(_line, subject.earlier))})",
            consequence="Findings are those of the last configuration alone; the first trainings may have others.",
            remedy="Lint the log of each training by itself.",
        )
    for key in subject.sets.unknown:
        place = (subject.root.at(*key.split(".")) or subject.root).site
        yield Hit(
            level="warning",
            key=key,
            file=place.file,
            line=place.line,
            found="its name does not say whether it is for training, validation or test",
            consequence="Its data sets were not looked at.",
            remedy="Read them yourself, or write a copy of the file with a name such as train_dataloader.",
        )


def _line(number: int) -> str:
    return f"line {number}"


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
    flip = node.at("flip")
    factors = [len(given.items) for name in ("img_ratios", "scale_factor") if (given := node.at(name)) is not None]
    sizes = max(len(nested), *factors, 1)
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
    if not isinstance(value, list) or len(value) != 2:
        return False
    return all(isinstance(side, int) and not isinstance(side, bool) for side in value)


def _plain(node: Node | None) -> Any:
    return None if node is None else node.plain()
