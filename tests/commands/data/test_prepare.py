"""`rs-adapt data prepare` on generated originals: plan, result, refusals, zips, several processes, kill -9."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rs_adapt.commands import main
from rs_adapt.datasets.originals import load_layout

if TYPE_CHECKING:
    from collections.abc import Callable

    Prepare = Callable[..., tuple[Any, str, str]]

SCENES = {
    name: [scene for part in load_layout(name).parts for scene in part.scenes or ()]
    for name in ("potsdam", "vaihingen")
}


@pytest.fixture
def prepare(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Prepare:
    """Return a function that prepares from `s` into `data`, and gives the exit code, stdout and stderr."""

    def run(name: str, *arguments: str, source: str = "s") -> tuple[Any, str, str]:
        places = ("--source", str(tmp_path / source), "--data-root", str(tmp_path / "data"))
        with pytest.raises(SystemExit) as stop:
            main(["data", "prepare", name, *places, *(arguments or ("--jobs", "1"))])
        shown = capsys.readouterr()
        return stop.value.code or 0, shown.out, shown.err

    return run


def tree(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_a_dry_run_prints_the_plan_and_writes_nothing(write_originals, prepare: Prepare, tmp_path: Path) -> None:
    write_originals("vaihingen", tmp_path / "s", SCENES["vaihingen"])
    code, out, err = prepare("vaihingen", "--dry-run")
    assert (code, err) == (0, "")
    assert "ISPRS Vaihingen: tiles of 512 px every 512 px" in out
    assert re.search(r"train +16 +16 +0 +0", out)
    assert re.search(r"val +17 +17 +0 +0", out)
    assert re.search(r"Nothing is cut\. Tiles would go to .*/vaihingen\.", out)
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


def test_counts_off_legend_colours_and_remarks_are_printed(write_originals, prepare: Prepare, tmp_path: Path) -> None:
    import numpy as np

    from rs_adapt.scenes import write_geotiff

    write_originals("potsdam", tmp_path / "s", ["2_10", "2_13"])
    colours = np.full((24, 40, 3), 255, np.uint8)
    colours[:2, :3] = (252, 255, 0)
    write_geotiff(tmp_path / "s" / "top_potsdam_2_13_label_noBoundary.tif", colours)
    code, out, err = prepare("potsdam", "--partial", "--tile-px", "16", "--jobs", "1")
    assert code == 0
    assert "tiles of 16 px every 16 px" in err
    assert "cutting scenes: 2" in err
    assert re.search(r"train +1 of 24 +6 +other tiles +0", out)
    assert re.search(r"val +1 of 14 +6 +other tiles +6", out)
    assert "Scenes cut now: 2; cut before and verified: 0." in out
    assert "Incomplete. Missing: train: 23 of 24 (images and labels of 2_11, " in out
    assert "Label of 2_13: colours off the legend, not scored now: (252,255,0) 6 px." in out
    code, out, _ = prepare("potsdam", "--partial", "--tile-px", "16")
    assert code == 0
    assert "Scenes cut now: 0; cut before and verified: 2." in out


def test_numbers_that_are_not_the_published_ones_fail(write_originals, prepare: Prepare, tmp_path: Path) -> None:
    write_originals("vaihingen", tmp_path / "s", SCENES["vaihingen"])
    code, out, err = prepare("vaihingen")
    assert code == 1
    assert re.search(r"train +16 of 16 +16 +344", out)
    assert "error: val: 17 tiles, published are 398. The originals are not the published ones." in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("potsdm",), r"There is no data set 'potsdm' to prepare\. Did you mean potsdam"),
        (("synthetic",), r"The tiles of synthetic are not made by this command\. Nothing to fetch"),
        (("potsdam",), r"Scenes of potsdam are missing in .*: train: 23 of 24 .*\. val: all 14\. .*--partial\."),
        (("loveda", "--partial"), r"holds no image of loveda with a label.*rs-adapt data fetch loveda"),
        (
            ("potsdam", "--partial", "--tile-px", "8", "--stride-px", "9"),
            r"Cannot lay tiles of 8 px with a stride of 9 px",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_bad_input_is_refused_and_nothing_is_written(
    write_originals, prepare: Prepare, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    write_originals("potsdam", tmp_path / "s", ["2_10"])
    code, out, err = prepare(*arguments)
    assert (code, out) == (2, "")
    assert re.search(f"error: .*{message}", err)
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


def test_a_source_that_is_not_there_is_refused(prepare: Prepare, tmp_path: Path) -> None:
    code, _, err = prepare("potsdam", source="nowhere")
    assert (code, "There is no source" in err) == (2, True)


def test_archives_are_looked_for_where_fetch_puts_them(
    write_originals, tmp_path: Path, own_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for expected in (2, 0):
        with pytest.raises(SystemExit) as stop:
            main(["data", "prepare", "potsdam-irrg", "--dry-run", "--partial", "--data-root", str(tmp_path / "data")])
        assert (stop.value.code or 0) == expected
        write_originals("potsdam_irrg", own_home / "downloads" / "potsdam", ["2_10"])
    shown = capsys.readouterr()
    assert re.search(r"There is no source .*downloads/potsdam", shown.err)
    assert re.search(r"train +1 +24 +0 +23", shown.out)


def test_nested_zips_give_the_same_bytes_as_folders_with_any_number_of_processes(
    write_originals, prepare: Prepare, tmp_path: Path
) -> None:
    write_originals("vaihingen", tmp_path / "s", ["1", "2", "3", "4"])
    (tmp_path / "z").mkdir()
    with zipfile.ZipFile(tmp_path / "images.zip", "w", zipfile.ZIP_DEFLATED) as images:
        for file in (tmp_path / "s" / "top").iterdir():
            images.write(file, f"top/{file.name}")
            images.writestr(f"gts_for_participants/{file.name}", b"no image")
    with zipfile.ZipFile(tmp_path / "z" / "Vaihingen.zip", "w") as outer:
        outer.write(tmp_path / "images.zip", "Vaihingen/ISPRS_semantic_labeling_Vaihingen.zip")
    with zipfile.ZipFile(tmp_path / "z" / "ground_truth_eroded_COMPLETE.zip", "w", zipfile.ZIP_DEFLATED) as labels:
        for file in (tmp_path / "s").glob("*.tif"):
            labels.write(file, file.name)
    options = ("--partial", "--tile-px", "16", "--jobs")
    assert prepare("vaihingen", *options, "1")[0] == 0
    whole = tree(tmp_path / "data" / "vaihingen")
    (tmp_path / "data" / "vaihingen").rename(tmp_path / "first")
    assert prepare("vaihingen", *options, "2", source="z")[0] == 0
    found = tree(tmp_path / "data" / "vaihingen")
    # The record names the sizes of the originals, which are the same in a zip.
    assert found == whole
    assert len(found) == 4 * 6 * 2 + 1


@pytest.mark.slow
def test_a_killed_run_continues_to_the_same_tiles(write_originals, prepare: Prepare, tmp_path: Path) -> None:
    write_originals("potsdam", tmp_path / "s", SCENES["potsdam"][:20], size_px=(192, 192))
    options = ("--partial", "--tile-px", "32")
    places = ("--source", str(tmp_path / "s"), "--data-root", str(tmp_path / "killed"))
    command = [sys.executable, "-m", "rs_adapt", "data", "prepare", "potsdam", *places, *options, "--jobs", "2"]
    journal = tmp_path / "killed" / ".potsdam.preparing" / "journal.jsonl"
    run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 60
        # The first line holds the facts: two scenes are done.
        while not (journal.is_file() and len(journal.read_bytes().splitlines()) > 2):
            assert run.poll() is None
            assert time.monotonic() < until
            time.sleep(0.005)
        workers = children(run.pid)
        os.kill(run.pid, signal.SIGKILL)
        run.wait()
        assert workers
        while any(Path(f"/proc/{worker}/task").exists() for worker in workers):
            assert time.monotonic() < until
            time.sleep(0.01)
    finally:
        run.kill()
        run.wait()
    assert not (tmp_path / "killed" / "potsdam").exists()
    begun = len(journal.read_bytes().splitlines()) - 1
    assert 2 <= begun < 20
    (tmp_path / "killed").rename(tmp_path / "data")
    code, out, _ = prepare("potsdam", *options, "--jobs", "1")
    assert code == 0
    assert f"Scenes cut now: {20 - begun}; cut before and verified: {begun}." in out
    killed = tree(tmp_path / "data")
    (tmp_path / "data").rename(tmp_path / "went on")
    assert prepare("potsdam", *options, "--jobs", "1")[0] == 0
    assert tree(tmp_path / "data") == killed


def children(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    path = Path(f"/proc/{pid}/task/{pid}/children")
    if not path.is_file():
        pytest.skip("this system does not list the children of a process")
    return [int(child) for child in path.read_text().split()]
