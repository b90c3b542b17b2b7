"""Versions, machine and source revision of a run."""

from __future__ import annotations

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import rs_adapt

_PACKAGES = (
    "torch",
    "onedl-mmengine",
    "onedl-mmcv",
    "onedl-mmsegmentation",
    "transformers",
    "numpy",
    "pillow",
    "safetensors",
)


def environment() -> dict[str, Any]:
    """Versions, machine and source revision, as they go into `cell.json` and `result.json`."""
    import torch

    packages = {}
    for name in _PACKAGES:
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "rs_adapt": rs_adapt.__version__,
        "python": platform.python_version(),
        "packages": packages,
        "device": torch.cuda.get_device_name()
        if torch.cuda.is_available()
        else f"CPU, {torch.get_num_threads()} threads",
        "git": _git_revision(),
    }


def _git_revision() -> dict[str, Any] | None:
    """Commit and whether files differ from it, if the package lies in a checkout of its own."""
    root = Path(rs_adapt.__file__).parent.parent
    if not (root / ".git").exists():
        return None
    try:
        commit = _git(root, "rev-parse", "HEAD")
        return {"commit": commit, "dirty": bool(_git(root, "status", "--porcelain"))}
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(root: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", str(root), *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()
