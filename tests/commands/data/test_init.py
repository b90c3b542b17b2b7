"""`rs-adapt data init`: what it writes is a bench as soon as its folders are there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rs_adapt.commands import main

if TYPE_CHECKING:
    from pathlib import Path


def _run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stop:
        main(list(arguments))
    return int(stop.value.code or 0)


def test_the_written_file_is_a_bench_once_its_folders_exist(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert _run("data", "init", "harbour") == 0
    assert "rs-adapt train --bench harbour.toml --setting da --dry-run" in capsys.readouterr().out
    assert _run("show", "--bench", "harbour.toml", "--setting", "da") == 2
    assert "source.images names" in capsys.readouterr().err
    for folder in ("source/images", "source/labels", "target/images"):
        (tmp_path / folder).mkdir(parents=True)
    assert _run("show", "--bench", "harbour.toml", "--setting", "da") == 0
    assert "@NAME@" not in (tmp_path / "harbour.toml").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("data", "init", "My Set"), "The name 'My Set' cannot be used"),
        (("data", "init", "a", "--out", "a.yaml"), "the name of a bench file must end with .toml"),
    ],
)
def test_wrong_names_and_paths_are_refused(
    arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(*arguments) == 2
    assert message in capsys.readouterr().err


def test_an_existing_file_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.toml").write_text("mine")
    assert _run("data", "init", "a") == 2
    assert (tmp_path / "a.toml").read_text() == "mine"
    assert _run("data", "init", "a", "--overwrite") == 0
    assert 'name = "a"' in (tmp_path / "a.toml").read_text()
