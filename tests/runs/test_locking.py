"""The lock of a run folder, between processes: who holds it, who shares it, who works under it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rs_adapt.errors import OutputExists
from rs_adapt.launching import start_process
from rs_adapt.runs.folder import check_run_folder, lock_run_folder
from rs_adapt.runs.locking import (
    inherited_locks,
    is_run_locked,
    lock_output,
    lock_run,
    lock_variables,
    refuse_locked_run,
    share_run,
    try_to_lock_run,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

# Takes the lock in the way of the first argument, says so, and waits to be ended.
PROGRAM = """
import sys
from pathlib import Path
from rs_adapt.errors import OutputExists
from rs_adapt.runs import locking
locking.inherited_locks()
try:
    with getattr(locking, sys.argv[1])(Path(sys.argv[2])):
        print("held", flush=True)
        sys.stdin.read()
except OutputExists as error:
    print(error)
"""


@contextmanager
def process(kind: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Run the program until the end of the block, then kill it."""
    started = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, kind, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert started.stdout is not None
    assert started.stdout.readline() == "held\n"
    try:
        yield started
    finally:
        started.kill()
        started.communicate()


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    (folder / "packs" / "iter5").mkdir(parents=True)
    (folder / "cell.json").write_text("{}")
    return folder


def test_one_process_trains_in_a_folder_until_it_is_killed(run: Path) -> None:
    before = sorted(run.iterdir())
    with process("lock_run", run) as holder:
        sentence = rf"/run is in use by process {holder.pid}, so nothing is done there\. Wait until it has ended"
        for options in ({"resume": True}, {"overwrite": True}, {}):
            with pytest.raises(OutputExists, match=sentence):
                check_run_folder(run, cfg_text="", **{"resume": False, "overwrite": False, **options})
        for lock in (share_run, lock_run_folder):
            with pytest.raises(OutputExists, match=sentence), lock(run):
                pass
        with pytest.raises(OutputExists, match=sentence), share_run(run / "packs" / "iter5"):
            pass
    # The file stays where its holder was killed, and the next holder removes it.
    assert (run / "run.lock").is_file()
    refuse_locked_run(run)
    with lock_run(run), lock_run(run), share_run(run):
        assert is_run_locked(run)
        refuse_locked_run(run)
    assert sorted(run.iterdir()) == before
    with suppress(RuntimeError), lock_run(run):
        raise RuntimeError
    assert sorted(run.iterdir()) == before


def test_those_that_read_a_run_share_it(run: Path) -> None:
    with process("share_run", run) as holder:
        with share_run(run):
            pass
        with pytest.raises(OutputExists, match=f"in use by process {holder.pid}"), lock_run(run):
            pass
        # Whoever leaves first does not take the lock from the others.
        assert is_run_locked(run)
    with lock_run(run):
        pass


def test_a_folder_that_is_no_run_is_not_locked(tmp_path: Path) -> None:
    with share_run(tmp_path):
        assert not list(tmp_path.iterdir())


def test_output_has_one_writer(tmp_path: Path) -> None:
    out = tmp_path / "eval" / "x"
    with lock_output(out):
        assert is_run_locked(out)
    assert not list(tmp_path.iterdir())
    with lock_output(out):
        (out / "result.json").touch()
    assert [path.name for path in out.iterdir()] == ["result.json"]
    with process("lock_output", out), pytest.raises(OutputExists, match="is in use by process"), lock_output(out):
        pass


def test_a_child_works_under_the_lock_and_keeps_it_when_its_parent_is_gone(run: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, "lock_run", str(run)]
    with try_to_lock_run(run) as lock:
        assert lock is not None
        variables = lock_variables(lock)
        with (run / "out").open("wb") as out:
            child = start_process(command, env=variables, output=out, stdin=subprocess.PIPE, pass_fds=(lock,))
        while (run / "out").read_text() != "held\n":
            assert child.poll() is None
        # A program in between may close all descriptors: the lock's word is enough.
        without = subprocess.run(
            command, env=os.environ | variables, input="", capture_output=True, text=True, check=True
        )
        assert without.stdout == "held\n"
        stranger = subprocess.run(command, input="", capture_output=True, text=True, check=True)
        assert f"is in use by process {child.pid}" in stranger.stdout
    assert is_run_locked(run)
    child.communicate()
    assert not is_run_locked(run)


def test_a_process_that_loads_images_does_not_hold_the_lock(run: Path) -> None:
    with lock_run(run):
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(writing)
            os.read(reading, 1)
            os._exit(0)
    assert not is_run_locked(run)
    os.write(writing, b"x")
    os.waitpid(child, 0)
    os.close(reading)
    os.close(writing)


@pytest.mark.parametrize("text", ["", "7", "x:y", "999:word", "0:word"])
def test_a_variable_of_somebody_else_gives_no_lock(text: str, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RS_ADAPT_RUN_LOCK", text)
    assert inherited_locks() == ()
    with process("lock_run", run):
        content = json.loads((run / "run.lock").read_text())
        assert {"pid", "host", "token"} == content.keys()
        with pytest.raises(OutputExists):
            refuse_locked_run(run)
