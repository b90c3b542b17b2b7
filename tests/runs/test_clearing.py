"""Deletion of a run's files: those that a run writes, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from rs_adapt.errors import OutputExists
from rs_adapt.runs.clearing import clear_run, refuse_output_in_run
from rs_adapt.runs.files import is_written_by_run
from rs_adapt.runs.folder import check_run_folder

WRITTEN = (
    "config.py",
    "cell.json",
    "hashes.json",
    "state.pth",
    "pseudo_labels.png",
    "packs/iter20/adapter.safetensors",
    "packs/iter20/val.npz",
    "confusions/iter20.npz",
    "eval/loveda_r2u-test/result.json",
    "eval/loveda_r2u-test/overlays/3514.png",
    "inspect/tile/block3_gate.png",
    "tensorboard/events.out.tfevents.1",
    "vis_data/a/b.json",
    "20250102_030405/20250102_030405.log",
    ".state.pth.new-host-12-345",
    "packs/iter20/.adapter.safetensors.new-host-12-345",
)
FOREIGN = (
    "notes.txt",
    "inner/seed1/notes.txt",
    "inner/result.json",
    "packs/mine.txt",
    "packs/iter20/mine.txt",
    "confusions/mine.npz",
    "eval/README.md",
    "eval/mine/figure.pdf",
    "my.new-idea-1-x",
    "inner/.state.pth.new-host-12-345",
    "report/index.html",
    "sweep.log",
    "sweep_cell.json",
    "run.lock",
)


@pytest.mark.parametrize("name", WRITTEN)
def test_files_of_a_run(name: str) -> None:
    assert is_written_by_run(Path(name))


@pytest.mark.parametrize("name", FOREIGN)
def test_files_of_others(name: str) -> None:
    assert not is_written_by_run(Path(name))


def test_only_what_a_run_writes_is_deleted(tmp_path: Path) -> None:
    run, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "iter5.npz").touch()
    for name in (*WRITTEN, *FOREIGN, "packs/iter40/adapter.safetensors"):
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).touch()
    (run / "empty").mkdir()
    (run / "inspect" / "old").symlink_to(elsewhere)
    clear_run(run)
    left = {path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file()}
    assert left == set(FOREIGN)
    assert (run / "empty").is_dir()
    assert not (run / "packs" / "iter40").exists()
    assert not (run / "tensorboard").exists()
    assert (elsewhere / "iter5.npz").is_file()


def check(run_dir: Path, *, overwrite: bool = True) -> None:
    check_run_folder(run_dir, cfg_text="", resume=False, overwrite=overwrite)


def test_a_run_neither_replaces_nor_surrounds_another(tmp_path: Path) -> None:
    outer, inner = tmp_path / "outer", tmp_path / "outer" / "more" / "inner"
    inner.mkdir(parents=True)
    (outer / "cell.json").touch()
    check(outer)
    with pytest.raises(OutputExists, match=r"inner lies inside the folder of the run .*/outer\. Choose"):
        check(inner, overwrite=False)
    (inner / "sweep_cell.json").touch()
    with pytest.raises(OutputExists, match=r"outer has the run .*/more/inner inside\. Move that run out of it, or"):
        check(outer)
    (outer / "cell.json").unlink()
    check(inner)
    with pytest.raises(OutputExists, match="has the run .* inside"):
        check(tmp_path, overwrite=False)


def test_a_run_that_was_killed_at_its_start_can_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "config.py").touch()
    with pytest.raises(OutputExists, match="holds a run"):
        check(tmp_path, overwrite=False)
    check(tmp_path)
    # A file of somebody's program beside it: this is no run.
    (tmp_path / "main.py").touch()
    with pytest.raises(OutputExists, match="is not empty and holds no run"):
        check(tmp_path)


def test_output_does_not_mix_with_runs(tmp_path: Path) -> None:
    run = tmp_path / "runs" / "run"
    run.mkdir(parents=True)
    (run / "cell.json").touch()
    for out in (run, run / "packs", run / "packs" / "iter5", run / "confusions"):
        with pytest.raises(OutputExists, match=r"belongs to the run .*/runs/run\. Choose a folder outside"):
            refuse_output_in_run(out)
    with pytest.raises(OutputExists, match="has the run .*/runs/run inside"):
        refuse_output_in_run(tmp_path / "runs")
    refuse_output_in_run(tmp_path / "runs", may_hold_runs=True)
    refuse_output_in_run(run / "exported")
    refuse_output_in_run(tmp_path / "new")
