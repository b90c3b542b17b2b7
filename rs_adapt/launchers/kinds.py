"""Names of the launchers. Loads nothing."""

from __future__ import annotations

from typing import Literal, get_args

from rs_adapt.errors import ConfigError

LauncherKind = Literal["local", "inline", "slurm"]
_KINDS: tuple[LauncherKind, ...] = get_args(LauncherKind)


def check_launcher_kind(kind: str) -> None:
    """Refuse a value of --launcher that names no launcher.

    Raises:
        ConfigError: There is no such launcher.
    """
    if kind not in _KINDS:
        raise ConfigError(f"--launcher {kind} is unknown. Allowed: {', '.join(_KINDS)}.")
