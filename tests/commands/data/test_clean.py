"""`rs-adapt data clean` removes prepared tiles, when told to, and nothing else."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from rs_adapt.commands import main


def call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stop:
        main(["data", "clean", *arguments])
    return int(stop.value.code or 0)


@pytest.fixture
def prepared(own_home: Path) -> Path:
    """Write prepared tiles of two benches, and what is none beside them."""
    folder = own_home / "prepared"
    for name, kind, days in (
        ("coast-0123abcd", "scenes", 40),
        ("coast-89abcdef", "scenes", 1),
        ("dubai-00000000", "images", 3),
    ):
        tiles = folder / name / "source" / "train" / "img_dir"
        tiles.mkdir(parents=True)
        (tiles / "a.png").write_bytes(b"x" * 1000)
        marker = folder / name / "prepared.json"
        marker.write_text(json.dumps({"facts": {"prepare": {"kind": kind}}, "tiles": {"source/train": 1}}))
        made = time.time() - days * 86_400
        os.utime(marker, (made, made))
    (folder / "thesis-0123abcd").mkdir()
    (folder / "thesis-0123abcd" / "chapter.txt").write_text("years of work")
    (folder / "notes").mkdir()
    (folder / "notes" / "prepared.json").write_text("{}")
    (folder / "linked-0123abcd").symlink_to(folder / "coast-0123abcd")
    return folder


def left(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.endswith(".lock")}


OTHERS = {"thesis-0123abcd", "notes", "linked-0123abcd"}
ALL = {"coast-0123abcd", "coast-89abcdef", "dubai-00000000"}


def test_tiles_whose_record_is_damaged_are_named_and_stay(prepared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for damage in ("", "[]", '{"facts": 1}', '{"a":' * 5000 + "1" + "}" * 5000):
        (prepared / "coast-0123abcd" / "prepared.json").write_text(damage)
        assert call("--dry-run", "dubai") == 0
        shown = capsys.readouterr()
        assert "coast-0123abcd/prepared.json is damaged, so its tiles are not listed and stay" in shown.err
        assert "notes" not in shown.err
    assert left(prepared) == ALL | OTHERS


def test_nothing_is_removed_unless_told(prepared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], ["--dry-run"], ["--dry-run", "--yes"], ["--json"]):
        assert call(*arguments) == 0
        out = capsys.readouterr().out
        assert left(prepared) == ALL | OTHERS
        assert all(name in out for name in ALL)
        assert "thesis" not in out
    assert [row["bench"] for row in json.loads(out)] == ["coast", "coast", "dubai"]
    assert {row["bytes"] > 1000 for row in json.loads(out)} == {True}


@pytest.mark.parametrize(
    ("arguments", "removed"),
    [
        ([], ALL),
        (["coast"], {"coast-0123abcd", "coast-89abcdef"}),
        (["--older-than", "2"], {"coast-0123abcd", "dubai-00000000"}),
        (["coast", "--older-than", "2"], {"coast-0123abcd"}),
    ],
)
def test_what_is_listed_is_removed_and_nothing_else(
    prepared: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], removed: set[str]
) -> None:
    assert call(*arguments, "--yes", "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert {Path(row["folder"]).name for row in rows if row["removed"]} == removed
    assert left(prepared) == (ALL - removed) | OTHERS


def test_a_terminal_is_asked(
    prepared: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("typer.confirm", lambda *_, **__: False)
    assert call() == 0
    assert left(prepared) == ALL | OTHERS
    monkeypatch.setattr("typer.confirm", lambda *_, **__: True)
    assert call("dubai") == 0
    assert left(prepared) == (ALL - {"dubai-00000000"}) | OTHERS
    assert "Removed 1 of 1" in capsys.readouterr().out


def test_tiles_that_are_being_made_stay(prepared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from rs_adapt.locks import exclusive

    with exclusive(prepared / ".coast-0123abcd.lock"):
        assert call("coast", "--yes") == 0
    assert left(prepared) == {"coast-0123abcd", "dubai-00000000"} | OTHERS
    assert "is being made by another process, and stays" in capsys.readouterr().out


def test_unknown_benches_are_refused(prepared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("coats", "--yes") == 2
    assert "coast" in capsys.readouterr().err
    assert left(prepared) == ALL | OTHERS


def test_an_empty_cache_is_no_error(own_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("--yes") == 0
    assert "There are no prepared tiles" in capsys.readouterr().out
