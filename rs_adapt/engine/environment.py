"""Versions, machine and source revision of a run."""

from __future__ import annotations

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import rs_adapt
from rs_adapt.runs.records import Environment, GitRevision

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


def environment() -> Environment:
    """Return versions, machine and source revision, as `cell.json` and `result.json` record them."""
    import torch

    packages = {}
    for name in _PACKAGES:
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            continue
    on_gpu, threads = torch.cuda.is_available(), torch.get_num_threads()
    return Environment(
        rs_adapt=rs_adapt.__version__,
        python=platform.python_version(),
        packages=packages,
        device=torch.cuda.get_device_name() if on_gpu else f"CPU, {threads} {'thread' if threads == 1 else 'threads'}",
        threads=threads,
        git=_git_revision(),
    )


def _git_revision() -> GitRevision | None:
    """Return commit and whether files differ from it, if the package lies in a checkout of its own."""
    root = Path(rs_adapt.__file__).parent.parent
    if not (root / ".git").exists():
        return None
    try:
        commit = _git(root, "rev-parse", "HEAD")
        return GitRevision(commit=commit, dirty=bool(_git(root, "status", "--porcelain")))
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(root: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", str(root), *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()
