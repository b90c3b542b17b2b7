from __future__ import annotations

from pathlib import Path

import pytest

from rs_adapt.config.literals import parse_literals
from rs_adapt.config.text import tree_to_python
from rs_adapt.errors import CheckpointMismatch
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


def test_files_of_a_sweep_in_a_run_folder_are_not_a_run_and_remain(tmp_path: Path) -> None:
    kept = ["sweep.lock", "sweep.log", "sweep_cell.json"]
    for name in kept:
        (tmp_path / name).write_text("mine")
    check_run_folder(tmp_path, cfg_text="", resume=False, overwrite=False)
    (tmp_path / "packs").mkdir()
    (tmp_path / "cell.json").touch()
    open_run_folder(tmp_path, cfg_text="a = 1\n", start=START, digests={}, resume=False, overwrite=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cell.json", "config.py", "data.json", *kept]
    assert all((tmp_path / name).read_text() == "mine" for name in kept)


STORED = Path(__file__).parent / "stored_0_1_0" / "interrupted"
SENTENCE = "Nothing to fetch: `rs-adapt train --bench synthetic-da` draws the scenes."


@pytest.fixture
def interrupted(tmp_path: Path) -> Path:
    (tmp_path / "cell.json").touch()
    (tmp_path / "state.pth").touch()
    (tmp_path / "config.py").write_text((STORED / "config.py").read_text())
    return tmp_path


@pytest.mark.parametrize("sentence", ["Ask.", "Ask the authors. " * 9], ids=["on one line", "longer"])
def test_a_run_is_resumed_under_a_new_wording(interrupted: Path, sentence: str) -> None:
    text = (interrupted / "config.py").read_text()
    assert SENTENCE in text
    values = parse_literals(
        text.replace(SENTENCE, sentence).replace("title='", "title='New words: "), file="", remedy=""
    )
    # Laid out anew: a short sentence lets its dict fit on one line.
    reworded = tree_to_python(values.values)
    assert reworded != text
    check_run_folder(interrupted, cfg_text=reworded, resume=True, overwrite=False)


def test_a_run_is_not_resumed_under_a_new_wording_and_a_new_value(interrupted: Path) -> None:
    text = (interrupted / "config.py").read_text().replace(SENTENCE, "Ask.")
    assert "seed=0" in text
    with pytest.raises(CheckpointMismatch, match=r"has changed\. First difference: `.*seed=0.*` is now `.*seed=1"):
        check_run_folder(interrupted, cfg_text=text.replace("seed=0", "seed=1"), resume=True, overwrite=False)
