"""A requested stop of work that one process does for another."""

from __future__ import annotations

import os
import signal
import subprocess

from rs_adapt.signals import HANGUP


class Stop:
    """A requested stop, forwarded to the running process; works as a signal handler.

    The first one lets a run save (SIGTERM), the second ends it at once. The death of the parent is one request, however
    often it is reported.
    """

    def __init__(self) -> None:
        self.requests = 0
        self._parent = os.getppid()
        self.child: subprocess.Popen[bytes] | None = None

    def __call__(self, number: int = 0, _frame: object = None) -> None:
        """Request the stop."""
        if self.requests and (os.getppid() != self._parent or number == HANGUP):
            return
        self.requests += 1
        self.forward()

    def forward(self) -> None:
        """Send the signal of the stop to the process, if there is one."""
        if self.child is not None and self.requests and self.child.returncode is None:
            self.child.send_signal(signal.SIGTERM if self.requests == 1 else signal.SIGKILL)
