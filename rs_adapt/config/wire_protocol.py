"""Wiring of the protocol: checks of its values, and the choice of images for label-free statistics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rs_adapt.config.facts import ABSENT_CLASSES
from rs_adapt.errors import ConfigError, IncompatibleCell

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rs_adapt.config.cell import Cell
    from rs_adapt.config.facts import Domain, MergedTree, Split

# The selections of a checkpoint, in the order of tables.
SELECTIONS = ("last", "guarded", "best_source_val", "best_label_free", "oracle")
STATISTICS = (
    "info_max",
    "entropy",
    "agreement",
    "info_max_calibrated",
    "predicted_accuracy",
    "prior_agreement",
    "discriminant_agreement",
)
_ALLOWED = {
    "unlabelled_split": ("train", "val"),
    "target_crops": ("blind", "by_labels"),
    "teacher_view": ("plain", "distorted"),
    "ignored_pixels": ("left_out", "background"),
    "report_split": ("test", "val", "server"),
    "absent_classes": ABSENT_CLASSES,
    "inference": (None, "slide", "whole"),
    "weights": ("student", "teacher"),
    "selection": SELECTIONS,
    "label_free": STATISTICS,
}


def check_protocol(tree: MergedTree, cell: Cell) -> None:
    """Refuse values that a protocol cannot have, or that the cell cannot follow.

    Args:
        tree: The merged axis files with overrides.
        cell: The cell.

    Raises:
        ConfigError: A value is not among those allowed.
        IncompatibleCell: The protocol needs a teacher or target labels, which the cell lacks.
    """
    protocol, bench = tree["protocol"], tree["bench"]
    stated: Mapping[str, object] = protocol
    for key, allowed in _ALLOWED.items():
        if stated[key] not in allowed:
            names = ", ".join(map(str, allowed))
            raise ConfigError(f"protocol.{key} is {stated[key]!r}. Allowed: {names}.")
    # An average of the weights that train; the run that a student learns from is none.
    has_teacher = tree["strategy"]["needs_target"] and not tree["strategy"].get("needs_teacher", False)
    for key, value in (("weights", "teacher"), ("label_free", "agreement")):
        if stated[key] == value and not has_teacher:
            raise IncompatibleCell(
                f"protocol.{key} is {value!r}, but strategy {cell.strategy} has no teacher. Use a "
                f"self-training strategy (setting da), or a different value of protocol.{key}."
            )
    if bench["target"]["val"] is None and (protocol["selection"] == "oracle" or protocol["target_crops"] != "blind"):
        raise IncompatibleCell(
            f"Protocol {cell.protocol} reads target labels, but the target of bench {bench['name']} has none. Use "
            "--protocol strict."
        )


def check_protocol_of_task(
    protocol: Mapping[str, object], task: str, *, selections: tuple[str, ...] = SELECTIONS
) -> None:
    """Refuse values of a protocol that another task than segmentation does not follow.

    Args:
        protocol: The facts of the protocol.
        task: Name of the task.
        selections: The selections that it has.

    Raises:
        ConfigError: A value is not among those allowed.
    """
    for key, allowed in (("report_split", ("test",)), ("selection", selections)):
        if protocol[key] not in allowed:
            raise ConfigError(f"protocol.{key} is {protocol[key]!r}. Allowed in {task}: {', '.join(allowed)}.")


def label_free_split(tree: MergedTree, cell: Cell) -> tuple[Domain, Split]:
    """Return the region and split of the images for label-free statistics.

    In adaptation these are the training images of the target. In the other settings they are the scored images; a
    selection by them would see the target, so in generalization it is reported but never gives the result.
    """
    if cell.setting == "da" or tree["bench"]["target"]["val"] is None:
        return "target", tree["protocol"]["unlabelled_split"] if cell.setting == "da" else "train"
    return "target", "val"
