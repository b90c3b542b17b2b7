"""A small disk that is full, out of inodes or read-only, or a limit on the size of files, while a verb runs."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

SIZE_BYTES = 24 * 2**20
INODES = 1500


@contextmanager
def small_disk(place: Path) -> Iterator[bool]:
    """Mount a small file system in memory at a folder; gives False where that is not allowed."""
    place.mkdir(parents=True, exist_ok=True)
    options = f"size={SIZE_BYTES},nr_inodes={INODES}"
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", str(place)], capture_output=True, check=False)
    try:
        yield done.returncode == 0
    finally:
        if done.returncode == 0:
            subprocess.run(["umount", "-l", str(place)], check=False)


def leave_space(place: Path, kib: int) -> Callable[[], None]:
    """Fill a disk up to some KiB, and return what frees it."""
    ballast = place / "ballast"
    stat = os.statvfs(place)
    free = stat.f_bavail * stat.f_frsize - kib * 1024
    with ballast.open("wb") as file:
        file.write(b"\0" * max(0, free))
    return ballast.unlink


def leave_inodes(place: Path, count: int) -> Callable[[], None]:
    """Make empty files until a disk takes only some more, and return what removes them."""
    ballast = place / "ballast"
    ballast.mkdir()
    for number in range(max(0, os.statvfs(place).f_ffree - count)):
        (ballast / str(number)).touch()

    def free() -> None:
        for path in ballast.iterdir():
            path.unlink()
        ballast.rmdir()

    return free


def make_read_only(place: Path, _amount: int) -> Callable[[], None]:
    """Make a disk read-only, and return what makes it writable."""
    subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
    return lambda: subprocess.run(["mount", "-o", "remount,rw", str(place)], check=True) and None


def limit_file_size(kib: int) -> None:
    """Let this process write no file beyond some KiB."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (kib * 1024, kib * 1024))


# How a disk fails, and the amounts that it has left: KiB, or inodes.
FAULTS: dict[str, tuple[Callable[[Path, int], Callable[[], None]], tuple[int, ...]]] = {
    "space": (leave_space, (0, 40, 150, 600, 1500)),
    "inodes": (leave_inodes, (0, 2, 6, 12)),
    "read-only": (make_read_only, (0,)),
}
# Standard error goes to a file too, so not 0.
FILE_SIZES_KIB = (2, 8, 60, 300)
