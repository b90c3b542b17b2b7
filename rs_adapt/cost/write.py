"""The files of a cost comparison: `cost.json`, `cost.csv`, `cost.md` and `cost.svg`, complete or not at all."""

from __future__ import annotations

from pathlib import Path

from rs_adapt.cost.plot import cost_svg
from rs_adapt.cost.table import cost_csv, cost_markdown, cost_title
from rs_adapt.errors import OutputExists
from rs_adapt.files import make_output_folder, staged_files
from rs_adapt.runs.files import COST_FILE
from rs_adapt.runs.records import CostRecord, write_record

# The JSON last: a folder that has it has all files.
FILES = ("cost.csv", "cost.md", "cost.svg", COST_FILE)


def check_cost_folder(folder: Path, *, overwrite: bool) -> None:
    """Create the folder and check that a comparison may be written to it, before minutes of measuring.

    Args:
        folder: Folder for the files.
        overwrite: Whether an older comparison in it may be replaced.

    Raises:
        OutputExists: The folder has a comparison already, and `overwrite` is not set.
        ConfigError: The folder cannot be created or written to.
    """
    if not overwrite and (existing := [name for name in FILES if (folder / name).exists()]):
        raise OutputExists(
            f"{folder} already contains {existing[0]}. Choose a different folder with --out, or add "
            "--overwrite to replace it."
        )
    make_output_folder(folder)


def write_cost_files(folder: Path, record: CostRecord) -> None:
    """Write all four files; none of them appears in the folder before the last one is complete.

    Args:
        folder: A folder that `check_cost_folder` has checked; other files in it stay.
        record: Return value of `cost_record`.
    """
    with staged_files(folder, FILES) as staging:
        (staging / "cost.csv").write_text(cost_csv(record))
        (staging / "cost.md").write_text(cost_markdown(record))
        (staging / "cost.svg").write_text(cost_svg(record, cost_title(record)), encoding="utf-8")
        write_record(staging / COST_FILE, record)
