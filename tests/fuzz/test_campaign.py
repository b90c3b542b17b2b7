"""A part of the campaign of damaged files; RS_ADAPT_FUZZ_FILES=2000 runs all of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from fuzz.campaign import judge
from fuzz.processes import Ended

CAMPAIGN = Path(__file__).with_name("campaign.py")


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_no_damaged_file_ends_in_a_traceback_or_in_another_result() -> None:
    files = os.environ.get("RS_ADAPT_FUZZ_FILES")
    amount = ["--files", files] if files else ["--files", "400", "--seconds", "75"]
    ended = subprocess.run([sys.executable, str(CAMPAIGN), *amount], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout[-4000:] + ended.stderr[-2000:]


@pytest.mark.parametrize(
    ("ended", "same", "expected"),
    [
        ({"code": 2, "err": "error: x.json cannot be read: it is empty."}, False, "refused"),
        ({"code": 1, "uncaught": "KeyError: 'a'", "place": "runs/run.py:3"}, False, "traceback"),
        ({"code": 1, "uncaught": "MemoryError: "}, False, "memory"),
        ({"code": 1, "err": "Traceback (most recent call last):\n"}, False, "traceback"),
        # A child that a signal ended.
        ({"code": -9, "killed": True}, False, "memory"),
        ({"code": -24, "hung": True}, False, "hang"),
        ({"code": 0, "out": "mIoU 4.00"}, False, "silent"),
        ({"code": 0, "out": "mIoU 4.00\nNote: the last line is damaged."}, False, "reported"),
        ({"code": 0, "out": "mIoU 4.00", "err": "warning: 2 tiles are missing"}, False, "reported"),
        ({"code": 0, "out": "mIoU 5.00"}, True, "unaffected"),
        # An exit code without a reason is no refusal.
        ({"code": 2}, True, "silent"),
    ],
)
def test_every_end_is_told_apart(ended: dict[str, object], same: bool, expected: str) -> None:
    given: dict[str, object] = {"code": 0, "out": "", "err": ""}
    clean = Ended(code=0, out="mIoU 5.00", err="")
    assert judge(Ended(**given | ended), clean, lambda: same)[0] == expected  # type: ignore[arg-type]
