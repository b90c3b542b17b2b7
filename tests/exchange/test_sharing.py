"""Bundles of runs: no trace of the machine, equal bytes, the self-check, and archives of strangers."""

from __future__ import annotations

import json
import shutil
import socket
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rs_adapt.audit.selfcheck.bundle import MAX_TEXT_BYTES
from rs_adapt.audit.selfcheck.check import check_run
from rs_adapt.commands import main
from rs_adapt.errors import ConfigError, OutputExists
from rs_adapt.exchange.anonymous import Anonymizer
from rs_adapt.exchange.sharing import share_run
from rs_adapt.plugins import forget_plugins, use_plugins
from rs_adapt.runs.hashes import write_hashes
from rs_adapt.runs.records import Result, read_record, write_record

STORED = Path(__file__).parents[1] / "runs" / "stored_0_1_0" / "finished"
HOME, USER, HOST = "/home/ada-lovelace", "ada-lovelace", "difference-engine"
FILES = ("adapter.safetensors", "bundle.json", "cell.json", "config.py", "confusions/iter6.npz", "hashes.json")
FILES += ("manifest.json", "metrics.jsonl", "result.json")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a finished run of a user whose name stands in every path, with pictures and a log beside it."""
    monkeypatch.setenv("USER", USER)
    monkeypatch.setattr(socket, "gethostname", lambda: f"{HOST}.example.org")
    folder = Path(shutil.copytree(STORED, tmp_path / "run"))
    for name in ("config.py", "cell.json", "result.json"):
        text = (folder / name).read_text()
        assert "/rs-adapt/" in text
        (folder / name).write_text(text.replace("/rs-adapt/", f"{HOME}/rs-adapt/"))
    start = json.loads((folder / "cell.json").read_text())
    note = f"Partial data: see {HOME}/notes.txt, 3 of 9 tiles."
    start |= {"command": f"rs-adapt train --data-root {HOME}/data", "run_id": "0f" * 16, "notes": [note]}
    (folder / "cell.json").write_text(json.dumps(start, indent=2) + "\n")
    (folder / "train.log").write_text(f"on {HOST}")
    (folder / "curves.png").write_bytes(HOME.encode())
    result = read_record(folder / "result.json", Result)
    assert result is not None
    write_record(folder / "result.json", result)
    write_hashes(folder, result)
    return folder


def members(bundle: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(bundle) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_a_bundle_has_no_trace_of_the_machine_and_is_consistent(run: Path, tmp_path: Path) -> None:
    bundle = share_run(run, tmp_path / "bundle.zip")
    content = members(bundle.file)
    assert sorted(content) == sorted(FILES)
    for name, text in {**content, "the archive": bundle.file.read_bytes()}.items():
        for trace in (HOME, USER, HOST, str(Path.home()), str(tmp_path), socket.gethostname()):
            assert trace.encode() not in text, (name, trace)
    assert json.loads(content["cell.json"])["notes"] == ["Partial data: see anonymous/path1/notes.txt, 3 of 9 tiles."]
    assert content["adapter.safetensors"] == (run / "adapter.safetensors").read_bytes()
    assert bundle.record.rewritten == ["cell.json", "config.py", "result.json"]
    left_out = {item.file for item in bundle.record.left_out}
    assert {"train.log", "curves.png"} <= left_out
    outcome = check_run(bundle.file)
    assert outcome.contradictions == ()
    names = {check.name: check.outcome.value for check in outcome.checks}
    assert names["bundle"] == names["hashes"] == names["config"] == names["scores"] == "checked"


def test_the_same_run_gives_the_same_bytes(run: Path, tmp_path: Path) -> None:
    first = share_run(run, tmp_path / "first.zip")
    for path in run.rglob("*"):
        path.touch()
    copy = shutil.copytree(run, tmp_path / "a" / "copy")
    second = share_run(copy, tmp_path / "second.zip")
    assert first.file.read_bytes() == second.file.read_bytes()
    with pytest.raises(OutputExists, match="--overwrite"):
        share_run(run, tmp_path / "first.zip")


def test_a_forged_run_stays_forged_in_its_bundle(run: Path, tmp_path: Path) -> None:
    result = json.loads((run / "result.json").read_text())
    (run / "result.json").write_text(json.dumps(result | {"miou_pct": 74.0}))
    outcome = check_run(share_run(run, tmp_path / "bundle.zip").file)
    assert {"hashes", "scores", "pack"} <= {check.name for check in outcome.contradictions}


def test_names_that_cannot_be_replaced_are_refused(run: Path, tmp_path: Path) -> None:
    manifest = json.loads((run / "manifest.json").read_text())
    (run / "manifest.json").write_text(json.dumps(manifest | {"notes": [f"Trained by {USER.title()}."]}))
    with pytest.raises(ConfigError, match=r"manifest.json holds the name of a user or a machine"):
        share_run(run, tmp_path / "bundle.zip")
    assert not (tmp_path / "bundle.zip").exists()


@pytest.mark.parametrize(
    ("text", "replaced"),
    [
        ("/home/ada/data/loveda", "anonymous/data/loveda"),
        ("/home/ada/database", "anonymous/path1/database"),
        ("weights=/mnt/x/w.pth", "weights=anonymous/path1/w.pth"),
        ("see /mnt/x/a b", "see anonymous/path1/a b"),
        ("C:\\Users\\ada\\w.pth", "anonymous/path1/w.pth"),
        ("see ~/w.pth and ~ada/w.pth", "see anonymous/path1/w.pth and anonymous/path2/w.pth"),
        ("https://arxiv.org/abs/1234", "https://arxiv.org/abs/1234"),
        ("loveda/rural/train", "loveda/rural/train"),
        ("1/255 px, m/s, a / b", "1/255 px, m/s, a / b"),
        ("", ""),
    ],
)
def test_paths_in_texts_are_replaced(text: str, replaced: str) -> None:
    anonymizer = Anonymizer({"/home/ada/data": "data"}, "")
    assert anonymizer.text(text) == replaced


def test_python_stays_what_it_is_except_for_paths() -> None:
    anonymizer = Anonymizer({"/home/ada/data": "data"}, "")
    code = "a = dict(\n    b='/home/ada/data/x',  # no /home\n    c=1.5e-3,\n    d=['s', '/mnt/y'])\n"
    assert anonymizer.python(code) == (
        "a = dict(\n    b='anonymous/data/x',  # no /home\n    c=1.5e-3,\n    d=['s', 'anonymous/path1/y'])\n"
    )


def test_the_file_of_a_plugin_is_in_the_bundle_with_its_hash(run: Path, tmp_path: Path) -> None:
    plugin = tmp_path / "own" / "outside.py"
    plugin.parent.mkdir()
    plugin.write_text("raise SystemExit  # never runs\n")
    (used,) = use_plugins([plugin])
    try:
        facts = {"name": "outside.py", "sha256": used.sha256, "methods": ["outside"]}
        for name in ("cell.json", "manifest.json"):
            content = json.loads((run / name).read_text())
            (run / name).write_text(json.dumps(content | {"plugins": [facts]}))
        result = read_record(run / "result.json", Result)
        assert result is not None
        write_hashes(run, result)
        bundle = share_run(run, tmp_path / "bundle.zip").file
        plugin.write_text("changed = True\n")
        use_plugins([plugin])
        changed = share_run(run, tmp_path / "changed.zip")
    finally:
        forget_plugins()
    assert members(bundle)["method/outside.py"] == b"raise SystemExit  # never runs\n"
    (check,) = [check for check in check_run(bundle).checks if check.name == "plugins"]
    assert check.outcome.value == "checked"
    # Not the file of the run: it is left out, and said so.
    assert "method/outside.py" not in members(changed.file)
    assert changed.record.left_out[0].file == "method/outside.py"
    assert "the plugin in use is not that of the run" in changed.record.left_out[0].reason
    (check,) = [check for check in check_run(changed.file).checks if check.name == "plugins"]
    assert check.outcome.value == "cannot be checked"


def forge(bundle: Path, change: Callable[[zipfile.ZipFile], object]) -> Path:
    forged = bundle.with_name("forged.zip")
    shutil.copyfile(bundle, forged)
    with zipfile.ZipFile(forged, "a") as archive:
        change(archive)
    return forged


def link(archive: zipfile.ZipFile) -> None:
    entry = zipfile.ZipInfo("packs/iter1/manifest.json")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    archive.writestr(entry, "/etc/passwd")


def zeros(archive: zipfile.ZipFile) -> None:
    archive.writestr("data.json", bytes(MAX_TEXT_BYTES + 1), zipfile.ZIP_DEFLATED)


@pytest.mark.parametrize(
    "change",
    [
        lambda archive: archive.writestr("../escaped.json", "{}"),
        lambda archive: archive.writestr("/tmp/escaped.json", "{}"),
        lambda archive: archive.writestr("confusions/../../escaped.json", "{}"),
        lambda archive: archive.writestr("sitecustomize.py", "raise SystemExit"),
        lambda archive: archive.writestr("result.json", "{}"),
        lambda archive: archive.writestr("confusions/iter1.npz", bytes(10**7), zipfile.ZIP_DEFLATED),
        link,
        pytest.param(zeros, marks=pytest.mark.slow),
    ],
    ids=["parent", "absolute", "inner", "code", "twice", "bomb", "link", "large"],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_archives_of_strangers_are_not_unpacked(
    run: Path, tmp_path: Path, change: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    forged = forge(share_run(run, tmp_path / "bundle.zip").file, change)
    with pytest.raises(SystemExit) as stop:
        main(["verify", str(forged)])
    assert stop.value.code == 2
    assert "unpack" in capsys.readouterr().err
    assert not [*tmp_path.parent.rglob("escaped.json")]


def test_files_that_are_no_bundle_are_named(run: Path, tmp_path: Path) -> None:
    bundle = share_run(run, tmp_path / "bundle.zip").file
    other = tmp_path / "other.zip"
    other.write_bytes(bundle.read_bytes()[:400])
    with pytest.raises(ConfigError, match="is not a zip archive, or is damaged"):
        check_run(other)
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("cell.json", "{}")
    with pytest.raises(ConfigError, match=r"holds no bundle.json"):
        check_run(other)


def test_command_prints_what_it_left_out(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["share", str(run), "-o", str(tmp_path / "bundle.zip")])
    assert not stop.value.code
    out = capsys.readouterr().out
    assert "Left out: train.log (a log names folders, users and machines)" in out
    with pytest.raises(SystemExit) as stop:
        main(["share", str(tmp_path), "-o", str(tmp_path / "b.zip")])
    assert stop.value.code == 2
    assert "is not a run folder" in capsys.readouterr().err
