"""Reading finished runs: collect them, rescore and compare them, report on them. Loads no torch."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rs_adapt.api.flow import refuse_images
from rs_adapt.api.progress import Progress, progress_callback
from rs_adapt.downloads.hub import is_hub_address
from rs_adapt.errors import ConfigError
from rs_adapt.links import place_inside
from rs_adapt.runs.run import Run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rs_adapt.reports.make import Report
    from rs_adapt.runs.collect import Collection
    from rs_adapt.scores.comparison import RunComparison
    from rs_adapt.scores.rescore import Rescored

# A run as `train` returns it, or a run folder.
RunLike = Run | str | os.PathLike[str]
Unit = Literal["auto", "image", "scene"]


def folder_of(run: RunLike) -> Path:
    """Return the folder of a run.

    Raises:
        ConfigError: It is named as a pack on the Hub, which has no stored results.
    """
    if isinstance(run, Run):
        return run.folder
    if is_hub_address(run):
        raise ConfigError(
            f"{os.fspath(run)} is an adapter pack on the Hugging Face Hub, and this needs the results of a run folder. "
            "Name a run folder."
        )
    return Path(run).expanduser()


def collect(*folders: RunLike) -> Collection:
    """Read all runs below some folders; a damaged run is reported and does not stop the others.

    So is a result whose scores its stored confusion matrices contradict.

    Args:
        folders: Run folders, or folders above them.

    Returns:
        `runs` with `cell`, `status`, `result` and `metrics` each, `finished`, `means` of trained models that were
        scored (`result` and `members`), and `damaged` with the reasons. Results of version 0.1.0 are scored again from
        their matrices where a class without true pixels lowered their mIoU.

    Raises:
        ConfigError: A folder does not exist, or there is no run below any.

    Examples:
        >>> import rs_adapt as rsa
        >>> [(run.cell.method, run.miou_pct) for run in rsa.collect("work_dirs").finished]
        [('bitfit', 37.724)]
    """
    from rs_adapt.runs.collect import collect as collect_runs
    from rs_adapt.runs.run import Damage
    from rs_adapt.scores.contradictions import check_result
    from rs_adapt.scores.current import current_run

    collection = collect_runs([folder_of(folder) for folder in folders])
    contradicted = [
        Damage(place=run.folder, why=why)
        for run in collection.finished
        if run.result is not None
        for why in check_result(run.folder, run.result)
    ]
    return dataclasses.replace(
        collection,
        runs=tuple(current_run(run) for run in collection.runs),
        damaged=(*collection.damaged, *contradicted),
    )


def score(
    run: RunLike,
    *,
    classes: str | None = None,
    ignore: str | None = None,
    group_by: Literal["image", "scene", "city"] | None = None,
    selection: str | None = None,
    protocol: str | None = None,
    unit: Unit = "auto",
    worst: int = 0,
) -> Rescored:
    """Rescore a finished run from the confusion matrices that it stored for each image, within a second.

    Args:
        run: A run, its folder, a folder that `evaluate` wrote, or an `.npz` file of matrices.
        classes: Classes in the mean: `all`, comma-separated names, or `no-NAME[,no-NAME]`.
        ignore: Comma-separated classes; pixels with these labels are not scored.
        group_by: Also score by image, scene or city.
        selection: Checkpoint: `last`, `best-source-val`, `best-label-free` or `oracle`; the run's headline.
        protocol: Protocol that decides on selection and classes.
        unit: What is resampled for the intervals; `auto` takes scenes where all tiles have one, else images.
        worst: How many images with the lowest mIoU to list.

    Returns:
        `miou_pct`, `interval`, `classes`, `groups`, `worst` and others; percent with 3 digits, None where there is no
        value. `to_json` gives what `rs-adapt score --json` prints.

    Raises:
        ScoresError: No matrices are stored, or they cannot answer.
        ConfigError: A name or an option cannot be used.

    Examples:
        >>> import rs_adapt as rsa
        >>> run = rsa.collect("work_dirs").finished[0]
        >>> scores = rsa.score(run, classes="all", worst=3)
        >>> 0 <= scores.miou_pct <= 100, len(scores.worst)
        (True, 3)
    """
    refuse_images(folder_of(run))
    from rs_adapt.scores.rescore import rescore

    return rescore(
        folder_of(run),
        classes=classes,
        ignore=ignore,
        selection=selection,
        protocol=protocol,
        unit=unit,
        group_by=group_by,
        worst=worst,
    )


def compare(
    run_a: RunLike,
    run_b: RunLike,
    *,
    classes: str | None = None,
    ignore: str | None = None,
    selection: str | None = None,
    unit: Unit = "auto",
) -> RunComparison:
    """Compare run B with run A on the same images, paired.

    Args:
        run_a: See `score`.
        run_b: See `score`.
        classes: See `score`.
        ignore: See `score`.
        selection: See `score`.
        unit: See `score`.

    Returns:
        `sentence`, `miou` and `classes` (B minus A in percentage points, with intervals), `differ` (what else differs
        between the runs) and others. `to_json` gives what `rs-adapt compare --json` prints.

    Raises:
        ScoresError: No matrices are stored, or the two are not of the same images, labels and classes.
        ConfigError: A name or an option cannot be used.

    Examples:
        >>> import rs_adapt as rsa
        >>> run = rsa.collect("work_dirs").finished[0]
        >>> rsa.compare(run, run).miou.points
        0.0
    """
    from rs_adapt.scores.comparison import compare_runs

    return compare_runs(
        folder_of(run_a), folder_of(run_b), classes=classes, ignore=ignore, selection=selection, unit=unit
    )


def report(
    folders: RunLike | Sequence[RunLike],
    *,
    out: str | os.PathLike[str] | None = None,
    title: str = "",
    against: str | None = None,
    selection: str | None = None,
    classes: str | None = None,
    panels: int = 0,
    device: str = "auto",
    overwrite: bool = False,
    progress: Progress = True,
) -> Report:
    """Write one page about all runs below some folders, with the same tables as Markdown, LaTeX and CSV.

    Args:
        folders: A run folder or a folder above some, or several of them.
        out: Folder to write to; `report` in the first folder. An earlier report is replaced.
        title: Title of the page.
        against: `paper` sets published numbers beside those of the runs.
        selection: See `score`.
        classes: See `score`.
        panels: Tiles of each bench to draw with the stored models; 0 loads no model.
        device: `auto`, `cpu`, `cuda` or `cuda:N`, for the panels.
        overwrite: Whether the folder may contain other files, which stay.
        progress: True shows it on standard error; or a callback (stage, done, total).

    Returns:
        The report; `files` are the files written, `content` the groups of runs and their scores as plain values.

    Raises:
        ConfigError: There is no run, or an option cannot be used.
        OutputExists: The folder holds other files than a report.

    Examples:
        >>> import rs_adapt as rsa
        >>> made = rsa.report("work_dirs", out="page")
        >>> [file.name for file in made.files]
        ['index.html', 'report.md', 'report.tex', 'results.csv']
    """
    from rs_adapt.reports.make import check_out, make_report, write_report

    places = (
        [folder_of(folders)]
        if isinstance(folders, Run | str | os.PathLike)
        else [folder_of(folder) for folder in folders]
    )
    folder = Path(out).expanduser() if out is not None else place_inside(places[0], "report")
    check_out(folder, overwrite=overwrite)
    with progress_callback(progress) as on_progress:
        contents = make_report(
            places,
            title=title,
            selection=selection,
            classes=classes,
            against=against,
            panels=panels,
            device=device,
            on_progress=on_progress,
        )
    return dataclasses.replace(contents, files=tuple(write_report(contents, folder, overwrite=overwrite)))
