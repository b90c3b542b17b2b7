"""Gains over references, with numbers known by hand: a run with r of 100 pixels right scores r / (200 - r)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from rs_adapt.runs.collect import collect
from rs_adapt.scores.gains import Gains, gains_of
from rs_adapt.scores.groups import score_runs
from rs_adapt.scores.t_interval import t_quantile

if TYPE_CHECKING:
    from collections.abc import Callable

    Write = Callable[..., Path]

DG, DA, SS = {"setting": "dg"}, {"setting": "da", "strategy": "dacs"}, {"setting": "ss"}


def iou(right: float) -> float:
    return 100 * right / (200 - right)


@pytest.fixture
def write(write_cell: Write) -> Callable[..., None]:
    """Write the runs of a group: one for each seed, with that many of 100 pixels right on each of its tiles."""
    count = iter(range(10**6))

    def write_group(cell: dict[str, Any], *rights: Any, seeds: Any = None, overrides: Any = (), **changes: Any) -> None:
        for seed, right in zip(seeds or range(len(rights)), rights, strict=True):
            tiles = right if isinstance(right, tuple) else (right,) * 6
            options = {"overrides": list(overrides), "weights": None}
            write_cell(
                f"run{next(count)}",
                right=tiles,
                cell={"method": "lora", "seed": seed} | cell,
                options=options,
                **changes,
            )

    return write_group


def gains(tmp_path: Path) -> dict[tuple[str, str, str, tuple[str, ...]], Gains]:
    groups = score_runs(collect([tmp_path / "work"]).finished).groups
    keys = [(one.column.setting, one.row.method, one.row.strategy, one.row.overrides) for one in groups]
    return dict(zip(keys, gains_of(groups), strict=True))


def test_gap_closed_is_paired_by_seed_and_over_the_mean_gap(tmp_path: Path, write: Any) -> None:
    write(DG, 50, 60)
    write(DA, 70, 66)
    write(SS, 90, 80)
    found = gains(tmp_path)
    own = found["da", "lora", "dacs", ()]
    over, closed = own.over_source_only, own.gap_closed
    assert over is not None
    assert closed is not None
    steps = (iou(70) - iou(50), iou(66) - iou(60))
    gaps = (iou(90) - iou(50), iou(80) - iou(60))
    assert over.seeds == closed.seeds == (0, 1)
    assert over.by_seed == pytest.approx(steps, abs=2e-3)
    assert over.value == pytest.approx(sum(steps) / 2, abs=2e-3)
    assert closed.by_seed == pytest.approx([100 * step / gap for step, gap in zip(steps, gaps, strict=True)], abs=1e-2)
    assert closed.value == pytest.approx(100 * sum(steps) / sum(gaps), abs=1e-2)
    # All tiles are alike, so that the interval is over the seeds alone: two, whose mean has half their difference as
    # its standard error, and one degree of freedom.
    assert over.interval is not None
    half = t_quantile(0.95, 1) * abs(steps[0] - steps[1]) / 2
    assert over.interval.low == pytest.approx(over.value - half, rel=0.03)
    assert over.interval.high == pytest.approx(over.value + half, rel=0.03)
    # Of the four draws of two seeds, two are the mean and one is either seed.
    assert closed.interval is not None
    drawn = np.array([*closed.by_seed, closed.value, closed.value])
    half = t_quantile(0.95, 1) * drawn.std() * np.sqrt(2)
    assert (closed.interval.low + closed.interval.high) / 2 == pytest.approx(closed.value)
    assert closed.interval.high - closed.value == pytest.approx(half, rel=0.03)


def test_the_bound_closes_the_whole_gap_and_the_floor_has_no_gain(tmp_path: Path, write: Any) -> None:
    write(DG, 50)
    write(SS, 90)
    found = gains(tmp_path)
    assert found["dg", "lora", "source_only", ()] == Gains()
    bound = found["ss", "lora", "source_only", ()]
    assert bound.gap_closed is not None
    assert bound.gap_closed.value == pytest.approx(100)
    assert bound.over_source_only is not None
    assert bound.over_source_only.value == pytest.approx(iou(90) - iou(50), abs=2e-3)


def test_a_seed_that_a_reference_lacks_does_not_count(tmp_path: Path, write: Any) -> None:
    write(DG, 50, 60, seeds=(0, 1))
    write(DA, 70, 90, seeds=(0, 5))
    own = gains(tmp_path)["da", "lora", "dacs", ()].over_source_only
    assert own is not None
    assert (own.seeds, own.value) == ((0,), pytest.approx(iou(70) - iou(50), abs=2e-3))


@pytest.mark.parametrize(
    ("reference", "options"),
    [
        (DG | {"method": "rein"}, {}),
        (DG | {"backbone": "other"}, {}),
        (DG | {"tuned": False}, {}),
        (DG, {"overrides": ["optim.lr=1"]}),
        (DG, {"overrides": ["bench.pipeline.fourier_mix=0.5"]}),
        (DG, {"protocol": {"version": 2}}),
        (DG, {"protocol": {"report_split": "south val"}}),
        (DG, {"protocol": {"inference": {"mode": "slide"}}}),
        (DG, {"seeds": (7,)}),
    ],
)
def test_a_run_that_differs_in_more_is_not_a_reference(
    tmp_path: Path, write: Any, reference: dict[str, Any], options: dict[str, Any]
) -> None:
    write(reference, 50, **options)
    write(DA, 70)
    assert gains(tmp_path)["da", "lora", "dacs", ()] == Gains()


def test_overrides_of_the_training_belong_to_the_row(tmp_path: Path, write: Any) -> None:
    write(DG, 50, overrides=["optim.lr=1"])
    write(DA, 70, overrides=["optim.lr=1", "strategy.align=0.0"])
    write(DG, 60, overrides=["optim.lr=1", "bench.pipeline.fourier_mix=0.5"])
    found = gains(tmp_path)
    own = found["da", "lora", "dacs", ("optim.lr=1", "strategy.align=0.0")].over_source_only
    mixed = found["dg", "lora", "source_only", ("optim.lr=1", "bench.pipeline.fourier_mix=0.5")].over_source_only
    assert own is not None
    assert mixed is not None
    assert (own.value, mixed.value) == pytest.approx((iou(70) - iou(50), iou(60) - iou(50)), abs=2e-3)


def test_over_frozen_is_within_one_setting_and_strategy(tmp_path: Path, write: Any) -> None:
    for setting, right in ((DG, 50), (DA, 60)):
        write(setting | {"method": "frozen"}, right)
        write(setting, right + 20)
        write(setting | {"method": "rein"}, right + 10, overrides=["model.backbone.adapter.query_dim=None"])
    found = gains(tmp_path)
    for setting, strategy, right in (("dg", "source_only", 50), ("da", "dacs", 60)):
        lora, frozen = (found[setting, method, strategy, ()].over_frozen for method in ("lora", "frozen"))
        rein = found[setting, "rein", strategy, ("model.backbone.adapter.query_dim=None",)].over_frozen
        assert frozen is None
        assert lora is not None
        assert rein is not None
        expected = (iou(right + 20) - iou(right), iou(right + 10) - iou(right))
        assert (lora.value, rein.value) == pytest.approx(expected, abs=2e-3)


def test_no_gap_where_the_labels_of_the_target_do_not_help(tmp_path: Path, write: Any) -> None:
    write(DG, 80)
    write(DA, 85)
    write(SS, 70)
    own = gains(tmp_path)["da", "lora", "dacs", ()]
    assert own.gap_closed is None
    assert own.over_source_only is not None


def test_other_tiles_leave_the_value_and_no_interval(tmp_path: Path, write: Any) -> None:
    write(DG, (50,) * 6)
    write(DA, (70,) * 5)
    own = gains(tmp_path)["da", "lora", "dacs", ()].over_source_only
    assert own is not None
    assert own.value == pytest.approx(iou(70) - iou(50), abs=2e-3)
    assert own.interval is None


def test_tiles_are_drawn_the_same_for_both(tmp_path: Path, write: Any) -> None:
    # Equally better on every tile, however hard it is: the interval of the difference is far narrower than the scores'.
    hard = (20, 40, 60, 80, 30, 70)
    write(DG, hard)
    write(DA, tuple(right + 1 for right in hard))
    own = gains(tmp_path)["da", "lora", "dacs", ()].over_source_only
    assert own is not None
    assert own.interval is not None
    assert 0 < own.interval.low <= own.value <= own.interval.high < 2
