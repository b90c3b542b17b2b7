from __future__ import annotations

from pathlib import Path

from rs_adapt.runs.folder import check_run_folder, open_run_folder
from rs_adapt.runs.records import CellNames, RunStart

START = RunStart(
    cell=CellNames(
        bench="synthetic",
        setting="dg",
        method="frozen",
        backbone="dinov2_nano",
        head="linear",
        strategy="source_only",
        seed=0,
    )
)


def test_what_a_sweep_keeps_in_a_run_folder_is_no_run_and_stays(tmp_path: Path) -> None:
    kept = ["sweep.lock", "sweep.log", "sweep_cell.json"]
    for name in kept:
        (tmp_path / name).write_text("mine")
    check_run_folder(tmp_path, cfg_text="", resume=False, overwrite=False)
    (tmp_path / "packs").mkdir()
    (tmp_path / "cell.json").touch()
    open_run_folder(tmp_path, cfg_text="a = 1\n", start=START, resume=False, overwrite=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cell.json", "config.py", *kept]
    assert all((tmp_path / name).read_text() == "mine" for name in kept)
