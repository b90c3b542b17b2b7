"""Jobs that make maps: checks of the options, and the queue."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from rs_adapt.errors import ConfigError
from rs_adapt.launchers.kinds import check_launcher_kind

if TYPE_CHECKING:
    from rs_adapt.launchers.slurm import Slurm


def check_launcher(launcher: str, *, jobs: int | None, slurm: Mapping[str, object] | None) -> None:
    """Refuse options that do not fit together.

    Raises:
        ConfigError: The launcher has no such name, or does not use `jobs` or `slurm`.
    """
    check_launcher_kind(launcher)
    if jobs is not None and jobs < 1:
        raise ConfigError(f"--jobs is {jobs}. Allowed: 1 or more.")
    if launcher == "inline" and (jobs or 1) > 1:
        raise ConfigError(
            f"--jobs is {jobs}, but the launcher inline predicts in this process, one scene after the other. Use "
            "--launcher local."
        )
    if slurm and launcher != "slurm":
        raise ConfigError(f"--slurm is for --launcher slurm, and the launcher is {launcher}.")
    if slurm and (cluster := slurm.get("cluster", "slurm")) not in ("slurm", "local"):
        raise ConfigError(f"--slurm cluster is {cluster}. Allowed: slurm, or local for processes of this machine.")


def log_folder(out: Path) -> Path:
    """Return the folder for the logs of jobs: `slurm` in the folder of the maps."""
    return (out.parent if out.suffix.lower() in (".tif", ".tiff") and not out.is_dir() else out).absolute() / "slurm"


def open_queue(log_dir: Path, *, jobs: int | None, parameters: Mapping[str, object]) -> Slurm:
    """Return the queue of Slurm.

    Args:
        log_dir: Folder for scripts and logs.
        jobs: Jobs in the queue at once.
        parameters: Of submitit, and `cluster`.

    Raises:
        ConfigError: Submitit is not installed, there is no Slurm, or it does not know a parameter.
    """
    from rs_adapt.launchers.slurm import Slurm

    given = dict(parameters)
    cluster = str(given.pop("cluster", "slurm"))
    return Slurm(
        str(log_dir), jobs=jobs, cluster=cluster, parameters=given, options="--slurm", local="--slurm cluster=local"
    )
