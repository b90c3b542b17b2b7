"""Failures of a disk are found behind the errors of Python and of libraries, and nothing else is taken for one."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from rs_adapt.commands import main
from rs_adapt.disk import describe_disk_failure, describe_path_failure, disk_remedy, find_disk_failure


def chain(inner: BaseException) -> RuntimeError:
    """Return an error of a library that was raised while another was handled, as torch does."""
    try:
        try:
            raise inner
        except BaseException:
            raise RuntimeError("unexpected pos 1024 vs 918")  # noqa: B904
    except RuntimeError as error:
        return error


@pytest.mark.parametrize(
    ("error", "number"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), errno.ENOSPC),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), errno.EDQUOT),
        (OSError(errno.EROFS, "Read-only file system"), errno.EROFS),
        (chain(OSError(errno.EFBIG, "File too large")), errno.EFBIG),
        (Exception("Error while serializing: I/O error: File too large (os error 27)"), errno.EFBIG),
        (RuntimeError("write failed: No space left on device"), errno.ENOSPC),
    ],
)
def test_a_failure_of_a_disk_is_found(error: BaseException, number: int) -> None:
    failure = find_disk_failure(error)
    assert failure is not None
    assert failure.errno == number


@pytest.mark.parametrize(
    "error",
    [OSError(errno.EACCES, "Permission denied"), FileNotFoundError("x"), RuntimeError("size mismatch"), KeyError()],
)
def test_anything_else_is_none(error: BaseException) -> None:
    assert find_disk_failure(error) is None


def test_the_sentence_names_the_disk_of_the_file(tmp_path: Path) -> None:
    failure = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(tmp_path / "state.pth"))
    assert describe_disk_failure(failure, Path("elsewhere")) == f"The disk of {tmp_path} is full."
    failure.filename = None
    assert describe_disk_failure(failure, Path("here")) == "The disk of here is full."
    assert disk_remedy(failure) == "Free some space."
    assert "ulimit -f" in disk_remedy(OSError(errno.EFBIG, ""))


@pytest.mark.parametrize(
    "arguments",
    [
        ("eval", "--checkpoint", "{}"),
        ("report", "{}"),
        ("score", "{}"),
        ("show", "--bench", "{}.toml"),
        ("data", "prepare", "{}.toml"),
        ("train", "--bench", "synthetic-dg", "--work-dir", "{}"),
        ("sweep", "{}.toml"),
    ],
)
def test_a_path_that_is_too_long_is_one_sentence(
    arguments: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main([text.format(tmp_path / ("x" * 300)) for text in arguments])
    assert stop.value.code == 2
    assert list(tmp_path.iterdir()) == []
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EACCES, "/data/x.tif may not be read or written by you. Give a different path"),
        (errno.ENAMETOOLONG, "/data/x.tif is longer than a path may be here"),
        (errno.ELOOP, "/data/x.tif is a link that leads to itself"),
    ],
)
def test_a_path_that_cannot_be_used_is_named(number: int, words: str) -> None:
    assert (describe_path_failure(OSError(number, os.strerror(number), "/data/x.tif")) or "").startswith(words)
    assert describe_path_failure(OSError(number, os.strerror(number))) is None
    assert describe_path_failure(ValueError("x")) is None
