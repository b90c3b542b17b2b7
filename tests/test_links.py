"""Nothing is written through links that somebody packed into a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from rs_adapt.errors import OutputExists
from rs_adapt.links import append_bytes, check_no_links, place_inside
from rs_adapt.runs.folder import check_run_folder
from rs_adapt.runs.locking import lock_run


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").write_text("mine")
    (tmp_path / "run").mkdir()
    return tmp_path / "outside"


def test_a_place_is_not_behind_a_link(outside: Path) -> None:
    run = outside.parent / "run"
    assert place_inside(run, "eval", "x") == run / "eval" / "x"
    (run / "eval").symlink_to(outside)
    with pytest.raises(OutputExists, match=rf"run/eval is a link to {outside}"):
        place_inside(run, "eval", "x")
    # The folder itself may be a link.
    (outside.parent / "linked").symlink_to(run)
    (run / "eval").unlink()
    place_inside(outside.parent / "linked", "eval", "x")


@pytest.mark.parametrize("place", ["eval", "metrics.jsonl", "packs/iter1/adapter.safetensors"])
def test_links_at_any_depth_are_found(outside: Path, place: str) -> None:
    run = outside.parent / "run"
    check_no_links(run)
    (run / place).parent.mkdir(parents=True, exist_ok=True)
    (run / place).symlink_to(outside / "file")
    with pytest.raises(OutputExists, match=f"{place} is a link"):
        check_no_links(run)
    with pytest.raises(OutputExists, match="is a link"):
        check_run_folder(run, cfg_text="", resume=True, overwrite=False)
    assert (outside / "file").read_text() == "mine"


def test_a_line_is_not_added_behind_a_link(outside: Path) -> None:
    run = outside.parent / "run"
    with append_bytes(run / "log") as file:
        file.write(b"a")
    with append_bytes(run / "log") as file:
        file.write(b"b")
    assert (run / "log").read_bytes() == b"ab"
    for target in (outside / "file", outside / "new"):
        (run / "link").unlink(missing_ok=True)
        (run / "link").symlink_to(target)
        with pytest.raises(OutputExists, match="link is a link"), append_bytes(run / "link"):
            pass
    assert (outside / "file").read_text() == "mine"
    assert not (outside / "new").exists()


def test_a_lock_is_not_written_behind_a_link(outside: Path) -> None:
    run = outside.parent / "run"
    (run / "run.lock").symlink_to(outside / "file")
    with pytest.raises(OutputExists, match=r"run\.lock is a link"), lock_run(run):
        pass
    assert (outside / "file").read_text() == "mine"
