"""Threads of torch: which number is chosen, who may overrule it, and how they wait."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from rs_adapt import threads
from rs_adapt.api.configuration import compose
from rs_adapt.engine.train import train
from rs_adapt.errors import ConfigError
from rs_adapt.runs.folder import recorded_threads
from rs_adapt.runs.records import RunStart

_VARIABLES = (threads.VARIABLE, "OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """Give each test an environment without settings of threads, and put back those that were there."""
    before, number = {name: os.environ.pop(name, None) for name in _VARIABLES}, torch.get_num_threads()
    yield
    torch.set_num_threads(number)
    for name, value in before.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value


@pytest.mark.parametrize(
    ("width", "on_gpu", "recorded", "given", "expected"),
    [
        (192, False, None, None, 1),
        (384, False, None, None, 3),
        (None, False, None, None, 3),
        (192, True, None, None, 3),
        (192, False, 2, None, 2),
        (384, False, 2, None, 2),
        (192, False, 2, "3", 3),
    ],
)
def test_the_number_suits_the_model(
    width: int | None, on_gpu: bool, recorded: int | None, given: str | None, expected: int
) -> None:
    torch.set_num_threads(3)
    if given is not None:
        os.environ[threads.VARIABLE] = given
    with threads.automatic_threads(width=width, on_gpu=on_gpu, recorded=recorded):
        assert torch.get_num_threads() == expected
    assert torch.get_num_threads() == 3


def test_an_option_sets_this_process_and_its_children() -> None:
    threads.set_threads("2")
    assert (torch.get_num_threads(), os.environ[threads.VARIABLE]) == (2, "2")
    assert threads.threads_per_process(8, 2) == 2
    threads.set_threads("auto")
    assert os.environ[threads.VARIABLE] == "2"


def test_processes_divide_the_cores() -> None:
    assert [threads.threads_per_process(8, processes) for processes in (1, 3, 9)] == [8, 2, 1]


@pytest.mark.parametrize("text", ["0", "-1", "two", "1025", "1.5", "", "99999999999999999999", "²"])
def test_other_words_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="Allowed: auto, or a number from 1 to 1024"):
        threads.set_threads(text)


def test_threads_sleep_while_they_wait_unless_the_user_chose(monkeypatch: pytest.MonkeyPatch) -> None:
    threads.wait_passively()
    assert os.environ.pop("OMP_WAIT_POLICY") == "PASSIVE"
    monkeypatch.setenv("GOMP_SPINCOUNT", "100")
    threads.wait_passively()
    assert "OMP_WAIT_POLICY" not in os.environ


def test_the_command_line_decides_before_torch_is_loaded() -> None:
    """The help loads no torch, and by then the options of the command line are in the environment."""
    code = (
        "import os, sys\n"
        "from rs_adapt.commands import main\n"
        "try: main(['train', '--threads', '2', '--bench', 'none-such'])\n"
        "except SystemExit: pass\n"
        "print(os.environ['OMP_NUM_THREADS'], os.environ['OMP_WAIT_POLICY'], 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["2", "PASSIVE", "False"]


class _Begun(Exception):
    """Raised as soon as a run has begun."""


def test_a_run_records_its_threads_and_is_resumed_with_them(shared_home: Path, tmp_path: Path) -> None:
    cfg = compose("synthetic-dg", iters=1, batch_size=1, num_workers=0, work_dir=tmp_path / "run")
    begun: list[int | None] = []

    def on_start(start: RunStart) -> None:
        begun.append(start.environment.threads)
        raise _Begun

    def begin(*, resume: bool) -> None:
        with pytest.raises(_Begun):
            train(cfg, device="cpu", resume=resume, on_start=on_start)

    torch.set_num_threads(3)
    begin(resume=False)
    threads.set_threads("2")
    begin(resume=True)
    del os.environ[threads.VARIABLE]
    begin(resume=True)
    assert begun == [1, 2, 2]
    assert recorded_threads(tmp_path / "none") is None
