"""Runs against what is published for their cell: logs first, then tables, each by its own selection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from rs_adapt.audit.verify.published import published_runs
from rs_adapt.audit.verify.run_record import read_run
from rs_adapt.audit.verify.verification import verify_against_paper

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Write = Callable[..., Path]


@pytest.mark.parametrize("published", published_runs(), ids=lambda one: one.name)
def test_run_with_the_published_curves_is_consistent_with_the_paper(write_run: Write, published: Any) -> None:
    scores = {one.iteration: one.miou_pct for one in published.record.evaluations}
    run = write_run(published.bench.replace("_", "-") + f"-{published.setting}", scores=scores)
    found = verify_against_paper(read_run(run))
    assert found.consistent
    last, best = found.scores
    assert (last.points, best.points) == (0, 0)
    assert (last.selection, best.selection) == ("last", "oracle")
    assert found.verdict.startswith(f"consistent: equal to the published {last.there_pct:.2f} (last); ")
    assert found.schedule is not None
    assert found.schedule.num_equal == 400
    assert found.schedule.first_iteration is None
    assert {row.table for row in found.also_published} >= {f"earth_adapter_{published.setting}"}


def test_paper_of_a_run_far_below_it(write_run: Write) -> None:
    run = write_run("loveda-da", scores=dict.fromkeys(range(2000, 20001, 2000), 52.5), overrides=["optim.lr=6e-5"])
    found = verify_against_paper(read_run(run))
    assert found.verdict == (
        "differs: 3.1 points below the published 55.60 (last), outside [55.60, 55.90]; first difference: "
        "optim.lr is 6e-05 here and 0.0001 there (different optimizer steps)."
    )
    assert not found.consistent


def test_table_without_log_is_compared_by_its_own_selection(write_run: Write) -> None:
    scores = dict.fromkeys(range(2000, 20001, 2000), 50.0) | {4000: 55.5}
    found = verify_against_paper(read_run(write_run("loveda-dg", method="rein", scores=scores)))
    (score,) = found.scores
    # The table shows the best on target labels; the run's last, 50.0, is not what stands beside it.
    assert (score.selection, score.here_pct, score.there_pct) == ("oracle", 55.5, 55.8)
    assert (
        "4.51 points to both sides, the range of the 3 published seeds of uda_for_rs on isprs_v2p" in score.spread.basis
    )
    assert "(best on target labels)" in found.verdict
    assert found.schedule is None
    assert found.consistent


def test_a_selection_that_is_not_stated_is_reported(write_run: Write) -> None:
    scores = {3000: 70.0, 30000: 60.0}
    run = write_run("isprs-irrg-dg", method="rein", scores=scores, rates=lambda iteration: 1e-4)
    found = verify_against_paper(read_run(run))
    (score,) = found.scores
    assert (score.selection, score.here_pct, score.there_pct) == ("unknown", 60.0, 60.3)
    assert "(checkpoint not stated)" in found.verdict


def test_a_head_other_than_the_published_one_is_a_difference(write_run: Write) -> None:
    found = verify_against_paper(read_run(write_run("loveda-dg", head="linear")))
    assert found.configuration is not None
    assert found.configuration.first is not None
    assert found.configuration.first.key == "cell.head"
    assert not found.consistent


def test_contradictions_in_a_publication_are_reported(write_run: Write) -> None:
    found = verify_against_paper(read_run(write_run("loveda-u2r-da", method="rein")))
    assert any("26.0 here and 29.2 in the table of IoU by class" in remark for remark in found.remarks)
    assert [row.miou_pct for row in found.also_published] == [29.2]
