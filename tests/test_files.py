from __future__ import annotations

import contextlib
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from rs_adapt import files
from rs_adapt.errors import ConfigError, OutputExists
from rs_adapt.files import (
    atomic_file,
    atomic_folder,
    check_output_file,
    check_output_folder,
    make_output_folder,
    staged_files,
    write_bytes,
    write_folder_atomically,
    write_json,
    write_text,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_files_are_written_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "é\n")
    assert path.read_bytes() == b"\xc3\xa9\n"
    write_bytes(path, b"2")
    assert path.read_bytes() == b"2"
    write_json(path, {"a": [1, None]})
    assert path.read_text() == '{\n  "a": [\n    1,\n    null\n  ]\n}\n'
    write_json(path, {"a": [1]}, indent=None)
    assert path.read_text() == '{"a": [1]}\n'
    assert names(tmp_path) == ["a.txt"]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"a": 1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"a": float("nan")})
    with contextlib.suppress(RuntimeError), atomic_file(path) as temporary:
        temporary.write_text("half")
        assert json.loads(path.read_text()) == {"a": 1}
        raise RuntimeError
    assert json.loads(path.read_text()) == {"a": 1}
    assert names(tmp_path) == ["a.json"]


def test_a_file_has_the_permissions_of_a_new_one(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    with atomic_file(tmp_path / "a") as temporary:
        temporary.unlink()
        os.close(os.open(temporary, os.O_CREAT | os.O_WRONLY, 0o600))
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_leftovers_of_a_killed_process_are_removed(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    killed = subprocess.run(
        [
            sys.executable,
            "-c",
            "import os, sys\nfrom pathlib import Path\nfrom rs_adapt.files import atomic_file\n"
            "with atomic_file(Path(sys.argv[1])): os.kill(os.getpid(), 9)",
            str(path),
        ],
        check=False,
    )
    assert killed.returncode == -9
    assert len(names(tmp_path)) == 1
    others = [tmp_path / f".a.json.new-elsewhere-{os.getpid()}-1", tmp_path / ".b.json.new-elsewhere-1-1"]
    for other in others:
        other.touch()
    write_text(path, "x")
    # One that another machine may be writing stays for a day; those of other files are no concern of this one.
    assert names(tmp_path) == sorted([*(other.name for other in others), "a.json"])
    os.utime(others[0], (0, 0))
    write_text(path, "x")
    assert names(tmp_path) == [others[1].name, "a.json"]


def test_a_folder_appears_complete_or_not_at_all(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    with atomic_folder(out) as building:
        (building / "a").touch()
        assert not out.exists()
    assert names(out) == ["a"]
    assert stat.S_IMODE(out.stat().st_mode) == 0o755
    with contextlib.suppress(RuntimeError), atomic_folder(out) as building:
        (building / "b").touch()
        raise RuntimeError
    assert names(out) == ["a"]
    with atomic_folder(out) as building:
        (building / "b").touch()
    assert names(out) == ["b"]
    assert names(out.parent) == ["out"]


def test_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    check_output_folder(out, overwrite=False)
    assert write_folder_atomically(out, lambda folder: (folder / "a").touch(), overwrite=False) == [out / "a"]
    with pytest.raises(OutputExists, match=r"out exists\. Choose a different folder with --out, or add --overwrite"):
        write_folder_atomically(out, lambda folder: (folder / "b").touch(), overwrite=False)
    assert write_folder_atomically(out, lambda folder: (folder / "b").touch(), overwrite=True) == [out / "b"]
    with pytest.raises(OutputExists):
        check_output_folder(out / "b", overwrite=False)
    with pytest.raises(OutputExists, match="Choose a different file with --out, or add --overwrite"):
        check_output_file(out / "b", overwrite=False)
    check_output_file(out / "b", overwrite=True)
    check_output_file(out / "c", overwrite=False)


def test_files_of_others_in_a_folder_stay(tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "mine").mkdir(parents=True)
    for name in ("a.txt", "old.txt", "notes.md", "mine/b.txt"):
        (out / name).write_text("before")

    def fill(folder: Path) -> None:
        (folder / "a.txt").write_text("now")
        (folder / "b.txt").write_text("now")

    assert write_folder_atomically(out, fill, overwrite=True, own=("*.txt",)) == [out / "a.txt", out / "b.txt"]
    assert names(out) == ["a.txt", "b.txt", "mine", "notes.md"]
    assert (out / "a.txt").read_text() == "now"
    assert (out / "mine" / "b.txt").read_text() == "before"

    def fail(folder: Path) -> None:
        (folder / "a.txt").write_text("half")
        raise RuntimeError

    with contextlib.suppress(RuntimeError):
        write_folder_atomically(out, fail, overwrite=True, own=("*.txt",))
    assert names(out) == ["a.txt", "b.txt", "mine", "notes.md"]
    assert (out / "a.txt").read_text() == "now"
    assert names(tmp_path) == ["out"]
    with pytest.raises(OutputExists, match="it is a file"):
        check_output_folder(out / "notes.md", overwrite=True)


def test_a_path_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"Cannot write to .*file/out: .*--out"):
        write_folder_atomically(tmp_path / "file" / "out", lambda folder: None, overwrite=False)
    with pytest.raises(ConfigError, match=r"Cannot write to .*file/out: .*--out"):
        make_output_folder(tmp_path / "file" / "out")

    def full(folder: Path) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(ConfigError, match=r"Cannot write to .*out: No space left"):
        write_folder_atomically(tmp_path / "out", full, overwrite=False)
    # What cannot be read is no fault of the place.
    with pytest.raises(FileNotFoundError):
        write_folder_atomically(tmp_path / "out", lambda folder: (tmp_path / "none").read_text(), overwrite=False)
    assert names(tmp_path) == ["file"]


def test_staged_files_move_together_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "other").touch()
    moved: list[str] = []
    replace = os.replace
    monkeypatch.setattr(files.os, "replace", lambda a, b: (moved.append(Path(b).name), replace(a, b)))
    with staged_files(tmp_path, ("b", "a")) as staging:
        for name in ("a", "b"):
            (staging / name).touch()
    assert moved == ["b", "a"]
    assert names(tmp_path) == ["a", "b", "other"]
    with contextlib.suppress(RuntimeError), staged_files(tmp_path, ("c",)) as staging:
        (staging / "c").touch()
        raise RuntimeError
    assert names(tmp_path) == ["a", "b", "other"]


@pytest.mark.skipif(os.name == "nt", reason="no umask")
@pytest.mark.parametrize(
    ("umask", "file_mode", "folder_mode"), [(0o077, 0o600, 0o700), (0o022, 0o644, 0o755), (0, 0o666, 0o777)]
)
def test_permissions_are_those_of_the_umask(tmp_path: Path, umask: int, file_mode: int, folder_mode: int) -> None:
    before = os.umask(umask)
    try:
        write_text(tmp_path / "a", "x")
        with atomic_file(tmp_path / "b") as temporary:
            temporary.chmod(0o600)
        with atomic_folder(tmp_path / "folder") as folder:
            write_text(folder / "c", "x")
        write_folder_atomically(tmp_path / "out", lambda folder: write_text(folder / "d", "x"), overwrite=False)
    finally:
        os.umask(before)
    for name in ("a", "b", "folder/c", "out/d"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == file_mode, name
    for name in ("folder", "out"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == folder_mode, name
