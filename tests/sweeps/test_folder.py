from __future__ import annotations

import subprocess
import sys
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest

from rs_adapt.config.wording import without_wording
from rs_adapt.files import write_json
from rs_adapt.runs.clearing import clear_run
from rs_adapt.runs.records import SweepCellRecord
from rs_adapt.sweeps.folder import (
    can_resume,
    config_sha256,
    is_cell_locked,
    lock_cell,
    read_last_error,
    read_state,
)
from rs_adapt.sweeps.identity import hash_identity
from tests.sweeps.conftest import RESULT, manifest_hash

if TYPE_CHECKING:
    from pathlib import Path

HOLDER = """
import sys
from pathlib import Path
from rs_adapt.sweeps.folder import lock_cell
with lock_cell(Path(sys.argv[1])) as lock:
    print("held" if lock is not None else "busy", flush=True)
    sys.stdin.read()
"""


def state(folder: Path, **changes: Any) -> Any:
    return read_state(folder, digest="now", identity={"optim.lr": 2}, **changes)


@pytest.mark.parametrize("file", ["result.json", "sweep_cell.json"])
def test_what_a_newer_version_wrote_is_not_run_again(tmp_path: Path, file: str) -> None:
    write_json(tmp_path / "sweep_cell.json", {"digest": "now"})
    (tmp_path / "result.json").write_text(RESULT)
    assert state(tmp_path).status == "done"
    write_json(tmp_path / file, {"format": 2})
    read = state(tmp_path)
    assert (read.status, read.note) == (
        "stale",
        f"its {file} has format 2, and this version reads format 1; update rs-adapt",
    )


@pytest.mark.parametrize(
    ("record", "files", "status", "note"),
    [
        ({}, [], "missing", ""),
        ({"digest": "now"}, ["result.json"], "done", ""),
        ({"digest": "old", "identity": {"optim.lr": 1}}, ["result.json"], "stale", "was run with optim.lr: 1 -> 2"),
        ({}, ["result.json"], "stale", "was not run by a sweep"),
        ({"digest": "now", "status": "failed", "error": "no disk"}, ["state.pth"], "failed", "no disk"),
        ({"digest": "old", "status": "failed"}, [], "missing", ""),
        ({"digest": "now", "status": "running"}, ["state.pth", "metrics.jsonl"], "interrupted", "iteration 7"),
        ({"digest": "old", "status": "running"}, ["state.pth"], "missing", ""),
        ({"digest": "now", "status": "running"}, [], "missing", "stopped before anything was saved"),
    ],
)
def test_states_follow_from_the_files(
    tmp_path: Path, record: dict[str, Any], files: list[str], status: str, note: str
) -> None:
    if record:
        write_json(tmp_path / "sweep_cell.json", record)
    for name in files:
        (tmp_path / name).write_text(f"{RESULT}\n")
    found = state(tmp_path)
    assert (found.status, found.note) == (status, note)


def test_a_run_outside_the_sweep_is_not_a_result_of_the_sweep(tmp_path: Path) -> None:
    (tmp_path / "config.py").write_text("a = 1\n")
    (tmp_path / "result.json").write_text(RESULT)
    write_json(tmp_path / "sweep_cell.json", {"digest": "now", "ran_config_sha256": config_sha256(tmp_path)})
    assert state(tmp_path).status == "done"
    (tmp_path / "config.py").write_text("a = 2\n")
    assert (state(tmp_path).status, state(tmp_path).note[:32]) == ("stale", "the run was repeated outside the")


def test_a_folder_that_is_not_there_is_missing(tmp_path: Path) -> None:
    assert state(tmp_path / "none").status == "missing"
    assert not (tmp_path / "none").exists()


def test_a_damaged_record_counts_as_missing(tmp_path: Path) -> None:
    (tmp_path / "sweep_cell.json").write_text('{"digest": "no')
    assert state(tmp_path).status == "missing"
    assert state(tmp_path).record == SweepCellRecord()


def test_one_process_holds_a_cell_until_it_dies(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdin is not None
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    assert is_cell_locked(tmp_path)
    assert state(tmp_path).status == "running"
    with lock_cell(tmp_path) as lock:
        assert lock is None
    holder.kill()
    holder.communicate()
    assert not is_cell_locked(tmp_path)
    with lock_cell(tmp_path) as lock:
        assert lock is not None


def test_a_state_under_a_different_configuration_is_not_resumed(tmp_path: Path) -> None:
    (tmp_path / "config.py").write_text("a = 1\n")
    wanted = str(config_sha256(tmp_path))
    assert not can_resume(tmp_path, wanted)
    (tmp_path / "state.pth").touch()
    assert can_resume(tmp_path, wanted)
    (tmp_path / "config.py").write_text("a = 2\n")
    assert not can_resume(tmp_path, wanted)


def test_a_state_is_resumed_under_a_new_wording(tmp_path: Path) -> None:
    (tmp_path / "state.pth").touch()
    (tmp_path / "config.py").write_text("bench = dict(how_to_get='Ask.', tile_px=64)\n")
    texts = [f"bench = dict(how_to_get='{words}', tile_px={px})\n" for words, px in (("Write.", 64), ("Ask.", 32))]
    wanted = [sha256(without_wording(text, file="config.py").encode()).hexdigest() for text in texts]
    assert [can_resume(tmp_path, one) for one in wanted] == [True, False]
    (tmp_path / "config.py").write_text("bench = dict(")
    assert not can_resume(tmp_path, wanted[0])


@pytest.mark.parametrize(
    ("files", "status"),
    [(["result.json"], "done"), (["state.pth"], "interrupted")],
)
def test_cells_whose_manifest_was_hashed_with_its_note_stay(tmp_path: Path, files: list[str], status: str) -> None:
    with_note = {"optim.lr": 2, "data.loveda": manifest_hash("loveda", note=True)}
    now = with_note | {"data.loveda": manifest_hash("loveda", note=False)}
    assert now != with_note
    for name in files:
        (tmp_path / name).write_text(f"{RESULT}\n")

    def status_of(stored: dict[str, Any]) -> str:
        write_json(tmp_path / "sweep_cell.json", {"digest": hash_identity(stored), "identity": stored})
        return read_state(tmp_path, digest=hash_identity(now), identity=now).status

    assert status_of(with_note) == status
    assert status_of(now) == status
    changed = "stale" if status == "done" else "missing"
    assert status_of(with_note | {"optim.lr": 1}) == changed
    assert status_of(with_note | {"data.loveda": "0" * 16}) == changed


def test_clearing_leaves_the_files_of_the_sweep(tmp_path: Path) -> None:
    (tmp_path / "packs" / "iter5").mkdir(parents=True)
    for name in ("result.json", "sweep_cell.json", "sweep.log", "sweep.lock"):
        (tmp_path / name).touch()
    clear_run(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sweep.lock", "sweep.log", "sweep_cell.json"]


def test_the_last_error_comes_from_the_last_attempt(tmp_path: Path) -> None:
    log = tmp_path / "sweep.log"
    log.write_text("error: first\n")
    start = log.stat().st_size
    with log.open("a") as out:
        out.write("warming up\nerror: second\nFiles: x\n")
    assert read_last_error(log, start) == "second"
    log.write_text("Traceback\n  x\nValueError: third\n\n")
    assert read_last_error(log) == "ValueError: third"
    assert read_last_error(tmp_path / "none") == ""


CELL = '{"bench":"b","setting":"da","method":"m","backbone":"n","head":"h","strategy":"s","seed":0}'
NO_SELECTION = f'{{"cell":{CELL},"headline":"xxx","selections":{{"last":null}}}}'


@pytest.mark.parametrize("text", ["", "{", "[" * 5000, '{"miou_pct": NaN}', NO_SELECTION])
def test_a_damaged_result_is_named_and_made_again(tmp_path: Path, text: str) -> None:
    write_json(tmp_path / "sweep_cell.json", {"digest": "now", "status": "done"})
    (tmp_path / "result.json").write_text(text)
    found = state(tmp_path)
    assert (found.status, found.note) == ("missing", "its result.json is damaged; it starts from scratch")
