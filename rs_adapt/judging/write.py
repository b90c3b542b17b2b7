"""The folder of `rs-adapt judge`: the page and the numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rs_adapt.errors import OutputExists
from rs_adapt.files import write_folder_atomically, write_json
from rs_adapt.judging.judgement import Judgement
from rs_adapt.judging.page import make_page

PAGE_FILE = "index.html"
NUMBERS_FILE = "judge.json"


def check_folder(folder: Path, *, overwrite: bool) -> None:
    """Refuse a folder that is taken, before any work is done.

    Raises:
        OutputExists: It holds a judgement and `overwrite` is False, or it holds other files, or it is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise OutputExists(f"{folder} is a file. Choose a folder with --out.")
    if not folder.exists() or not any(folder.iterdir()):
        return
    if not (folder / NUMBERS_FILE).is_file():
        raise OutputExists(
            f"{folder} is not empty and contains no {NUMBERS_FILE}. Choose a different folder with --out."
        )
    if not overwrite:
        raise OutputExists(f"{folder} contains a judgement. Choose a different folder with --out, or add --overwrite.")


def write_judgement(judgement: Judgement, folder: Path) -> Judgement:
    """Write page and numbers, both or none; other files in the folder stay.

    Returns:
        The judgement with its folder.
    """

    def fill(staging: Path) -> None:
        (staging / PAGE_FILE).write_text(make_page(judgement), encoding="utf-8")
        write_json(staging / NUMBERS_FILE, judgement.to_json())

    write_folder_atomically(folder, fill, overwrite=True, own=(PAGE_FILE, NUMBERS_FILE))
    return replace(judgement, folder=folder)
