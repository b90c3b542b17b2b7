"""A folder of results that is there complete or not at all."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rs_adapt.errors import ConfigError, RunExists


def check_free(out: Path, *, overwrite: bool) -> None:
    """Refuse a place that holds something, before any work is done for it.

    Raises:
        RunExists: It is a file, or a folder that is not empty, and `overwrite` is False.
    """
    if out.exists() and not overwrite and (not out.is_dir() or any(out.iterdir())):
        raise RunExists(f"{out} exists. Name another folder with --out, or say --overwrite.")


def written(out: Path, fill: Callable[[Path], object], *, overwrite: bool) -> list[Path]:
    """Let `fill` write into a folder that appears at `out` complete or not at all.

    Returns:
        The files in it.

    Raises:
        RunExists: See `check_free`.
        ConfigError: The place cannot be written to.
    """
    check_free(out, overwrite=overwrite)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    except OSError as error:
        raise ConfigError(f"cannot write to {out}: {error.strerror}. Choose another folder with --out.") from error
    try:
        temporary.chmod(0o755)
        fill(temporary)
        if out.is_dir():
            shutil.rmtree(out)
        else:
            out.unlink(missing_ok=True)
        temporary.replace(out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return sorted(out.iterdir())


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write JSON so that the file is there complete or not at all."""
    temporary = path.with_suffix(path.suffix + ".tmp")
    temporary.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n")
    os.replace(temporary, path)
