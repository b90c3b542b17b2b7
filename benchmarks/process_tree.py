"""Memory and CPU time of a process and all that it started, from /proc. Linux only."""

from __future__ import annotations

import re
import resource
from pathlib import Path


def memory_kib(pid: int, key: str) -> int:
    """Return a line of /proc/PID/status in KiB; 0 for a process that has ended."""
    try:
        found = re.search(rf"{key}:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0
    return int(found[1]) if found else 0


def family(pid: int) -> list[int]:
    """Return a process and those that it started, and so on."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [pid, *(one for child in children for one in family(int(child)))]


def cpu_seconds() -> float:
    """Return the CPU time of all processes that were started here and have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
