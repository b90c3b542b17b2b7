"""Lint: find what makes the score of a configuration or a run mean something other than its label.

Rules are functions of a subject, listed in `RULES`. Nothing is executed, trained or written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from rs_adapt.audit.lint.finding import Finding, Hit, Reads, Rule, errors_first
from rs_adapt.audit.lint.rules_classes import band_order, class_list, inference_mode
from rs_adapt.audit.lint.rules_data import broken_tiles, data_not_checked, label_values, tile_in_train_and_val
from rs_adapt.audit.lint.rules_deviations import deviates_from_bench, deviates_from_protocol, tuned_on_target_labels
from rs_adapt.audit.lint.rules_flows import statistics_of_training
from rs_adapt.audit.lint.rules_ground import pixel_size, same_ground
from rs_adapt.audit.lint.rules_images import image_digests, image_in_train_and_test
from rs_adapt.audit.lint.rules_open import unseen_labels_in_training
from rs_adapt.audit.lint.rules_run import (
    config_was_edited,
    other_code,
    result_contradicts_matrices,
    result_differs_from_config,
    run_not_finished,
    weights_of_another_run,
)
from rs_adapt.audit.lint.rules_target import (
    selection_on_target_labels,
    target_images_in_generalization,
    target_labels_in_training,
    val_is_test,
)
from rs_adapt.audit.lint.subject import Subject
from rs_adapt.errors import ConfigError
from rs_adapt.progress import OnProgress, no_progress


def _rules(*checks: Callable[[Subject], Iterator[Hit]], reads: Reads | None = None) -> tuple[Rule[Subject], ...]:
    return tuple(Rule(check=check, reads=reads) for check in checks)


RULES = (
    *_rules(
        target_labels_in_training,
        target_images_in_generalization,
        unseen_labels_in_training,
        val_is_test,
        reads="tiles",
    ),
    *_rules(selection_on_target_labels),
    *_rules(class_list, band_order, label_values, tile_in_train_and_val, reads="tiles"),
    *_rules(image_in_train_and_test, statistics_of_training, reads="images"),
    *_rules(same_ground, pixel_size, broken_tiles, inference_mode, reads="tiles"),
    *_rules(
        deviates_from_protocol,
        deviates_from_bench,
        config_was_edited,
        result_differs_from_config,
        result_contradicts_matrices,
        weights_of_another_run,
        tuned_on_target_labels,
        other_code,
        run_not_finished,
    ),
    *_rules(data_not_checked, reads="tiles"),
)


def lint(subject: Subject, *, data: bool = True, on_progress: OnProgress = no_progress) -> list[Finding]:
    """Return all findings, errors first.

    Args:
        subject: The configuration to lint, from `rs_adapt.audit.lint.sources`.
        data: Whether to scan the tiles that are on disk.
        on_progress: Called while tiles are read.

    Raises:
        ConfigError: The configuration lacks a key, or a value is of the wrong kind.
        DataError: The index of prepared tiles, a list of images, or an image is damaged.
    """
    reads: Reads = "tiles" if subject.is_segmentation else "images"
    try:
        if not data:
            subject = replace(subject, why_not_scanned=f"the {reads} were not scanned (--no-data)")
        elif reads == "images":
            images, why = image_digests(subject)
            subject = replace(subject, images=images, why_not_scanned=why)
        else:
            # Imports the readers of scenes, which --no-data does without.
            from rs_adapt.audit.lint.tiles import scan_tiles

            subject = replace(subject, scan=scan_tiles(subject, on_progress))
        rules = [rule for rule in RULES if rule.reads in (None, reads)]
        findings = [one for rule in rules for one in rule.findings(subject, subject.origin)]
    except (LookupError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"{subject.title} cannot be linted: a key is missing or of the wrong kind ({error!r}). `rs-adapt show` "
            "prints a complete config."
        ) from error
    return errors_first(findings)
