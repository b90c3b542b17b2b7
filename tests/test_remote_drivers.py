"""Drivers of GDAL that are switched off for the command line."""

from __future__ import annotations

import subprocess
import sys

import pytest


def test_drivers_that_fiona_lacks_are_not_on_the_screen() -> None:
    pytest.importorskip("fiona")
    code = (
        "from rs_adapt.remote_drivers import quiet_fiona, refuse_remote_drivers\n"
        "refuse_remote_drivers(); quiet_fiona()\n"
        "import fiona\n"
        "with fiona.Env(): pass"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""
