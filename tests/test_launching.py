"""Children that fail or hang: one exit code, and nobody is left behind."""

from __future__ import annotations

import subprocess
import sys

import pytest

from rs_adapt import launching


def child(code: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", code])


@pytest.mark.parametrize(
    ("codes", "expected"), [([0, 0], 0), ([130, 130], 130), ([0, 2], 2), ([-9, 1], 137), ([1, -15], 1)]
)
def test_one_exit_code_for_all(codes: list[int], expected: int) -> None:
    assert launching._exit_code(codes) == expected


def test_whoever_outlives_a_failed_one_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launching, "_GRACE_S", 0.2)
    codes = launching._waited([child("import time; time.sleep(600)"), child("raise SystemExit(3)")])
    assert codes == [-9, 3]
