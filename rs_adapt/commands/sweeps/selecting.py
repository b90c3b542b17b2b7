"""The cells of a sweep by the options of the command line: file or single cell, launcher, selection."""

from __future__ import annotations

import fnmatch
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rs_adapt.errors import ConfigError
from rs_adapt.launchers.kinds import check_launcher_kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rs_adapt.sweeps.cells import Expansion, SweepCell
    from rs_adapt.sweeps.spec import Spec


def read_sweep(
    file: Path, *, work_dir: Path | None, data_root: Path | None, no_code: bool = False
) -> tuple[Spec, Path, Expansion]:
    """Read a sweep's file, or the shipped sweep of that name, and compose its cells.

    Returns:
        The sweep, its folder and its cells.

    Raises:
        ConfigError: The file cannot be used; see `read_spec` and `expand`. With `no_code`: it can run code of its own.
    """
    from rs_adapt.sweeps.buildable import check_builds
    from rs_adapt.sweeps.cells import expand
    from rs_adapt.sweeps.no_code import refuse_code
    from rs_adapt.sweeps.spec import read_spec

    spec = read_spec(_file_or_shipped_sweep(file))
    if no_code:
        refuse_code(spec)
    folder = (work_dir or Path("work_dirs") / spec.name).expanduser().resolve()
    root = None if data_root is None else str(data_root)
    return spec, folder, expand(spec, folder=folder, data_root=root, check=check_builds)


def _file_or_shipped_sweep(file: Path) -> Path:
    """Return the file, or the shipped sweep of that name: an installed package has no `configs/` next to it."""
    from rs_adapt.config.paths import configs_dir

    shipped = configs_dir() / "sweep" / f"{file.stem}.toml"
    named = file.suffix == "" or file.parent == Path("configs/sweep")
    return shipped if named and not file.is_file() and shipped.is_file() else file


def cell_as_sweep(
    axes: dict[str, tuple[str, ...]],
    *,
    texts: tuple[str, ...],
    iters: int | None,
    untuned: bool,
    precision: str | None,
    weights: str | None,
    data_root: Path | None,
) -> tuple[Spec, Expansion]:
    """Return the cell that the options name as a sweep with a single cell.

    Raises:
        ConfigError: A name or an override cannot be used.
    """
    from rs_adapt.sweeps.cells import expand
    from rs_adapt.sweeps.spec import CellGroup, LauncherSpec, Spec

    group = CellGroup(where="", name="", axes={**axes}, set=texts, iters=iters, untuned=untuned)
    spec = Spec(
        file=Path("command line"),
        name="cell",
        title="",
        groups=(group,),
        skip=(),
        precision=precision,
        weights=weights,
        data_root=None if data_root is None else str(data_root),
        retries=0,
        launcher=LauncherSpec(),
    )
    # The folder does not exist, so that the cell never counts as done.
    return spec, expand(spec, folder=Path("work_dirs").resolve() / ".plan")


def apply_launcher_options(spec: Spec, *, kind: str | None, jobs: int | None, gpus: str | None) -> Spec:
    """Return the sweep with the launcher that the options choose; None leaves a value of the file.

    Raises:
        ConfigError: The value of an option cannot be used.
    """
    changes: dict[str, object] = {}
    if kind is not None:
        check_launcher_kind(kind)
        changes["kind"] = kind
    if jobs is not None:
        changes["jobs"] = jobs
    if gpus is not None:
        numbers = [part.strip() for part in gpus.split(",") if part.strip()]
        if not all(number.isdigit() for number in numbers):
            raise ConfigError(f"--gpus {gpus!r} is not a list of numbers. Use --gpus 0,1, or --gpus '' for none.")
        changes["gpus"] = tuple(int(number) for number in numbers)
    return replace(spec, launcher=spec.launcher.model_copy(update=changes))


def select_cells(cells: Sequence[SweepCell], only: str | None) -> list[SweepCell]:
    """Return the cells that match a pattern; all cells without one.

    Raises:
        ConfigError: No cell matches.
    """
    if only is None:
        return list(cells)
    pattern = only if any(sign in only for sign in "*?[") else f"*{only}*"
    matching = [cell for cell in cells if any(fnmatch.fnmatchcase(text, pattern) for text in (str(cell), cell.name))]
    if not matching:
        raise ConfigError(
            f"--only {only!r} matches none of the {len(cells)} cells. The first is {str(cells[0])!r} in "
            f"{cells[0].name}; --dry-run prints all."
        )
    return matching
