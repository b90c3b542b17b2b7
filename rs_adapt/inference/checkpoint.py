"""From a run folder or an adapter pack back to a model that predicts."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rs_adapt.config import axes, axis_files, overrides
from rs_adapt.config.cell import DEFAULT_PROTOCOL, Cell
from rs_adapt.config.compose import compose
from rs_adapt.config.own import bench as own_bench
from rs_adapt.config.segmentor import segmentor_config
from rs_adapt.engine.build import build_model, choose_device
from rs_adapt.engine.pack import load_pack, read_manifest
from rs_adapt.errors import CheckpointMismatch, ConfigError, UnknownName
from rs_adapt.registry import load_libraries, quiet_libraries
from rs_adapt.runs.files import CELL_FILE, PACKS_DIR
from rs_adapt.runs.records import CellNames, RunStart, read_record

if TYPE_CHECKING:
    from rs_adapt.config.resolved import ResolvedConfig

# What a manifest's override may not touch: names of code, and folders that preparation writes to.
_REFUSED_KEYS = {"type", "imports", "custom_imports", "default_scope", "prepared_dir"}
# What only training reads is left out; it may name any class there, for it is not used.
_TRAINING_ONLY = {"optim", "optim_wrapper", "param_scheduler", "train_cfg", "train_dataloader", "default_hooks"}
_TRAINING_ONLY |= {"custom_hooks", "env_cfg", "log_level", "log_processor", "visualizer"}
# Facts of the bench that hold on another bench too: how images are cut and predicted, not where they lie.
_SAME_ON_ANY_BENCH = {"tile_px", "crop_px", "inference", "schedule"}


def recompose(
    checkpoint: Path,
    *,
    bench: str | None = None,
    data_root: str | None = None,
    weights: str | None = None,
    precision: str | None = None,
) -> ResolvedConfig:
    """Return the configuration that a checkpoint was trained with, put together again from the shipped files.

    Nothing of the checkpoint's folder is executed: `config.py` there is for people and for plain mmengine; what is
    read here are names and plain values.

    Args:
        checkpoint: A run folder, or a folder with an adapter pack.
        bench: Evaluate on this bench (file name) instead of the one trained on. Data and inference are this bench's;
            the model stays as it was trained, whatever is tuned for this bench.
        data_root: Folder of the data; by default the one the run used if it is there, else RS_ADAPT_DATA, or ./data.
        weights: Base weights; by default those the run used, or the default location.
        precision: "fp32" or "bf16"; by default the run's.

    Raises:
        CheckpointMismatch: No pack, a damaged manifest, or one that would choose code.
        ConfigError: A value is not usable.
    """
    manifest = read_manifest(checkpoint)
    folder = checkpoint if checkpoint.is_dir() else checkpoint.parent
    names, texts = manifest.cell, list(manifest.overrides)
    from_random = manifest.base.weights == "random"
    if manifest.own_bench:
        # Names of folders and plain values, and no code.
        names = names.model_copy(update={"bench": own_bench.save_content(manifest.own_bench)})
    cell = _cell(names, folder)
    texts = [text for text in texts if _parts(text)[0] not in _TRAINING_ONLY]
    if refused := refused_keys(texts):
        raise CheckpointMismatch(
            f"the manifest in {folder} sets {refused[0]}: a pack may not choose code or folders to write to. "
            "It is not loaded."
        )
    options = _options(folder)
    chosen = [] if precision is None else [f"runtime.precision={precision}"]
    compose_here = partial(
        compose,
        data_root=data_root or options.get("data_root"),
        weights=weights or options.get("weights") or ("random" if from_random else None),
        work_dir=folder,
    )
    try:
        trained = compose_here(cell, overrides=texts)
    except ConfigError as error:
        raise type(error)(f"the cell of {folder} cannot be put together any more: {error}") from error
    if bench in (None, cell.bench):
        return compose_here(cell, overrides=[*texts, *chosen]) if chosen else trained
    kept = [text for text in texts if _holds_on_any_bench(text)]
    # A protocol may be meant for the bench that was trained on only.
    other = dataclasses.replace(cell, bench=bench, protocol=DEFAULT_PROTOCOL)
    cfg = compose_here(other, overrides=[*kept, *chosen])
    test_cfg = segmentor_config(cfg).test_cfg
    cfg.model = trained.model
    segmentor_config(cfg).test_cfg = test_cfg
    return cfg


def _cell(names: CellNames, folder: Path) -> Cell:
    """Return the cell of a manifest, whose every name is one of the shipped files' (a path would be executed)."""
    try:
        stems = {axis: axes.find(axis, getattr(names, axis)) for axis in axis_files.FILE_AXES if axis != "runtime"}
        return Cell(**names.content() | stems)
    except UnknownName as error:
        raise CheckpointMismatch(f"the manifest in {folder} describes no cell: {error}") from error
    except TypeError as error:
        raise CheckpointMismatch(f"the manifest in {folder} describes no cell: {error!r}.") from error


def refused_keys(texts: Sequence[str]) -> list[str]:
    """Return the keys of overrides that would choose code or output folders, except keys that only training reads."""
    used = [text for text in texts if _parts(text)[0] not in _TRAINING_ONLY]
    return [
        override.key
        for override in overrides.parse(used)
        if _REFUSED_KEYS & set(override.key.split(".")) or _holds_table(override.value)
    ]


def _holds_table(value: Any) -> bool:
    return isinstance(value, dict) or (isinstance(value, list | tuple | set) and any(map(_holds_table, value)))


def _holds_on_any_bench(text: str) -> bool:
    parts = _parts(text)
    return "dataset" not in parts and (parts[0] != "bench" or parts[1] in _SAME_ON_ANY_BENCH)


def _parts(text: str) -> list[str]:
    return text.partition("=")[0].strip().split(".")


def _options(folder: Path) -> dict[str, str]:
    """Where the run had its data and weights, if the folder is a run's; folders that are gone are left out."""
    # A pack of another selection lies within its run.
    path = (folder.parents[1] if folder.parent.name == PACKS_DIR else folder) / CELL_FILE
    start = read_record(path, RunStart, error=CheckpointMismatch, remedy="Remove it to use the pack alone.")
    if start is None:
        return {}
    places = {"data_root": start.options.data_root, "weights": start.options.weights}
    return {name: value for name, value in places.items() if value and (value == "random" or Path(value).exists())}


def load_model(cfg: ResolvedConfig, checkpoint: Path, *, device: str = "auto") -> Any:
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
