from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from rs_adapt.locks import exclusive, exclusive_folder, exclusive_if_free, is_locked

HOLDER = """
import sys
from pathlib import Path
from rs_adapt.locks import exclusive
with exclusive(Path(sys.argv[1])) as held:
    print(held, flush=True)
    sys.stdin.read()
"""


def test_one_process_holds_a_lock_until_it_is_killed(tmp_path: Path) -> None:
    lock = tmp_path / "a.lock"
    assert not is_locked(lock)
    assert not lock.exists()
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "True\n"
    assert is_locked(lock)
    with exclusive_if_free(lock) as descriptor:
        assert descriptor is None
    with exclusive(lock, on_wait=holder.kill) as is_held:
        assert is_held
    holder.communicate()
    with exclusive_if_free(lock) as descriptor:
        assert descriptor is not None
        assert is_locked(lock)
    assert not is_locked(lock)


def test_a_child_that_inherits_a_lock_holds_it(tmp_path: Path) -> None:
    lock = tmp_path / "a.lock"
    with exclusive_if_free(lock) as descriptor:
        assert descriptor is not None
        child = subprocess.Popen(
            [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE, pass_fds=(descriptor,)
        )
    assert is_locked(lock)
    child.communicate()
    assert not is_locked(lock)


def test_where_files_cannot_be_locked_everyone_gets_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int, *, blocking: bool) -> bool:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr("filelock.lock_descriptor", refuse)
    lock, leftover = tmp_path / ".a.lock", tmp_path / ".a.new-elsewhere-1-1"
    leftover.mkdir()
    with exclusive(lock) as is_held:
        assert not is_held
    with exclusive_if_free(lock) as descriptor:
        assert descriptor is not None
        assert not is_locked(lock)
    with exclusive_folder(tmp_path / "a"):
        assert leftover.exists()


def test_the_process_that_makes_a_folder_clears_leftovers(tmp_path: Path) -> None:
    for name in (".a.new-x1", ".a.old-host-1-2", ".ab.new-x"):
        (tmp_path / name).mkdir()
    with exclusive_folder(tmp_path / "a"):
        assert sorted(path.name for path in tmp_path.iterdir()) == [".a.lock", ".ab.new-x"]
