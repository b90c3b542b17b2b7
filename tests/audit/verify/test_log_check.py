"""A log against itself: what its lines and its configuration determine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rs_adapt.audit.selfcheck.outcome import SelfCheck
from rs_adapt.audit.verify.log_check import check_log

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    WriteLog = Callable[..., Path]


def outcomes(check: SelfCheck) -> dict[str, str]:
    return {one.name: one.outcome.value for one in check.checks}


def detail(check: SelfCheck, name: str) -> str:
    (found,) = [one.detail for one in check.checks if one.name == name]
    return found


def test_a_whole_log_agrees_with_itself(write_log: WriteLog) -> None:
    check = check_log(write_log())
    assert set(outcomes(check).values()) == {"checked"}
    assert check.consistent
    assert detail(check, "learning rate") == "400 lines from the configuration"
    assert detail(check, "length") == "trained to iteration 20000 of 20000"


def test_best_and_last_are_told_with_their_distance(write_log: WriteLog) -> None:
    check = check_log(write_log(scores={2000: 50.0, 4000: 56.5, 20000: 53.25}))
    assert "best 56.50 at iteration 4000, last 53.25 at 20000" in detail(check, "best and last")
    assert "the best of 3 evaluations is 3.25 points above the last" in detail(check, "best and last")


def test_a_mean_that_is_not_that_of_its_classes_contradicts(write_log: WriteLog) -> None:
    log = write_log()
    log.write_text(log.read_text().replace("mIoU: 54.0000", "mIoU: 55.0000"))
    check = check_log(log)
    assert not check.consistent
    assert detail(check, "means") == "iteration 20000: mIoU is 55.00, the mean of its 7 classes 54.00."


def test_rates_that_the_configuration_does_not_give_contradict(write_log: WriteLog) -> None:
    check = check_log(write_log(("lr=0.0001", "lr=0.0002")))
    assert outcomes(check)["learning rate"] == "contradicts"
    assert "iteration 50: 9.9779e-05, where the configuration gives 1.99" in detail(check, "learning rate")
    check = check_log(write_log(("type='PolyLR'", "type='CosineAnnealingLR'")))
    assert outcomes(check)["learning rate"] == "cannot be checked"


def test_a_part_of_a_training_is_named(write_log: WriteLog) -> None:
    log = write_log()
    text = log.read_text()
    log.write_text(text[: text.index("[ 5000/20000]")])
    check = check_log(log)
    assert outcomes(check)["length"] == "cannot be checked"
    assert detail(check, "length") == "the log ends at iteration 4950 of 20000: a part of a training"
    assert check.consistent


def test_a_log_beyond_its_configuration_contradicts(write_log: WriteLog) -> None:
    check = check_log(write_log(("max_iters=20000", "max_iters=10000")))
    assert outcomes(check)["length"] == "contradicts"


def test_a_log_without_configuration_gives_what_is_left(write_log: WriteLog) -> None:
    found = outcomes(check_log(write_log(config=None)))
    assert found == {
        "means": "checked",
        "length": "cannot be checked",
        "learning rate": "cannot be checked",
        "best and last": "checked",
    }
