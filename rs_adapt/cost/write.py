"""The files of a cost comparison: `cost.json`, `cost.csv`, `cost.md` and `cost.svg`, complete or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rs_adapt.cost.plot import cost_svg
from rs_adapt.cost.table import cost_csv, cost_markdown, cost_title
from rs_adapt.errors import OutputExists
from rs_adapt.files import make_output_folder, staged_files, write_json

# The JSON last: where it is, the others are.
FILES = ("cost.csv", "cost.md", "cost.svg", "cost.json")


def check_cost_folder(folder: Path, *, overwrite: bool) -> None:
    """Make the folder, and check that a comparison may be written there; minutes of measuring follow.

    Raises:
        OutputExists: It holds a comparison, and `overwrite` was not asked for.
        ConfigError: It cannot be made or written to.
    """
    if not overwrite and (found := [name for name in FILES if (folder / name).exists()]):
        raise OutputExists(
            f"{folder} holds {found[0]} already. Choose another folder with --out, or add --overwrite to replace it."
        )
    make_output_folder(folder)


def write_cost_files(folder: Path, content: dict[str, Any]) -> None:
    """Write all four files, and put them in place when the last one is complete.

    Args:
        folder: From `check_cost_folder`; other files in it stay.
        content: Of `cost_content`.
    """
    with staged_files(folder, FILES) as made:
        (made / "cost.csv").write_text(cost_csv(content))
        (made / "cost.md").write_text(cost_markdown(content))
        (made / "cost.svg").write_text(cost_svg(content, cost_title(content)), encoding="utf-8")
        write_json(made / "cost.json", content)
