"""The folder of `rs-adapt judge`: the page and the numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from rs_adapt.errors import OutputExists
from rs_adapt.files import write_folder_atomically
from rs_adapt.judging.judgement import Judgement
from rs_adapt.judging.page import make_page
from rs_adapt.judging.point_files import SAMPLE_FILE, SampleFormat, points_file, write_sample
from rs_adapt.runs.records import write_record

PAGE_FILE = "index.html"
NUMBERS_FILE = "judge.json"
# Maps of scenes: those of RUN, those of AGAINST, and where the two differ.
MAP_FOLDERS = ("run", "against", "difference")


@dataclass(frozen=True, kw_only=True)
class SampleSettings:
    """How points to label are written.

    Attributes:
        form: "csv" or "gpkg".
        show_predictions: Also write the classes of both models into the file.
        models: SHA-256 of the tensors of RUN and of AGAINST.
    """

    form: SampleFormat
    show_predictions: bool
    models: tuple[str, str]


def check_folder(folder: Path, *, overwrite: bool, sample: SampleFormat | None = None) -> None:
    """Refuse a folder that is taken, before any work is done.

    Args:
        folder: The folder.
        overwrite: Whether a judgement may be replaced; points never are, for they may have labels.
        sample: Format of the points that will be written; None for no points.

    Raises:
        OutputExists: It holds a judgement and `overwrite` is False, or it holds other files or points, or it is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise OutputExists(f"{folder} is a file. Choose a folder with --out.")
    # Maps of scenes are written before the page, and a call that was interrupted leaves them.
    if not folder.exists() or all(entry.name in MAP_FOLDERS for entry in folder.iterdir()):
        return
    if not (folder / NUMBERS_FILE).is_file():
        raise OutputExists(
            f"{folder} is not empty and contains no {NUMBERS_FILE}. Choose a different folder with --out."
        )
    if not overwrite:
        raise OutputExists(f"{folder} contains a judgement. Choose a different folder with --out, or add --overwrite.")
    points = [folder / SAMPLE_FILE, *(points_file(folder, form) for form in ("csv", "gpkg"))]
    taken = next((file for file in points if file.exists()), None)
    if sample is not None and taken is not None:
        raise OutputExists(
            f"{taken} exists, and labels of points are never replaced. Choose a different folder with --out."
        )


def write_judgement(judgement: Judgement, folder: Path, *, settings: SampleSettings | None = None) -> Judgement:
    """Write page, numbers and points, all or none; other files in the folder stay.

    Args:
        judgement: The judgement.
        folder: The folder.
        settings: How its points are written, if it has some.

    Returns:
        The judgement with its folder.
    """

    def fill(staging: Path) -> None:
        (staging / PAGE_FILE).write_text(make_page(judgement), encoding="utf-8")
        write_record(staging / NUMBERS_FILE, judgement.record)
        if judgement.sample is not None and settings is not None:
            write_sample(
                staging,
                judgement.sample,
                classes=judgement.classes,
                models=settings.models,
                form=settings.form,
                show_predictions=settings.show_predictions,
            )

    # Points of before are not among them: they may have labels.
    write_folder_atomically(folder, fill, overwrite=True, own=(PAGE_FILE, NUMBERS_FILE))
    return replace(judgement, folder=folder)
