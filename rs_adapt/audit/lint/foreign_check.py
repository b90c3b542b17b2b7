"""Lint of configurations that other programs run: the rules that need no cell of rs-adapt.

Rules are functions of a subject, listed in `FOREIGN_RULES`. Nothing is executed or written, and no tile is read.
"""

from __future__ import annotations

from rs_adapt.audit.lint.finding import Finding, Rule, errors_first
from rs_adapt.audit.lint.foreign_subject import ForeignSubject
from rs_adapt.audit.lint.rules_foreign_classes import class_list
from rs_adapt.audit.lint.rules_foreign_scores import (
    inference_mode,
    read_without_a_cell,
    test_time_augmentation,
)
from rs_adapt.audit.lint.rules_foreign_target import (
    selection_on_target_labels,
    target_labels_in_training,
    tile_in_train_and_val,
    val_is_test,
    validation_in_training,
)

FOREIGN_RULES: tuple[Rule[ForeignSubject], ...] = tuple(
    Rule(check=check)
    for check in (
        target_labels_in_training,
        tile_in_train_and_val,
        validation_in_training,
        val_is_test,
        selection_on_target_labels,
        test_time_augmentation,
        class_list,
        inference_mode,
        read_without_a_cell,
    )
)


def lint_foreign(subject: ForeignSubject) -> list[Finding]:
    """Return all findings, errors first."""
    # Each hit of these rules names its place.
    return errors_first(
        one for rule in FOREIGN_RULES for one in rule.findings(subject, lambda key: (subject.title, None))
    )
