"""From a run folder or an adapter pack back to a model that predicts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rs_adapt.config.cell import Cell
from rs_adapt.config.compose import compose
from rs_adapt.engine.build import build_model, choose_device
from rs_adapt.engine.pack import load_pack, read_manifest
from rs_adapt.engine.run_folder import CELL_FILE
from rs_adapt.errors import CheckpointMismatch, ConfigError
from rs_adapt.registry import load_libraries, quiet_libraries


def recompose(
    checkpoint: Path,
    *,
    bench: str | None = None,
    setting: str | None = None,
    data_root: str | None = None,
    weights: str | None = None,
    precision: str | None = None,
) -> Any:
    """The configuration that a checkpoint was trained with, put together anew from the shipped files.

    Nothing of the checkpoint's folder is executed: `config.py` there is for people and for plain mmengine; what is
    read here are names and plain values.

    Args:
        checkpoint: A run folder, or a folder with an adapter pack.
        bench: Evaluate on this bench (file name) instead of the one trained on.
        setting: Its setting, with `bench`.
        data_root: Folder of the data; by default the one the run used, or RS_ADAPT_DATA, or ./data.
        weights: Base weights; by default those the run used, or the default location.
        precision: "fp32" or "bf16"; by default the run's.

    Raises:
        CheckpointMismatch: No pack, a damaged manifest, or one whose overrides would name code.
    """
    manifest = read_manifest(checkpoint)
    folder = checkpoint if checkpoint.is_dir() else checkpoint.parent
    options: dict[str, Any] = {}
    if (folder / CELL_FILE).is_file():
        options = json.loads((folder / CELL_FILE).read_text())["options"]
    overrides = manifest["overrides"]
    for text in overrides:
        key = str(text).partition("=")[0]
        if {"type", "imports", "custom_imports"} & set(key.split(".")):
            raise CheckpointMismatch(
                f"the manifest in {folder} sets {key}: a pack may not choose code. It is not loaded."
            )
    cell = dict(manifest["cell"])
    if bench is not None:
        cell |= {"bench": bench, "setting": setting}
    try:
        made = Cell(**cell)
    except TypeError as error:
        raise CheckpointMismatch(f"the manifest in {folder} describes no cell: {error}.") from error
    base = manifest["base"]["weights"]
    try:
        return compose(
            made,
            overrides=overrides,
            data_root=data_root or options.get("data_root"),
            weights=weights or options.get("weights") or ("random" if base == "random" else None),
            precision=precision,
            work_dir=str(folder),
        )
    except ConfigError as error:
        raise type(error)(f"the cell of {folder} cannot be put together any more: {error}") from error


def load_model(cfg: Any, checkpoint: Path, *, device: str = "auto") -> Any:
    """Build the segmentor of `cfg` on the chosen device and load a checkpoint's tensors into it.

    Raises:
        CheckpointMismatch: See `load_pack`.
        WeightsError: The base weights are missing or wrong.
    """
    with quiet_libraries():
        choose_device(device)
        load_libraries(cfg.default_scope)
        model = build_model(cfg)
        load_pack(checkpoint, model, classes=list(cfg.bench.classes), base_sha256=model.backbone.base_sha256())
    return model
