"""Labels of unseen classes on the training path of open vocabulary are found."""

from __future__ import annotations

import pytest

RULE = "unseen-labels-in-training"
LABELLED = "train_dataloader.dataset.labelled.pipeline"
CHOSEN_ON = "monitor.source_val.dataset.pipeline"
LOADED = '{"type": "LoadImageFromFile"}, {"type": "LoadAnnotations"}'
PACKED = '{"type": "PackSegInputs"}'


def _ignoring(classes: str) -> str:
    return f'{{"type": "rs_adapt.IgnoreClasses", "classes": {classes}, "ignore_index": 255}}'


def test_the_bench_as_it_is_ignores_them(lint_cell) -> None:
    assert lint_cell("synthetic-ov").serious == []
    chosen = lint_cell("synthetic-ov", "protocol.selection=best_source_val")
    assert RULE not in [one.rule for one in chosen]


@pytest.mark.parametrize(
    ("steps", "named"),
    [
        (LOADED, "water, bare"),
        (f"{LOADED}, {_ignoring('[3]')}", "bare"),
        # Before the labels are there.
        (f"{_ignoring('[3, 5]')}, {LOADED}", "water, bare"),
    ],
)
def test_a_pipeline_that_lets_them_through_is_an_error(lint_cell, steps: str, named: str) -> None:
    leak = lint_cell("synthetic-ov", f"{LABELLED}=[{steps}, {PACKED}]").only(RULE)
    assert (leak.level, leak.key, leak.file) == (
        "error",
        LABELLED,
        f"--set {LABELLED}=[{steps}, {PACKED}]",
    )
    assert leak.found == f"labels of {named} are read and not ignored afterwards"
    assert "classes=[3, 5]" in leak.remedy


def test_two_steps_may_share_the_classes(lint_cell) -> None:
    steps = f"{LOADED}, {_ignoring('[3]')}, {_ignoring('[5]')}, {PACKED}"
    assert RULE not in [one.rule for one in lint_cell("synthetic-ov", f"{LABELLED}=[{steps}]")]


def test_choosing_a_checkpoint_by_them_is_an_error(lint_cell) -> None:
    change = f"{CHOSEN_ON}=[{LOADED}, {PACKED}]"
    leak = lint_cell("synthetic-ov", "protocol.selection=best_source_val", change).only(RULE)
    assert leak.key == CHOSEN_ON
    assert leak.consequence.startswith("The checkpoint is chosen by")
    # The curve on the source alone shows them and chooses nothing.
    assert RULE not in [one.rule for one in lint_cell("synthetic-ov", change)]
