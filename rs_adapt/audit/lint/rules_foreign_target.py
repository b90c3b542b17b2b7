"""Rules on configurations of other programs: labels of the target, images that are trained on and scored, selection."""

from __future__ import annotations

from collections.abc import Iterator

from rs_adapt.audit.foreign.found import FoundSet, FoundSets, Role
from rs_adapt.audit.foreign.node import Site
from rs_adapt.audit.foreign.paths import Split, inside, related
from rs_adapt.audit.foreign.steps import Step
from rs_adapt.audit.lint.finding import Hit, Level
from rs_adapt.audit.lint.foreign_subject import ForeignSubject


def target_labels_in_training(subject: ForeignSubject) -> Iterator[Hit]:
    """Labels of the target in training: crops chosen by them, loaded beside the images, or trained on."""
    for found in subject.sets.of("target"):
        loads = [step for step in found.steps if _loads_labels(step)]
        crops = [step for step in found.steps if _ratio(step) < 1]
        if (loads or crops) and not _pseudo(found):
            yield from _read_labels(found, loads, crops)
    yield from _learnt_with_labels(subject.sets)


def _learnt_with_labels(sets: FoundSets) -> Iterator[Hit]:
    for found in sets.of("labelled"):
        reads = [(target, read) for target in sets.of("target") if (read := _labels_of(found, target, sets))]
        for target, (text, level) in reads[:1]:
            yield Hit(
                level=level,
                key=found.key,
                file=found.place.file,
                line=found.place.line,
                found=f"training with labels reads {text}, as {target.key} does without",
                consequence="Training learns from the target's own labels, so the score is a supervised one.",
                remedy="Give the set with labels the images of the source.",
            )


def _labels_of(found: FoundSet, target: FoundSet, sets: FoundSets) -> tuple[str, Level] | None:
    """Return what a set with labels reads of the target; None where it reads nothing of it."""
    regions = sets.listed_homes("labelled")
    # In one region, some labelled images among the unlabelled ones are what semi-supervised training is.
    semi = not found.is_source and related(target.listed_homes, regions) and len(regions) < 2
    shared = found.common(target)
    if shared and not (semi and set(found.parts) != set(target.parts)):
        doubt = f", unless {' or '.join(shared.doubt)} chooses others of it" if shared.doubt else ""
        return f"{shared.shown}{doubt}", "warning" if doubt else "error"
    homes = [(one, other) for one in found.listed_homes for other in target.listed_homes]
    if not semi and any(one == other or inside(one, other) for one, other in homes):
        return f"{found.shown}, which is by its path of the region of {target.shown}", "warning"
    return None


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
    """Images that are both trained on and scored: the same folder and list of names, or a part of them."""
    reported = set()
    for scored in [*subject.sets.of("test"), *subject.sets.of("val")]:
        for trained in subject.sets.of("labelled", "target"):
            shared = scored.common(trained)
            # One finding a folder, because test and val may be the same.
            if shared is None or (shared.parts, trained.role) in reported or _merges_splits(trained, scored):
                continue
            reported.add((shared.parts, trained.role))
            labelled = trained.role == "labelled"
            reads = "" if trained.shown == shared.shown else f", which reads {trained.shown}"
            doubt = f"; {' and '.join(shared.doubt)} may choose others of it" if shared.doubt else ""
            yield Hit(
                level="error" if labelled and not doubt else "warning",
                key=scored.key,
                file=scored.place.file,
                line=scored.place.line,
                found=f"{shared.shown} is scored, and trained on {'with' if labelled else 'without'} labels as "
                f"{trained.key} ({_place(trained.place)}){reads}{doubt}",
                consequence="Tiles that training has seen are scored, so the score is too high."
                if labelled
                else "Images that adaptation trained on are scored, so the score does not compare with one on new "
                "tiles.",
                remedy="Score images that training does not read.",
            )


def validation_in_training(subject: ForeignSubject) -> Iterator[Hit]:
    """Training on splits that are there to be scored, such as a list `trainval.txt`, in a region that is scored."""
    others = subject.sets.of("val", "test")
    for found in subject.sets.of("labelled"):
        same_region = [one for one in others if one.homes & found.homes]
        named: tuple[tuple[Split, str], ...] = (("val", "validation"), ("test", "test"))
        for split, word in named:
            path = found.says(split)
            if not path or not same_region or any(_read_by(found, one) for one in others):
                continue
            site = found.site(*path)
            seen = [one for one in subject.sets.scored if one in same_region and one.says(split)]
            more = "" if split == "test" else ", and scores on the validation split choose nothing"
            yield Hit(
                level="error" if seen else "warning",
                key=".".join([found.key, *map(str, path)]),
                file=site.file,
                line=site.line,
                found=f"training with labels reads the {word} split too: {found.shown}",
                consequence=f"It is scored as {seen[0].key}, so tiles that training has seen are scored."
                if seen
                else "More labels are learnt than by trainings on the train split alone, so the scores do not compare"
                f"{more}.",
                remedy="Train on the train split, or state train+val with the score and choose nothing on val."
                if split == "val"
                else "Train on the train split.",
            )


def _merges_splits(trained: FoundSet, scored: FoundSet) -> bool:
    """Return whether a set with labels reads a split of a scored region beside others, by its words."""
    named = trained.says("val") or trained.says("test")
    more = bool(named) and not _read_by(trained, scored)
    return trained.role == "labelled" and more and bool(trained.homes & scored.homes)


def _read_by(trained: FoundSet, scored: FoundSet) -> bool:
    """Return whether all that a set trains on is scored, which is a finding of its own."""
    shared = trained.common(scored)
    return shared is not None and set(shared.parts) == set(trained.parts)


def val_is_test(subject: ForeignSubject) -> Iterator[Hit]:
    """A reported split on which the checkpoint is selected too, or which the training curve shows."""
    val, test = subject.sets.of("val"), subject.sets.of("test")
    shared = [common for one in test for other in val if (common := one.common(other)) and not common.doubt]
    if not val or (test and not shared):
        return
    role: Role = "test" if test else "val"
    key, node = subject.sets.loaders[role]
    site = next((one.place for one in test or val if one.place.changes), node.site)
    all_of_it = all(any((common := one.common(other)) and common.whole for other in val) for one in test)
    read = (
        dict.fromkeys(found.shown for found in test or val) if all_of_it else dict.fromkeys(one.shown for one in shared)
    )
    shown = " and ".join(read)
    both = f"val and test both read {shown}" if test else f"there is no test set beside val, {shown}"
    if subject.choices:
        choice = subject.choices[0]
        yield Hit(
            level="error",
            key=key,
            file=site.file,
            line=site.line,
            found=f"{both}, and {choice.words} chooses the checkpoint on it ({_place(choice.site)})",
            consequence="The score is the best of several on the reported tiles, so it is too high.",
            remedy="Report the last weights, or choose on tiles that are not reported.",
        )
    elif test:
        yield Hit(
            level="note",
            key=key,
            file=site.file,
            line=site.line,
            found=both,
            consequence="The training curve shows the reported tiles; no key of the file chooses by it.",
            remedy="Do not use that curve to choose a checkpoint, or settings for later runs.",
        )


def selection_on_target_labels(subject: ForeignSubject) -> Iterator[Hit]:
    """A checkpoint selected by its score on labels of a region that has none in training."""
    targets = [found for found in subject.sets.of("val") if subject.sets.of_target(found)]
    unsure = [found for found in subject.sets.of("val") if subject.sets.of_either(found)]
    trained = " and ".join(dict.fromkeys(found.shown for found in subject.sets.of("labelled"))) or "no labels"
    for choice in subject.choices if targets or unsure else ():
        words = f"{choice.words} on {(targets or unsure)[0].shown}"
        yield Hit(
            level="error" if targets else "warning",
            key=choice.key,
            file=choice.site.file,
            line=choice.site.line,
            found=f"{words}, while training has the labels of {trained}"
            if targets
            else f"{words}; the file does not say whether that is of the source or of the target",
            consequence="The checkpoint is chosen by target labels, which adaptation and generalization do not have."
            if targets
            else "If it is of the target, the checkpoint is chosen by target labels, which adaptation does not have.",
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
