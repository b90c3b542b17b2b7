"""Rules on the target: who sees its labels and images, and by which scores checkpoints are selected."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rs_adapt.audit.lint.finding import Hit
from rs_adapt.audit.lint.subject import ROLES, Subject
from rs_adapt.config.facts import ConfigNode


def target_labels_in_training(subject: Subject) -> Iterator[Hit]:
    """Target labels that training could use: loaded with the target images, used to choose crops, or trained on."""
    if subject.setting == "ss":
        return
    if (unlabelled := subject.dataset("unlabelled")) is not None and (read := _labels_read(unlabelled)):
        by_protocol = subject.cfg["protocol"]["target_crops"] == "by_labels"
        forgotten = "rs_adapt.ForgetLabels" in [step["type"] for step in unlabelled["pipeline"]]
        yield Hit(
            level="error",
            key="protocol.target_crops" if by_protocol else f"{ROLES['unlabelled']}.{read[0][0]}",
            found="the target's training set has " + ", ".join(text for _, text in read),
            consequence="Crops of the target are chosen by its labels, so this is not unsupervised adaptation."
            if forgotten
            else "Labels of the target reach the samples that training sees, so this is not unsupervised adaptation.",
            remedy="Use --protocol strict: no ann_dir, no LoadAnnotations, and crops chosen without labels.",
        )
    labelled = subject.dataset("labelled") or {}
    for kind in ("img_dir", "ann_dir"):
        for split, folder in subject.region_folders("target", kind).items():
            if labelled.get(kind) and _inside(labelled[kind], folder):
                yield Hit(
                    level="error",
                    key=f"{ROLES['labelled']}.{kind}",
                    found=f"training reads {subject.shown(labelled[kind])}, the target's {split} split",
                    consequence="Training learns from the target's own labels, so the score is a supervised one.",
                    remedy="Use the source's folder, or --setting ss.",
                )


def target_images_in_generalization(subject: Subject) -> Iterator[Hit]:
    """Generalization (dg) that sees the target: as unlabelled images, as a style, or to select a checkpoint."""
    if subject.setting not in ("dg", "ov"):
        return
    folders = subject.region_folders("target", "img_dir")
    remedy = "Use images of the source, or --setting da."
    for role in ("labelled", "unlabelled"):
        dataset = subject.dataset(role)
        if role == "unlabelled" and dataset is not None:
            yield Hit(
                level="error",
                key=ROLES[role],
                found=f"training reads images of {subject.shown(dataset.get('img_dir'))}",
                consequence="Generalization means that the target is never seen, so this is adaptation.",
                remedy="Set it to None, or use --setting da.",
            )
        for number, step in enumerate((dataset or {}).get("pipeline", ())):
            for split, folder in folders.items():
                if step.get("reference_dir") and _inside(step["reference_dir"], folder):
                    yield Hit(
                        level="error",
                        key=f"{ROLES[role]}.pipeline.{number}.reference_dir",
                        found=f"{step['type']} takes its style from {subject.shown(step['reference_dir'])}, the "
                        f"target's {split} split",
                        consequence="Generalization means that the target is never seen, but training sees its style.",
                        remedy=remedy,
                    )
    label_free = subject.cfg["monitor"]["label_free"]["dataset"]
    seen = any(_inside(label_free["img_dir"], folder) for folder in folders.values())
    if subject.cfg["protocol"]["selection"] == "best_label_free" and seen:
        yield Hit(
            level="error",
            key="protocol.selection",
            found=f"best_label_free, on images of {subject.shown(label_free['img_dir'])}",
            consequence="The checkpoint is chosen by images of the target, which generalization never sees.",
            remedy="Set protocol.selection to last or best_source_val.",
        )


def val_is_test(subject: Subject) -> Iterator[Hit]:
    """A reported split on which checkpoints are selected too, or which the training curve shows."""
    val, test, protocol = subject.dataset("val"), subject.dataset("test"), subject.cfg["protocol"]
    if val is None or test is None or not _same(val["img_dir"], test["img_dir"]):
        return
    target = subject.cfg["bench"]["target"]
    third = bool(target.get("test")) and target["test"] != target["val"]
    chosen = _chosen_on_target_labels(subject)
    both = f"val and test both read {subject.shown(test['img_dir'])}"
    key = "protocol.report_split" if third and protocol["report_split"] == "val" else f"{ROLES['test']}.img_dir"
    if chosen:
        yield Hit(
            level="error",
            key=key,
            found=f"{both}, and {chosen[1]} chooses the checkpoint on it",
            consequence="The score is the best of several on the reported tiles, so it is too high.",
            remedy="Report the last weights (--protocol strict), or choose on tiles that are not reported.",
        )
    elif third:
        yield Hit(
            level="error",
            key=key,
            found=f"{both}, although the bench has a test split",
            consequence="The training curve shows the reported tiles, so whoever watches it tunes on them.",
            remedy="Report the bench's test split (protocol.report_split=test).",
        )
    else:
        yield Hit(
            level="note",
            key=key,
            found=f"{both}, because the target has no third labelled split",
            consequence="The training curve shows the reported tiles; only the selection `oracle` uses it.",
            remedy="Do not use that curve to choose a checkpoint, or settings for later runs.",
        )


def selection_on_target_labels(subject: Subject) -> Iterator[Hit]:
    """A reported checkpoint that was selected by its score on target labels."""
    if chosen := _chosen_on_target_labels(subject):
        supervised = subject.setting == "ss"
        yield Hit(
            level="note" if supervised else "error",
            key=chosen[0],
            found=chosen[1],
            consequence="The checkpoint is chosen by target labels, which supervision has."
            if supervised
            else "The checkpoint is chosen by target labels, which adaptation and generalization do not have.",
            remedy="Report the last weights: protocol.selection=last.",
        )


def _chosen_on_target_labels(subject: Subject) -> tuple[str, str] | None:
    """Return the key that selects by target labels, and its value in words."""
    selection = subject.cfg["protocol"]["selection"]
    # In ss the labelled region is the target, whose validation tiles best_source_val is chosen on.
    if selection == "oracle" or (selection == "best_source_val" and subject.setting == "ss"):
        return "protocol.selection", f"selection {selection}"
    if subject.dataset("val") is None:
        return None
    hooks = subject.cfg.get("default_hooks") or {}
    for name, hook in hooks.items():
        if isinstance(hook, dict) and hook.get("save_best"):
            return f"default_hooks.{name}.save_best", f"save_best={hook['save_best']!r}"
    for number, hook in enumerate(subject.cfg.get("custom_hooks") or ()):
        if hook.get("save_best"):
            return f"custom_hooks.{number}.save_best", f"save_best={hook['save_best']!r}"
    return None


def _labels_read(dataset: ConfigNode) -> list[tuple[str, str]]:
    """Return the keys of a data set that read labels, each with words for it."""
    keys = [("ann_dir", "an ann_dir")] if dataset.get("ann_dir") else []
    for number, step in enumerate(dataset["pipeline"]):
        if step["type"].rpartition(".")[2] == "LoadAnnotations":
            keys.append((f"pipeline.{number}", "LoadAnnotations"))
        if step.get("cat_max_ratio", 1.0) < 1:
            key = f"pipeline.{number}.cat_max_ratio"
            keys.append((key, f"{step['type']} with cat_max_ratio={step['cat_max_ratio']}"))
    return keys


def _same(folder: str | Path, other: str | Path) -> bool:
    return Path(folder).resolve() == Path(other).resolve()


def _inside(folder: str | Path, above: str | Path) -> bool:
    return Path(folder).resolve().is_relative_to(Path(above).resolve())
