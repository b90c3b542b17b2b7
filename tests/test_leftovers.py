"""Temporary files of killed processes are removed, whatever number their name holds."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from rs_adapt.leftovers import is_process_alive, remove_leftovers


@pytest.mark.parametrize("process", [4_194_304_999, 10**30])
def test_a_number_that_no_process_can_have_is_a_dead_one(tmp_path: Path, process: int) -> None:
    assert not is_process_alive(process)
    leftover = tmp_path / f".result.json.new-{socket.gethostname()}-{process}-1"
    own = tmp_path / f".result.json.new-{socket.gethostname()}-{os.getpid()}-1"
    for file in (leftover, own):
        file.write_text("half")
    remove_leftovers(tmp_path / "result.json")
    assert list(tmp_path.iterdir()) == [own]
