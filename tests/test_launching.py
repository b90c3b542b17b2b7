"""Children that fail or hang: one exit code, and nobody is left behind."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from rs_adapt import launching


def child(code: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", code])


@pytest.mark.parametrize(
    ("codes", "expected"), [([0, 0], 0), ([130, 130], 130), ([0, 2], 2), ([-9, 1], 137), ([1, -15], 1)]
)
def test_the_first_failure_gives_the_exit_code(codes: list[int], expected: int) -> None:
    assert launching._group_exit_code(codes) == expected


def test_processes_that_outlive_a_failed_one_are_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launching, "_GRACE_S", 0.2)
    codes = launching._wait_for_all([child("import time; time.sleep(600)"), child("raise SystemExit(3)")])
    assert codes == [-9, 3]


def test_a_group_returns_the_exit_code_of_its_processes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Stand in for the command line with a program that notes what it sees and ends with the code of its argument."""
    program = tmp_path / "rs_adapt" / "__main__.py"
    program.parent.mkdir()
    (program.parent / "__init__.py").touch()
    program.write_text(
        "import os, sys\nfrom pathlib import Path\nnames = ('RANK', 'LOCAL_RANK', 'WORLD_SIZE', 'MASTER_PORT')\n"
        "rank, local_rank, size, port = (os.environ[name] for name in names)\n"
        "assert rank == local_rank and int(port)\n"
        "Path(sys.argv[1], rank).write_text(size)\nsys.exit(int(sys.argv[2 + int(rank)]))\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert launching.launch_group([str(tmp_path), "0", "0"], 2) == 0
    assert [(tmp_path / rank).read_text() for rank in "01"] == ["2", "2"]
    assert launching.launch_group([str(tmp_path), "0", "2"], 2) == 2


def test_a_child_ends_with_its_parent() -> None:
    code = (
        "import subprocess, sys, os\nfrom rs_adapt.launching import start_process\n"
        "child = start_process([sys.executable, '-c', 'import time; time.sleep(600)'], env={})\n"
        "print(child.pid, flush=True)\nos.kill(os.getpid(), 9)"
    )
    pid = int(subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=False).stdout)
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            break
        if state == "Z":
            break
        time.sleep(0.05)
    else:
        raise AssertionError("the child outlived its parent")
