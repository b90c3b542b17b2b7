"""The command line that trains a cell of a sweep."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from rs_adapt.config.axis_files import FILE_AXES
from rs_adapt.config.cell import Cell
from rs_adapt.config.plugin_methods import plugins_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# Axes whose values are files of their own.
NAMED_AXES = tuple(field.name for field in fields(Cell) if field.name in FILE_AXES and field.name != "bench")


def train_arguments(
    cell: Cell, texts: Sequence[str], *, work_dir: Path, data_root: str | None, weights: str | None
) -> list[str]:
    """Return the arguments of `rs-adapt train` for a cell, without `--resume`."""
    # As named for the sweep, in its file or on the command line.
    plugins = [str(plugin.path) for plugin in plugins_of(cell.method) if not plugin.entry_point]
    file_options = ["--bench", cell.bench, "--setting", cell.setting]
    bench_options = (
        file_options if cell.bench.endswith((".toml", ".json")) else ["--bench", f"{cell.bench}_{cell.setting}"]
    )
    axis_options = [argument for axis in NAMED_AXES for argument in (f"--{axis}", getattr(cell, axis))]
    optional = {"--data-root": data_root, "--weights": weights}
    return [
        *bench_options,
        *axis_options,
        *("--seed", str(cell.seed)),
        *(["--untuned"] if not cell.tuned else []),
        *(argument for option, value in optional.items() if value is not None for argument in (option, value)),
        *(argument for text in texts for argument in ("--set", text)),
        *(argument for path in plugins for argument in ("--plugins", path)),
        *("--work-dir", str(work_dir)),
    ]
