"""Failures of the machine: one sentence with the way on, and no traceback of another process."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from rs_adapt.engine.failures import explain_failures, refuse_misfits
from rs_adapt.engine.loaders import end_processes
from rs_adapt.engine.recorder import Interrupted
from rs_adapt.errors import ConfigError, DataError, RunFailed
from rs_adapt.runs.files import STATE_FILE


class Broken(Dataset[int]):
    """Raises an error of ours, or of torch's kind, in whichever process loads."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> int:
        raise self.error


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nSee docs"),
            "Tried to allocate 2 GiB. Try a",
        ),
        (OSError(errno.ENOSPC, "No space left on device"), "is full. Free some space. Nothing was saved yet"),
    ],
)
def test_errors_of_full_memory_and_full_disk_name_a_remedy(tmp_path: Path, error: Exception, message: str) -> None:
    with pytest.raises(RunFailed, match=message), explain_failures(tmp_path):
        raise error


def test_a_saved_state_is_named(tmp_path: Path) -> None:
    (tmp_path / STATE_FILE).touch()
    with pytest.raises(RunFailed, match=r"state\.pth: continue from it with --resume"), explain_failures(tmp_path):
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            DataError("tile a.png is cut off; replace it."),
            "^Loading images failed: tile a.png is cut off; replace it. No",
        ),
        (
            RuntimeError("codec went away"),
            "^A process that loads images failed: codec went away. To train without such",
        ),
    ],
)
def test_an_error_in_a_loader_process_is_reported_without_its_traceback(
    tmp_path: Path, error: Exception, message: str
) -> None:
    loader = DataLoader(Broken(error), num_workers=1, persistent_workers=True)
    with pytest.raises(RunFailed, match=message), explain_failures(tmp_path):
        next(iter(loader))
    # Left to Python's collector, PyTorch waits 5 s for the process.
    end_processes(loader)


@pytest.mark.parametrize("error", [ConfigError("wrong value"), OSError(errno.EACCES, "denied"), RuntimeError("a bug")])
def test_everything_else_is_left_as_it_is(tmp_path: Path, error: Exception) -> None:
    with pytest.raises(type(error)) as raised, explain_failures(tmp_path):
        raise error
    assert raised.value is error


def test_an_error_of_a_changed_value_names_the_values() -> None:
    with pytest.raises(ConfigError, match=r"values of --set \(a\.b=\[\]\) .* KeyError in .*line \d+: 'x'\. Change or"):
        with refuse_misfits(["a.b=[]"]):
            raise KeyError("x")


def test_other_errors_stay_what_they_are() -> None:
    for overrides, is_begun, error in (
        ([], False, KeyError("without changed values the fault is ours")),
        (["a=1"], True, KeyError("after the first step")),
        (["a=1"], False, OSError("of the machine")),
        (["a=1"], False, ConfigError("a sentence already")),
        (["a=1"], False, Interrupted(1)),
    ):
        with pytest.raises(type(error)) as caught, refuse_misfits(overrides, is_begun=lambda begun=is_begun: begun):
            raise error
        assert caught.value is error
