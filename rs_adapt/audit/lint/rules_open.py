"""The rule on labels of unseen classes: in open vocabulary (ov) nothing learns from them or is chosen by them."""

from __future__ import annotations

from collections.abc import Iterator

from rs_adapt.audit.lint.finding import Hit
from rs_adapt.audit.lint.subject import ROLES, Subject
from rs_adapt.config import wire_open
from rs_adapt.config.class_means import OPEN
from rs_adapt.config.facts import ConfigNode


def unseen_labels_in_training(subject: Subject) -> Iterator[Hit]:
    """Labels of unseen classes that training reads, or that a checkpoint is chosen by, in open vocabulary (ov)."""
    if subject.setting != OPEN:
        return
    bench = subject.cfg["bench"]
    unseen = wire_open.unseen_classes(bench)
    datasets = {f"{ROLES['labelled']}.pipeline": subject.dataset("labelled")}
    if subject.cfg["protocol"]["selection"] == "best_source_val":
        datasets["monitor.source_val.dataset.pipeline"] = subject.cfg["monitor"]["source_val"]["dataset"]
    for key, dataset in datasets.items():
        read = _read(unseen, dataset["pipeline"]) if dataset is not None else []
        if not read:
            continue
        names = ", ".join(bench["classes"][number] for number in read)
        use = "Training learns from" if key.startswith("train") else "The checkpoint is chosen by"
        yield Hit(
            level="error",
            key=key,
            found=f"labels of {names} are read and not ignored afterwards",
            consequence=f"{use} labels of classes that are scored as unseen, so the harmonic mean is not one of seen "
            "and unseen classes.",
            remedy=f"Keep the step rs_adapt.IgnoreClasses with classes={unseen} after LoadAnnotations.",
        )


def _read(unseen: list[int], pipeline: list[ConfigNode]) -> list[int]:
    """Return the unseen classes whose labels leave a pipeline."""
    read: set[int] = set()
    for step in pipeline:
        if "Annotation" in step["type"]:
            read = set(unseen)
        elif step["type"] == "rs_adapt.IgnoreClasses":
            read -= set(step["classes"])
    return sorted(read)
