"""Work in a queue whose programs are scripts."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from rs_adapt.errors import RunFailed
from rs_adapt.launchers.slurm import Ended, Slurm, SlurmJob
from rs_adapt.launchers.stop import Stop
from tests.launchers.fake_slurm import install_slurm


@dataclass(frozen=True)
class Waiting:
    """Work that notes its start in a file and waits for a stop."""

    file: Path

    def carry_out(self, stop: Stop) -> str:
        """Return how it ended."""
        with self.file.open("a") as opened:
            opened.write("started\n")
        while not stop.requests:
            time.sleep(0.05)
        return "stopped"


def open_slurm(folder: Path) -> Slurm:
    return Slurm(str(folder), jobs=None, cluster="slurm", parameters={"timeout_min": 5}, options="-", local="-")


def end_of(job: SlurmJob) -> Ended:
    until_s = time.monotonic() + 60
    while (ended := job.poll()) is None:
        assert time.monotonic() < until_s
        time.sleep(0.1)
    return ended


@pytest.mark.slow
def test_a_job_that_is_cancelled_ends_and_may_be_cancelled_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("submitit")
    install_slurm(tmp_path / "programs", monkeypatch)
    job = open_slurm(tmp_path / "jobs").submit(Waiting(tmp_path / "notes"))
    until_s = time.monotonic() + 60
    while not (tmp_path / "notes").exists():
        assert time.monotonic() < until_s
        time.sleep(0.1)
    job.stop()
    assert end_of(job) == Ended("stopped", "")
    job.stop()


def test_a_job_that_is_not_taken_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("submitit")
    install_slurm(tmp_path / "programs", monkeypatch)
    (tmp_path / "programs" / "sbatch").write_text("#!/bin/sh\necho 'sbatch: error: invalid partition' >&2; exit 1\n")
    slurm = open_slurm(tmp_path / "jobs")
    assert not (tmp_path / "jobs").exists()
    sentence = r"^Slurm does not take the job: .*invalid partition.* the same command"
    with pytest.raises(RunFailed, match=sentence):
        slurm.submit(Waiting(tmp_path / "notes"))
