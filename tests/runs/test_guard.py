"""The guard of an adaptation: when it returns to the model from before, and to which one."""

from __future__ import annotations

from typing import Any

from rs_adapt.config import compose, resolve_cell
from rs_adapt.runs.metrics import metrics_line
from rs_adapt.runs.selection import choose


def guarded(*values: float | None, every: int = 100, bench: str = "synthetic-da") -> tuple[int, float | None] | None:
    """Return the guard's choice among evaluations with these values; mixing begins after 80 of 400 iterations."""
    lines: list[dict[str, Any]] = [
        {"iter": every * (i + 1), "miou_pct": 40.0, "label_free": {} if v is None else {"discriminant_agreement": v}}
        for i, v in enumerate(values)
    ]
    cfg = compose(resolve_cell(bench))
    choice = choose([metrics_line(line) for line in lines], cfg=cfg)["guarded"]
    return None if choice is None else (choice.iter, choice.value)


def test_the_guard_returns_to_the_model_from_before_adaptation_if_the_statistic_fell() -> None:
    assert guarded(0.70, 0.80, 0.75, 0.69) == (100, 0.70)
    assert guarded(0.70, 0.60, 0.65, 0.71) == (400, 0.71)
    # Equal evidence speaks against nothing.
    assert guarded(0.70, 0.60, 0.65, 0.70) == (400, 0.70)


def test_the_anchor_of_the_guard_is_the_evaluation_nearest_to_the_end_of_the_warm_up() -> None:
    # Of 40, 80, 120, ..., the second.
    assert guarded(0.90, 0.70, 0.80, 0.90, 0.60, every=40) == (80, 0.70)
    # Of 60 and 120, 60; of 160, 320, 480, the first is as far as 0 would be, which nobody has evaluated.
    assert guarded(0.70, 0.90, 0.60, every=60) == (60, 0.70)
    assert guarded(0.70, 0.90, 0.60, every=160) == (160, 0.70)


def test_there_is_no_guard_without_an_anchor_or_a_statistic() -> None:
    assert guarded(0.7) is None
    assert guarded(None, None, None, 0.7) is None
    assert guarded(0.7, None, None, None) is None
    assert guarded(0.70, 0.80, 0.75, 0.69, bench="synthetic-dg") is None
