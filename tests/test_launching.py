"""Children that fail or hang: one exit code, and nobody is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from rs_adapt import launching
from rs_adapt.launching import module_path, python_command, safe_path
from rs_adapt.signals import STOP_SIGNALS, handle_signals


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


def test_a_process_that_is_waited_for_gets_a_text_and_gives_what_it_prints() -> None:
    code = "import sys; print(sys.stdin.read()[::-1]); print('hm', file=sys.stderr); sys.exit(3)"
    assert launching.run_and_wait([sys.executable, "-c", code], env={}, text="abc") == (3, "cba\n", "hm\n")
    with pytest.raises(subprocess.TimeoutExpired):
        launching.run_and_wait([sys.executable, "-c", "import time; time.sleep(600)"], env={}, timeout_s=0.2)


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


def test_a_program_behind_another_one_ends_with_its_parent(tmp_path: Path) -> None:
    """The program in between dies without a word; the pipe reaches the one behind it."""
    said = tmp_path / "said"
    inner = (
        "import signal, sys, time\nfrom pathlib import Path\nfrom rs_adapt.launching import watch_parent\n"
        f"def save(*_):\n    Path({str(said)!r}).write_text('saved')\n    sys.exit()\n"
        "signal.signal(signal.SIGTERM, save)\nwatch_parent()\n"
        f"Path({str(said)!r}).write_text('started')\ntime.sleep(600)"
    )
    (tmp_path / "inner.py").write_text(inner)
    code = (
        "import os, sys, time\nfrom pathlib import Path\nfrom rs_adapt.launching import start_process\n"
        f"start_process(['sh', '-c', '{sys.executable} {tmp_path / 'inner.py'} & wait'], env={{}})\n"
        f"while not Path({str(said)!r}).exists():\n    time.sleep(0.02)\n"
        "os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code], check=False)
    until = time.monotonic() + 30
    while said.read_text() != "saved":
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.mark.parametrize("text", ["", "x:y", "0:1", "999:1"])
def test_a_variable_of_somebody_else_is_not_watched(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RS_ADAPT_PARENT_PIPE", text)
    before = threading.active_count()
    launching.watch_parent()
    assert threading.active_count() == before
    assert "RS_ADAPT_PARENT_PIPE" not in os.environ


def test_a_hangup_is_a_request_to_stop_unless_it_is_ignored() -> None:
    before = signal.getsignal(signal.SIGHUP)
    numbers: list[int] = []
    try:
        # The tests themselves may run under `nohup`.
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        with handle_signals(STOP_SIGNALS, lambda number, frame: numbers.append(number)):
            os.kill(os.getpid(), signal.SIGHUP)
        assert numbers == [signal.SIGHUP]
        # As `nohup` starts a program.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        with handle_signals(STOP_SIGNALS, lambda number, frame: numbers.append(number)):
            os.kill(os.getpid(), signal.SIGHUP)
        assert numbers == [signal.SIGHUP]
    finally:
        signal.signal(signal.SIGHUP, before)


def test_messages_to_a_lost_terminal_do_not_fail() -> None:
    code = (
        "import os, pty\nfrom rs_adapt.signals import drop_lost_output\nmaster, slave = os.openpty()\n"
        "os.dup2(slave, 1)\nos.close(slave)\ndrop_lost_output()\nassert os.isatty(1)\nos.close(master)\n"
        "drop_lost_output()\nprint('gone', flush=True)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("start", [python_command("rs_adapt"), (sys.executable, "-m", "rs_adapt")])
def test_files_in_the_current_folder_are_not_run(tmp_path: Path, start: tuple[str, ...]) -> None:
    for name in ("shlex", "typer", "json", "tomllib", "rs_adapt"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'a').write({name!r})")
    if start[1] == "-m":
        # Without -P, Python itself looks for the package there.
        (tmp_path / "rs_adapt.py").unlink()
    command = [*start, "list", "heads"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "linear" in done.stdout
    assert not (tmp_path / "ran").exists()


def test_a_checkout_that_is_not_installed_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    root = str(Path(launching.__file__).parents[1])
    monkeypatch.setenv("PYTHONPATH", f"/x::{root}")
    assert module_path() == {"PYTHONPATH": f"/x:{root}"}


def test_libraries_start_python_without_the_current_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    for before in (None, ""):
        monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
        if before is not None:
            monkeypatch.setenv("PYTHONSAFEPATH", before)
        with safe_path():
            assert os.environ["PYTHONSAFEPATH"] == "1"
        assert os.environ.get("PYTHONSAFEPATH") == before
