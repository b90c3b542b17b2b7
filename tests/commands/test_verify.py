"""`rs-adapt verify`: the verdict first, JSON, and exit codes, on a run that was trained here."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import pytest

from rs_adapt.commands import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Verify = Callable[..., tuple[int, str, str]]


@pytest.fixture
def verify(capsys: pytest.CaptureFixture[str]) -> Verify:
    """Return a function that verifies and gives the exit code, stdout and stderr."""

    def run(*arguments: Any) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stop:
            main(["verify", *map(str, arguments)])
        shown = capsys.readouterr()
        return int(stop.value.code or 0), shown.out, shown.err

    return run


@pytest.fixture
def trained(train: Any, tmp_path: Path) -> Path:
    """Train the small cell for two iterations, whose score is no number where no class is met."""
    assert train()[0] == 0
    return tmp_path / "run"


def test_a_log_alone_is_checked_against_itself(verify: Verify, tmp_path: Path) -> None:
    stamp = "2025/01/01 12:00:00 - mmengine - INFO - "
    log = tmp_path / "20250101_120000.log"
    lines = [f"{stamp}Iter(train) [ {number}/4]  lr: 1.0000e-04  loss: 2.0" for number in (2, 4)]
    table = ["| Class | IoU  | Acc  |", "| road  | 40.0 | 50.0 |", "| water | 60.0 | 70.0 |"]
    log.write_text("\n".join([*lines, *table, f"{stamp}Iter(val) [1/1]    aAcc: 60.0000  mIoU: 50.0000", ""]))
    code, out, err = verify(log)
    assert (code, err) == (0, "")
    assert out.startswith("no contradiction in 2 checks; 2 cannot be checked.")
    log.write_text(log.read_text().replace("mIoU: 50.0000", "mIoU: 58.0000"))
    code, out, err = verify(log)
    assert (code, err) == (1, "")
    assert out.startswith("contradicts itself: means")
    log.write_text("a diary\n")
    code, out, err = verify(log)
    assert (code, out) == (2, "")
    assert "cannot be read as a training log" in err


def test_run_against_its_own_log_and_changed_ones(trained: Path, verify: Verify, tmp_path: Path) -> None:
    code, out, err = verify(trained, "--against", trained / "train.log")
    assert (code, err) == (0, "")
    assert out.startswith("consistent: equal to the log's ")
    assert "none of " in out.splitlines()[0]
    assert "learning rate: equal within the printed digits at" in out

    changed = tmp_path / "changed.log"
    text = (trained / "train.log").read_text()
    assert "optimizer=dict(type='AdamW', lr=0.0001" in text
    changed.write_text(text.replace("optimizer=dict(type='AdamW', lr=0.0001", "optimizer=dict(type='AdamW', lr=0.0002"))
    code, out, err = verify(trained, "--against", changed)
    assert (code, err) == (1, "")
    first = "first difference: optim.lr is 0.0001 here and 0.0002 there (different optimizer steps)"
    assert first in out.splitlines()[0]

    code, out, err = verify(trained, "--against", changed, "--json")
    assert (code, err) == (1, "")
    found = json.loads(out, parse_constant=lambda constant: math.nan)
    assert found["consistent"] is False
    assert found["configuration"]["differences"][0] == {
        "key": "optim.lr",
        "here": 0.0001,
        "there": 0.0002,
        "weight": "matters",
        "consequence": "different optimizer steps",
    }
    assert found["scores"][0]["points"] == pytest.approx(0, abs=1e-3)

    # Another run of ours as the reference: here the same one.
    assert verify(trained, "--against", trained)[0] == 0

    code, out, err = verify(trained, "--against", "paper")
    assert (code, out) == (2, "")
    assert err.startswith(
        "error: There are no published scores for loveda-r2u-da with the method earth_adapter on dinov2_nano. "
    )
    assert "da earth_adapter on dinov2_l" in err

    hostile = tmp_path / "hostile.log"
    hostile.write_text(text.replace("log_level = 'INFO'", "log_level = print('run')"))
    code, out, err = verify(trained, "--against", hostile)
    assert (code, out) == (2, "")
    assert "`log_level = print('run')`: print(...) is not computed" in err
    _check_against_itself(trained, verify)


def _check_against_itself(trained: Path, verify: Verify) -> None:
    code, out, _ = verify(trained, "--json")
    assert code == 0
    checks = {check["name"]: check for check in json.loads(out)["checks"]}
    assert {name: check["outcome"] for name, check in checks.items()} == dict.fromkeys(checks, "checked") | {
        "order of the samples": "cannot be checked"
    }
    # LoveDA's test tiles are its validation tiles, so the curve is compared with stored matrices.
    assert "against matrices" in checks["curve"]["detail"]
    metrics = (trained / "metrics.jsonl").read_text()
    line = json.loads(metrics.splitlines()[-1])
    # All numbers of the line are changed alike, so that its mean is that of its classes.
    values = [value for value in line["iou_pct"].values() if value is not None]
    line["iou_pct"] = {name: None if value is None else value + 1 for name, value in line["iou_pct"].items()}
    line["miou_pct"] = sum(values) / len(values) + 1
    (trained / "metrics.jsonl").write_text("\n".join([*metrics.splitlines()[:-1], json.dumps(line)]) + "\n")
    code, out, _ = verify(trained)
    assert code == 1
    assert out.startswith("contradicts itself: hashes, selections, curve")
    (trained / "metrics.jsonl").write_text(metrics)
    assert verify(trained)[0] == 0


def test_wrong_input_is_exit_code_2(verify: Verify, tmp_path: Path) -> None:
    code, out, err = verify(tmp_path, "--against", "paper")
    assert (code, out) == (2, "")
    assert "is not a run folder" in err
    assert verify(tmp_path)[0] == 2
