"""A run against a log: the schedule, the curves, the spread and the verdict."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from rs_adapt.audit.verify.keys import Weight
from rs_adapt.audit.verify.mmengine_log import read_log
from rs_adapt.audit.verify.published import published_rows
from rs_adapt.audit.verify.record import Record
from rs_adapt.audit.verify.run_record import read_reference, read_run
from rs_adapt.audit.verify.scores import find_spread
from rs_adapt.audit.verify.verification import Verification, verify_against_log
from rs_adapt.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Write = Callable[..., Path]


def of_log(run: Path, log: Path) -> Verification:
    return verify_against_log(read_run(run), read_log(log))


def test_equal_run_and_log_are_consistent(write_run: Write, write_log: Write) -> None:
    found = of_log(write_run(), write_log())
    assert found.consistent
    assert found.verdict.startswith(
        "consistent: equal to the log's 54.00 (last); first difference: env_cfg.cudnn_benchmark"
    )
    check = found.configuration
    assert check is not None
    assert len(check.equal) >= 35
    assert [one.weight for one in check.differences] == [Weight.NO_EFFECT]
    assert "model.backbone.init_cfg.checkpoint" in check.not_compared
    assert "cell.method" in check.only_here
    assert not check.only_there
    assert found.schedule is not None
    assert found.schedule.num_equal == 400
    assert found.schedule.first_iteration is None
    assert found.loss is not None
    assert found.loss.median_ratio == pytest.approx(0.8)
    assert found.loss.windows == ("mean over the iterations since the previous line", "mean of the last 10 iterations")
    assert len(found.curve.points) == 10


def test_a_configuration_with_bases_is_compared_by_its_keys(write_run: Write, log_config: str, tmp_path: Path) -> None:
    run = write_run()
    (tmp_path / "base.py").write_text(log_config)
    path = tmp_path / "theirs.py"
    # As new-style configurations print it: the whole path of a type.
    path.write_text("_base_ = 'base.py'\noptim_wrapper = dict(optimizer=dict(type='torch.optim.AdamW', lr=1e-4))\n")
    found = verify_against_log(read_run(run), read_reference(path))
    assert found.configuration is not None
    assert found.consistent
    assert "optim_wrapper.optimizer.type" in found.configuration.equal
    assert "keys are compared, and no curve or score" in found.remarks[-1]
    path.write_text("_base_ = 'base.py'\noptim_wrapper = dict(optimizer=dict(lr=6e-5))\n")
    found = verify_against_log(read_run(run), read_reference(path))
    assert not found.consistent
    assert "first difference: optim.lr is 0.0001 here and 6e-05 there" in found.verdict
    path.write_text("x = open('y')\n")
    with pytest.raises(ConfigError, match=r"theirs\.py, line 1: .*Nothing in the file is executed"):
        read_reference(path)


def test_log_without_configuration_is_compared_by_its_curves(write_run: Write, write_log: Write) -> None:
    found = of_log(write_run(), write_log(config=None))
    assert found.configuration is None
    assert found.consistent
    assert "no configuration to compare" in found.verdict
    assert "holds no configuration" in found.remarks[0]


def test_schedule_that_differs_is_named_with_its_first_iteration(write_run: Write, write_log: Write) -> None:
    def faster(iteration: int) -> float:
        return 1e-4 * float(1 - (iteration - 1) / 19999) ** (0.9 if iteration <= 10000 else 1.0)

    found = of_log(write_run(rates=faster), write_log())
    assert found.schedule is not None
    assert found.schedule.first_iteration == 10050
    assert found.verdict.endswith("the learning rate differs from iteration 10050 on.")
    assert not found.consistent


def test_rounding_of_published_numbers_is_not_a_difference(write_run: Write, write_log: Write) -> None:
    def nearly(iteration: int) -> float:
        return 1e-4 * float(1 - (iteration - 1) / 19999) ** 0.9 * (1 + 1e-9)

    found = of_log(write_run(rates=nearly), write_log())
    assert found.schedule is not None
    assert found.schedule.first_iteration is None
    assert 0 < found.schedule.max_relative < 1e-4


def test_last_is_compared_with_last_and_best_with_best(
    write_run: Write, write_log: Write, log_scores: dict[int, float]
) -> None:
    # The run's best equals the log's last: compared silently, that would be no difference.
    here = {it: score - 6 for it, score in log_scores.items()} | {6000: 54.0}
    there = log_scores | {4000: 60.0}
    found = of_log(write_run(scores=here), write_log(scores=there))
    last, best = found.scores
    assert (last.selection, last.here_pct, last.there_pct, last.here_iteration) == ("last", 48.0, 54.0, 20000)
    assert (best.selection, best.here_pct, best.there_pct) == ("oracle", 54.0, 60.0)
    assert (best.here_iteration, best.there_iteration) == (6000, 4000)
    assert found.verdict.startswith("differs: 6.0 points below the log's 54.00 (last), outside [53.60, 54.00]")
    assert not found.consistent


def test_interval_of_the_run_is_the_spread_where_one_seed_is_known(
    write_run: Write, write_log: Write, log_scores: dict[int, float]
) -> None:
    here = {it: score - 1 for it, score in log_scores.items()}
    found = of_log(write_run(scores=here, interval=(51.5, 54.25)), write_log())
    last = found.scores[0]
    # The width of 2.75 around 54.0: not the interval's place relative to the run's score, which would move with it.
    assert (last.spread.low, last.spread.high) == pytest.approx((52.625, 55.375))
    assert "one seed, so the spread is unknown" in last.spread.basis
    assert "[51.50, 54.25]" in last.spread.basis
    assert last.within
    assert not last.spread.of_seeds
    assert not of_log(write_run(name="far", scores=here, interval=(52.8, 53.2)), write_log()).consistent


def test_a_headline_does_not_move_the_window(write_run: Write, write_log: Write) -> None:
    # Edited from 54.0 to 64.0 with the interval as it was: mirrored around the score, it would reach the 64.0.
    for last, within in ((54.0, True), (64.0, False)):
        record = read_run(write_run(name=f"run{last:.0f}", last=last, interval=(52.0, 56.0)))
        score = verify_against_log(record, read_log(write_log())).scores[0]
        assert (score.spread.low, score.spread.high) == (52.0, 56.0)
        assert score.within is within


def test_interval_of_a_reference_is_its_window(write_run: Write) -> None:
    few = {20000: 54.0}
    reference = read_run(write_run(name="reference", scores=few, interval=(53.5, 55.0)))
    narrow = read_run(write_run(name="narrow", scores={20000: 53.0}, interval=(52.9, 53.1)))
    score = verify_against_log(narrow, reference).scores[0]
    assert (score.spread.low, score.spread.high, score.within) == (53.5, 55.0, False)
    assert "the reference's interval [53.50, 55.00]" in score.spread.basis


@pytest.mark.parametrize("end", [50, 10000, 19950])
def test_part_of_a_training_is_not_the_training(write_run: Write, write_log: Write, end: int) -> None:
    # Equal in every iteration that both logs hold, and without a configuration that states the length.
    run = write_run(scores={20000: 54.0})
    lines = (run / "metrics.jsonl").read_text().splitlines()
    part = [line for line in lines if json.loads(line)["iter"] <= end]
    (run / "metrics.jsonl").write_text("\n".join(part) + "\n")
    log = read_log(write_log(config=None, scores={20000: 54.0}))
    for here, there in ((read_run(run), log), (log, read_run(run))):
        verification = verify_against_log(here, there)
        assert not verification.consistent
        assert verification.length is not None
        ends = (verification.length.here, verification.length.there)
        assert sorted(ends) == [end, 20000]
        assert f"trained to iteration {ends[0]} here and {ends[1]} there" in verification.verdict


def test_published_seeds_are_the_spread_where_there_are_some() -> None:
    rows = [row for row in published_rows() if row.seeds_pct and row.bench == "isprs_p2v"]
    run = Record(name="run", last_pct=63.0, interval_pct=(50.0, 70.0), interval_of_pct=63.0)
    spread = find_spread(run, None, rows, there_pct=63.23, bench="isprs_p2v")
    assert (spread.low, spread.high, spread.of_seeds) == (62.91, 63.77, True)
    assert spread.basis == "the 3 published seeds"


def test_validation_scores_are_compared_with_those_of_a_log(
    write_run: Write, write_log: Write, log_scores: dict[int, float]
) -> None:
    # The synthetic bench has test tiles of its own, and the log's evaluations are of validation tiles.
    scores = {100: 50.0, 200: 52.0}
    run = read_run(write_run("synthetic-dg", scores=scores, last=40.0, rates=lambda iteration: 1e-4))
    assert run.tested_apart
    assert run.last is not None
    assert run.last[0] == 40.0
    found = verify_against_log(run, read_log(write_log()))
    assert found.scores[0].here_pct == run.evaluations[-1].miou_pct
    assert "both scores belong to validation tiles" in found.remarks[0]
    assert not read_run(write_run(name="loveda")).tested_apart


def test_selections_of_a_result_are_read_where_it_has_them(write_run: Write, write_log: Write) -> None:
    run = write_run()
    result: dict[str, Any] = json.loads((run / "result.json").read_text())
    result["selections"] = {"last": {"miou_pct": 53.9, "iter": 20000}, "oracle": {"miou_pct": 54.1, "iter": 18000}}
    (run / "result.json").write_text(json.dumps(result))
    last, best = of_log(run, write_log()).scores
    assert (last.here_pct, best.here_pct, best.here_iteration) == (53.9, 54.1, 18000)


def test_result_of_a_different_selection_is_not_used_as_the_last(write_run: Write, write_log: Write) -> None:
    run = write_run(last=58.0, interval=(57.0, 59.0))
    result = json.loads((run / "result.json").read_text()) | {"headline": "oracle", "oracle": None}
    result["selections"] = {"last": {"miou_pct": 53.0, "iter": 20000}, "oracle": {"miou_pct": 58.0, "iter": 6000}}
    (run / "result.json").write_text(json.dumps(result))
    last, best = of_log(run, write_log()).scores
    assert (last.here_pct, best.here_pct, best.here_iteration) == (53.0, 58.0, 6000)
    assert (last.spread.low, last.spread.high) == (53.0, 55.0)
    assert "[57.00, 59.00]" in last.spread.basis


def test_unfinished_run_is_reported(write_run: Write, write_log: Write) -> None:
    found = of_log(write_run(finished=False), write_log())
    assert "not finished" in found.remarks[0]
    assert found.scores[0].here_pct == 54.0


def test_folder_without_run_and_damaged_run_are_errors(write_run: Write, tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    with pytest.raises(ConfigError, match="is not a run folder"):
        read_run(tmp_path / "nothing")
    run = write_run()
    (run / "metrics.jsonl").write_text('{"iter": 50, "lo')
    with pytest.raises(ConfigError, match="is damaged"):
        read_run(run)


def test_nothing_in_common_is_an_error(write_run: Write, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text('{"iter": 7, "loss": 1.0, "lr": 1e-4}\n')
    with pytest.raises(ConfigError, match="nothing in common"):
        of_log(write_run(), other)


def test_scores_of_different_names_are_not_compared() -> None:
    accuracy, miou = Record(name="a", last_pct=50.0, score_title="accuracy"), Record(name="b", last_pct=50.0)
    with pytest.raises(ConfigError, match="a is scored by accuracy, b by mIoU"):
        verify_against_log(accuracy, miou)
    assert verify_against_log(accuracy, replace(miou, score_title="accuracy")).score_title == "accuracy"
