from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rs_adapt.launchers.stop import Stop
from rs_adapt.launching import STOPPED
from rs_adapt.sweeps.folder import read_state
from rs_adapt.sweeps.launch import build_order, train_command
from rs_adapt.sweeps.spec import LauncherSpec
from rs_adapt.sweeps.work import DONE, FAILED, Order, carry_out
from tests.sweeps.conftest import RESULT

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sweeps.conftest import Fake


@pytest.fixture
def order(fake: Fake) -> Order:
    cell = fake.expanded().cells[0]
    command = json.loads(fake.file.read_text().partition("command = ")[2].splitlines()[0])
    return build_order(cell, LauncherSpec(command=tuple(command)), retries=2, rerun=False)


def plan(*codes: int, result: bool = True) -> tuple[Callable[..., int], list[list[str]]]:
    """Return a stand-in for processes that ends with these codes in turn, and the list of what it was asked to run."""
    left, asked = list(codes), []

    def execute(argv: list[str], env: Any, log: Path, lock: int, stop: Stop) -> int:
        asked.append(argv)
        code = left.pop(0)
        if code == 0 and result:
            (log.parent / "result.json").write_text(RESULT)
        return code

    return execute, asked


def record(order: Order) -> dict[str, Any]:
    return json.loads((Path(order.folder) / "sweep_cell.json").read_text())


def test_a_cell_that_fails_twice_and_then_works_is_done(fake: Fake, order: Order) -> None:
    fake.how(fail={"frozen": 2})
    assert carry_out(order, stop=Stop()) == DONE
    assert len(fake.starts()) == 3
    told = record(order)
    assert (told["status"], told["attempts"], told["failures"]) == ("done", 3, 2)
    # The state of a failed attempt is gone on from once, and a second failure starts it anew.
    assert [start["resume"] for start in fake.starts()] == [False, True, False]


def test_a_cell_that_keeps_failing_stops_at_the_limit_with_its_error(fake: Fake, order: Order) -> None:
    fake.how(fail={"frozen": 9})
    assert carry_out(order, stop=Stop()) == FAILED
    told = record(order)
    assert (told["status"], told["attempts"], told["error"], told["exit_code"]) == ("failed", 3, "no luck this time", 1)
    assert told["started"] <= told["ended"]
    # Once it is given up it is left alone, unless somebody asks.
    assert carry_out(order, stop=Stop()) == FAILED
    assert len(fake.starts()) == 3
    fake.how()
    assert carry_out(replace(order, rerun=True), stop=Stop()) == DONE
    assert record(order)["attempts"] == 1


def test_wrong_input_is_not_tried_again(fake: Fake, order: Order) -> None:
    fake.how(fail={"frozen": 9}, code=2)
    assert carry_out(order, stop=Stop()) == FAILED
    assert len(fake.starts()) == 1


def test_a_wrong_configuration_of_several_processes_is_not_tried_again(order: Order) -> None:
    wrong = train_command(LauncherSpec(processes_per_cell=2), ["--bench", "nowhere-da"])
    assert carry_out(replace(order, command=wrong), stop=Stop()) == FAILED
    told = record(order)
    assert (told["exit_code"], told["attempts"]) == (2, 1)
    assert "nowhere-da" in told["error"]


def test_a_done_cell_is_not_started(order: Order) -> None:
    execute, asked = plan(0)
    assert carry_out(order, stop=Stop(), execute=execute) == DONE
    assert carry_out(order, stop=Stop(), execute=execute) == DONE
    assert len(asked) == 1


def test_a_stale_result_is_replaced_only_on_request(order: Order) -> None:
    execute, asked = plan(0, 0)
    carry_out(order, stop=Stop(), execute=execute)
    other = replace(order, digest="other", identity={"optim.lr": 1})
    assert carry_out(other, stop=Stop(), execute=execute) == FAILED
    assert len(asked) == 1
    assert carry_out(replace(other, rerun=True), stop=Stop(), execute=execute) == DONE
    assert record(order)["digest"] == "other"


def test_an_old_result_does_not_count_for_a_run_that_fails_at_once(order: Order) -> None:
    execute, _ = plan(0, 2)
    carry_out(order, stop=Stop(), execute=execute)
    other = replace(order, digest="other", rerun=True)
    assert carry_out(other, stop=Stop(), execute=execute) == FAILED
    assert read_state(Path(order.folder), digest="other", identity={}).status == "failed"


def test_a_command_without_result_has_failed(order: Order) -> None:
    execute, _ = plan(0, result=False)
    assert carry_out(replace(order, retries=0), stop=Stop(), execute=execute) == FAILED
    assert record(order)["error"] == "the command ended without result.json"


def test_a_command_that_does_not_exist_is_named(order: Order) -> None:
    wrong = replace(order, command=("no-such-program", "train"))
    assert carry_out(wrong, stop=Stop()) == FAILED
    assert record(order)["error"] == "no-such-program cannot be started: No such file or directory"


def test_a_stopped_cell_can_be_resumed(fake: Fake, order: Order) -> None:
    fake.how(steps=200, step_s=0.02)
    stop, codes = Stop(), []
    thread = threading.Thread(target=lambda: codes.append(carry_out(order, stop=stop)))
    thread.start()
    folder = Path(order.folder)
    fake.wait_for(lambda: (folder / "state.pth").is_file() and bool((folder / "state.pth").read_text()))
    stop()
    thread.join(timeout=30)
    assert codes == [STOPPED]
    assert record(order)["status"] == "interrupted"
    fake.how(steps=3 + int((folder / "state.pth").read_text()))
    assert carry_out(order, stop=Stop()) == DONE
    assert [start["resume"] for start in fake.starts()] == [False, True]
    result = json.loads((folder / "result.json").read_text())
    assert result["miou_pct"] == len((folder / "metrics.jsonl").read_text().splitlines())
