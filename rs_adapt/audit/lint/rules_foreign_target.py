"""Rules on configurations of other programs: labels of the target, images that are trained on and scored, selection."""

from __future__ import annotations

from collections.abc import Iterator

from rs_adapt.audit.foreign.datasets import FoundSet, Role, Step
from rs_adapt.audit.foreign.node import Site
from rs_adapt.audit.lint.finding import Hit
from rs_adapt.audit.lint.foreign_subject import ForeignSubject


def target_labels_in_training(subject: ForeignSubject) -> Iterator[Hit]:
    """Labels of the target in training: crops chosen by them, loaded beside the images, or trained on."""
    for found in subject.sets.of("target"):
        loads = [step for step in found.steps if _loads_labels(step)]
        crops = [step for step in found.steps if _ratio(step) < 1]
        if (loads or crops) and not _pseudo(found):
            yield from _read_labels(found, loads, crops)
    targets = {found.identity: found for found in subject.sets.of("target") if found.identity is not None}
    for found in subject.sets.of("labelled"):
        if found.identity in targets:
            yield Hit(
                level="error",
                key=found.key,
                file=found.node.site.file,
                line=found.node.site.line,
                found=f"training with labels reads {found.shown}, as {targets[found.identity].key} does without",
                consequence="Training learns from the target's own labels, so the score is a supervised one.",
                remedy="Give the set with labels the images of the source.",
            )


def _read_labels(found: FoundSet, loads: list[Step], crops: list[Step]) -> Iterator[Hit]:
    first = (crops or loads)[0]
    site = first.node.site if not crops else _site(first, "cat_max_ratio")
    parts = [f"{step.name} ({_place(step.node.site)})" for step in loads[:1]]
    parts += [f"{step.name} with cat_max_ratio={_ratio(step)}" for step in crops[:1]]
    yield Hit(
        level="error" if crops else "warning",
        key=f"{first.key}.cat_max_ratio" if crops else first.key,
        file=site.file,
        line=site.line,
        found=f"the target's training set, {found.shown}, has {' and '.join(parts)}",
        consequence="Crops of the target are chosen by its labels, so this is not unsupervised adaptation."
        if crops
        else "Labels of the target are in the samples that training gets; whether it uses them, the file does not say.",
        remedy="Remove LoadAnnotations from the target's pipeline, and cat_max_ratio from its RandomCrop.",
    )


def tile_in_train_and_val(subject: ForeignSubject) -> Iterator[Hit]:
    """Images that are both trained on and scored: the same folder and list of names."""
    reported = set()
    for scored in [*subject.sets.of("test"), *subject.sets.of("val")]:
        for trained in subject.sets.of("labelled", "target"):
            if scored.identity is None or scored.identity != trained.identity:
                continue
            if (scored.identity, trained.role) in reported:
                continue
            # One finding a folder, because test and val may be the same.
            reported.add((scored.identity, trained.role))
            labelled = trained.role == "labelled"
            yield Hit(
                level="error" if labelled else "warning",
                key=scored.key,
                file=scored.node.site.file,
                line=scored.node.site.line,
                found=f"{scored.shown} is scored, and trained on {'with' if labelled else 'without'} labels as "
                f"{trained.key} ({_place(trained.node.site)})",
                consequence="Tiles that training has seen are scored, so the score is too high."
                if labelled
                else "Images that adaptation trained on are scored, so the score does not compare with one on new "
                "tiles.",
                remedy="Score images that training does not read.",
            )


def validation_in_training(subject: ForeignSubject) -> Iterator[Hit]:
    """Training on the train and validation splits of a region that is scored, such as a list `trainval.txt`."""
    scored_ids = {found.identity for found in subject.sets.of("val", "test")}
    for found in subject.sets.of("labelled"):
        path = found.reads_val
        same_region = [one for one in subject.sets.of("val", "test") if one.homes & found.homes]
        if not path or not same_region or found.identity in scored_ids:
            continue
        site = found.site(*path)
        seen = [one for one in subject.sets.scored if one in same_region and one.reads_val]
        yield Hit(
            level="error" if seen else "warning",
            key=".".join([found.key, *map(str, path)]),
            file=site.file,
            line=site.line,
            found=f"training with labels reads the validation split too: {found.shown}",
            consequence=f"It is scored as {seen[0].key}, so tiles that training has seen are scored."
            if seen
            else "More labels are learnt than by trainings on the train split alone, so the scores do not compare, and "
            "scores on the validation split choose nothing.",
            remedy="Train on the train split, or state train+val with the score and choose nothing on val.",
        )


def val_is_test(subject: ForeignSubject) -> Iterator[Hit]:
    """A reported split on which the checkpoint is selected too, or which the training curve shows."""
    val = [found.identity for found in subject.sets.of("val")]
    test = [found.identity for found in subject.sets.of("test")]
    same = bool(val) and all(one is not None and one in val for one in test)
    if not same:
        return
    role: Role = "test" if test else "val"
    key, node = subject.sets.loaders[role]
    shown = " and ".join(dict.fromkeys(found.shown for found in subject.sets.of(role)))
    both = f"val and test both read {shown}" if test else f"there is no test set beside val, {shown}"
    if subject.choices:
        choice = subject.choices[0]
        yield Hit(
            level="error",
            key=key,
            file=node.site.file,
            line=node.site.line,
            found=f"{both}, and {choice.words} chooses the checkpoint on it ({_place(choice.site)})",
            consequence="The score is the best of several on the reported tiles, so it is too high.",
            remedy="Report the last weights, or choose on tiles that are not reported.",
        )
    elif test:
        yield Hit(
            level="note",
            key=key,
            file=node.site.file,
            line=node.site.line,
            found=both,
            consequence="The training curve shows the reported tiles; no key of the file chooses by it.",
            remedy="Do not use that curve to choose a checkpoint, or settings for later runs.",
        )


def selection_on_target_labels(subject: ForeignSubject) -> Iterator[Hit]:
    """A checkpoint selected by its score on labels of a region that has none in training."""
    targets = [found for found in subject.sets.of("val") if subject.sets.of_target(found)]
    for choice in subject.choices if targets else ():
        trained = " and ".join(dict.fromkeys(found.shown for found in subject.sets.of("labelled"))) or "no labels"
        yield Hit(
            level="error",
            key=choice.key,
            file=choice.site.file,
            line=choice.site.line,
            found=f"{choice.words} on {targets[0].shown}, while training has the labels of {trained}",
            consequence="The checkpoint is chosen by target labels, which adaptation and generalization do not have.",
            remedy="Report the last weights, or choose on tiles of the source.",
        )


def _loads_labels(step: Step) -> bool:
    name = step.name.lower()
    return name.startswith("load") and "annotation" in name and "pseudo" not in name and not step.loads_no_labels


def _ratio(step: Step) -> float:
    node = step.node.at("cat_max_ratio")
    return float(node.value) if node is not None and isinstance(node.value, int | float) else 1.0


def _pseudo(found: FoundSet) -> bool:
    """Return whether the labels of a set are a model's, written down before the training."""
    return found.labels is not None and "pseudo" in found.labels.text.lower()


def _site(step: Step, key: str) -> Site:
    node = step.node.at(key)
    return step.node.site if node is None else node.site


def _place(site: Site) -> str:
    return f"{site.file.rpartition('/')[2]}:{site.line}"
