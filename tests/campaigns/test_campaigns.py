"""A sample of the points at which verbs are killed, or meet a full disk; all of them with `RS_ADAPT_ALL_POINTS=1`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

CAMPAIGN = Path(__file__).with_name("kill_campaign.py")


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize(
    ("options", "least"),
    [(("--share", "0.02"), 24), (("--full-disk", "--share", "0.005", "train dg", "eval", "export"), 8)],
    ids=["kills", "full disk"],
)
def test_a_verb_that_was_broken_off_ends_with_the_files_of_one_that_was_not(
    options: tuple[str, ...], least: int
) -> None:
    extent = ["--all"] if os.environ.get("RS_ADAPT_ALL_POINTS") else []
    done = subprocess.run(
        [sys.executable, str(CAMPAIGN), *options, *extent], capture_output=True, text=True, check=False
    )
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    total = re.search(r"^all +(\d+) +(\d+) +(\d+) +(\d+) +(\d+)$", done.stdout, re.MULTILINE)
    assert total is not None, done.stdout
    points, tried, stopped, broken, unequal = map(int, total.groups())
    assert points >= tried >= least
    assert (broken, unequal) == (0, 0)
    if "--full-disk" not in options:
        assert stopped >= 0.8 * tried


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_verbs_on_a_small_disk_explain_its_faults_and_can_be_repeated() -> None:
    done = subprocess.run(
        [sys.executable, str(CAMPAIGN), "--disk", "train dg"], capture_output=True, text=True, check=False
    )
    if "no small disk may be mounted" in done.stdout:
        pytest.skip("a file system in memory may not be mounted here")
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
