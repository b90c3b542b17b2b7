"""`rs-adapt data list` and `fetch`, on manifests whose archives a server of this machine has."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from rs_adapt.commands import main
from rs_adapt.datasets import manifest as manifests

if TYPE_CHECKING:
    from pathlib import Path

TRAIN, VAL, TEST = b"train" * 5000, b"val" * 5000, b"test" * 10
MANIFEST = """
name = "coasts"
title = "Coasts"
licence = "CC-BY-NC-4.0"
conditions = "Academic use only."
restricted = true
citation = "Nobody, Coasts."
how_to_get = "`rs-adapt data fetch coasts` gets it."
bands = ["red", "green", "blue"]
num_images = 1234
ignore_values = []
{more}
[[archives]]
name = "Train.zip"
url = "{url}/gone/Train.zip"
mirrors = ["{url}/Train.zip"]
size_bytes = {size}
md5 = "{md5}"

[[archives]]
name = "Val.zip"
url = "{url}/Val.zip"

[[archives]]
name = "Test.zip"
url = "{url}/Test.zip"
optional = true
{archives}
[[classes]]
name = "sea"
value = 0
"""
BY_HAND = (
    'by_hand = ["Open https://example.org/form.", "Sign."]',
    f"""
[[archives]]
name = "Labels.zip"
md5 = "{hashlib.md5(b"labels").hexdigest()}"
""",
)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    """Return a function that runs `rs-adapt data` and gives exit code, stdout and stderr."""

    def call(*words: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stopped:
            main(["data", *map(str, words)])
        shown = capsys.readouterr()
        return int(stopped.value.code or 0), shown.out, shown.err

    return call


@pytest.fixture
def coasts(server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make a folder of manifests with one data set; the function writes it, with more keys and archives."""
    folder = tmp_path / "manifests"
    folder.mkdir()
    monkeypatch.setattr(manifests, "manifests_dir", lambda: folder)
    for name, content in (("Train.zip", TRAIN), ("Val.zip", VAL), ("Test.zip", TEST)):
        server.put(name, content)

    def write(more: str = "", archives: str = "", md5: str = hashlib.md5(TRAIN).hexdigest()) -> None:
        facts = {"url": server.url, "size": len(TRAIN), "md5": md5, "more": more, "archives": archives}
        (folder / "coasts.toml").write_text(MANIFEST.format(**facts))

    write()
    return write


def test_licence_comes_first_and_has_to_be_accepted(run: Any, coasts: Any, server: Any, own_home: Path) -> None:
    code, out, err = run("fetch", "coasts")
    assert code == 2
    assert "Licence: CC-BY-NC-4.0. Academic use only." in out
    assert "Nothing was fetched. Add --accept-licence if you accept that." in err
    assert server.asked == []
    assert not (own_home / "downloads").exists()


@pytest.mark.parametrize("answer", ["y", "n"])
def test_person_at_a_terminal_is_asked(
    run: Any, coasts: Any, server: Any, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    asked = []
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("typer.confirm", lambda text, err: asked.append(text) or answer == "y")
    assert run("fetch", "coasts", "--archive", "Val.zip")[0] == (0 if answer == "y" else 2)
    assert asked == ["Do you accept them?"]
    assert len(server.asked) == (1 if answer == "y" else 0)


def test_archives_are_fetched_verified_and_then_left_alone(run: Any, coasts: Any, server: Any, own_home: Path) -> None:
    assert "data fetch" in run("list")[1]
    code, out, err = run("fetch", "coasts", "--accept-licence")
    assert code == 0
    folder = own_home / "downloads" / "coasts"
    assert (folder / "Train.zip").read_bytes() == TRAIN
    assert (folder / "Val.zip").read_bytes() == VAL
    # No bench needs it.
    assert not (folder / "Test.zip").exists()
    assert "Train.zip: fetched, 25 000 bytes, md5 verified" in out
    assert "Val.zip: fetched, 15 000 bytes, neither size nor checksum is published" in out
    # The first address did not have it, the mirror did.
    assert "/gone/Train.zip: HTTP 404" in err
    assert "2 of 3 archives fetched" in run("list")[1]
    count = len(server.asked)
    code, out, _ = run("fetch", "coasts", "--accept-licence")
    assert (code, len(server.asked)) == (0, count)
    assert "Train.zip: was there, 25 000 bytes, md5 verified" in out
    assert run("fetch", "coasts", "--accept-licence", "--all")[0] == 0
    assert (folder / "Test.zip").read_bytes() == TEST


def test_one_archive_is_fetched_to_a_different_folder(run: Any, coasts: Any, own_home: Path, tmp_path: Path) -> None:
    assert run("fetch", "coasts", "--accept-licence", "--archive", "Test.zip", "--to", tmp_path / "zips")[0] == 0
    assert sorted(path.name for path in (tmp_path / "zips").glob("*.zip")) == ["Test.zip"]
    assert not (own_home / "downloads").exists()
    code, _, err = run("fetch", "coasts", "--accept-licence", "--archive", "Tset.zip")
    assert code == 2
    assert "coasts has no archive 'Tset.zip'. Known: Train.zip, Val.zip, Test.zip." in err


def test_wrong_checksum_ends_with_both(run: Any, coasts: Any, own_home: Path) -> None:
    coasts(md5="ab" * 16)
    code, _, err = run("fetch", "coasts", "--accept-licence")
    assert code == 1
    assert f"its md5 is {hashlib.md5(TRAIN).hexdigest()}, expected {'ab' * 16}" in err
    assert list((own_home / "downloads" / "coasts").glob("Train.zip*")) == []


def test_steps_for_manual_files_are_printed_and_the_files_verified(run: Any, coasts: Any, own_home: Path) -> None:
    coasts(*BY_HAND)
    assert "by hand" in run("list")[1]
    code, out, err = run("fetch", "coasts", "--accept-licence")
    folder = own_home / "downloads" / "coasts"
    assert code == 2
    for part in (
        "Val.zip: fetched",
        "  1. Open https://example.org/form.\n  2. Sign.\n",
        f"  3. Put into {folder}:\n       Labels.zip (md5 {hashlib.md5(b'labels').hexdigest()})\n",
        "  4. Run the same command again",
    ):
        assert part in out
    assert "Labels.zip must be fetched by hand: the steps are printed above." in err
    (folder / "Labels.zip").write_bytes(b"other")
    code, _, err = run("fetch", "coasts", "--accept-licence")
    assert code == 2
    assert "Labels.zip is not the published file: its md5 is" in err
    (folder / "Labels.zip").write_bytes(b"labels")
    code, out, _ = run("fetch", "coasts", "--accept-licence")
    assert code == 0
    assert "Labels.zip: was there, 6 bytes, md5 verified" in out
    assert "By hand" not in out


@pytest.mark.parametrize("name", ["potsdam", "vaihingen", "isaid", "dubai", "casid", "whu-building"])
def test_data_sets_behind_forms_print_the_form_and_need_no_answer(run: Any, name: str) -> None:
    code, out, err = run("fetch", name)
    assert code == 2
    assert "  1. Open http" in out
    assert "must be fetched by hand" in err


def test_drawn_data_need_nothing(run: Any) -> None:
    code, out, _ = run("fetch", "synthetic")
    assert code == 0
    assert "Nothing to fetch" in out


def test_list_shows_the_data_below_the_data_root(run: Any, loveda_root: Path) -> None:
    def state(line: str) -> str:
        return line.split()[-1]

    lines = {line.split()[0]: line for line in run("list", "--data-root", loveda_root)[1].splitlines() if line.split()}
    assert state(lines["loveda"]) == "found"
    assert state(lines["potsdam"]) == "hand"
    assert "5 987" in lines["loveda"]
    assert "CC-BY-NC-SA-4.0" in lines["loveda"]
    assert "when needed" in lines["synthetic"]


def test_missing_data_name_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["train", "--bench", "loveda-da", "--data-root", str(tmp_path), "--weights", "random", "--dry-run"])
    assert stopped.value.code == 2
    assert "rs-adapt data fetch loveda" in capsys.readouterr().err
