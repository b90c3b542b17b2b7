"""The configuration and the trained model of a run folder or an adapter pack."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import partial
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from rs_adapt import limits
from rs_adapt.config import axes, axis_files, overrides
from rs_adapt.config.cell import Cell
from rs_adapt.config.compose import compose
from rs_adapt.config.own import bench as own_bench
from rs_adapt.config.segmentor import segmentor_config
from rs_adapt.config.tasks import task_of
from rs_adapt.config.tuned import values_of_0_1_0
from rs_adapt.engine.build import build_model, choose_device
from rs_adapt.engine.pack import load_pack
from rs_adapt.engine.parameters import build_on_meta
from rs_adapt.errors import CheckpointMismatch, ConfigError, UnknownName
from rs_adapt.inference.pack_overrides import contains_table, find_refused_keys, split_key, without_training
from rs_adapt.registry import load_libraries, quiet_libraries
from rs_adapt.runs.files import CELL_FILE, TENSORS_FILE
from rs_adapt.runs.packs import pack_folder, read_manifest, run_folder
from rs_adapt.runs.plugins import compare_plugins
from rs_adapt.runs.records import CellNames, Manifest, RunStart, read_record
from rs_adapt.runs.resolvers import locate_resolver

if TYPE_CHECKING:
    from rs_adapt.config.resolved import ResolvedConfig

# Facts of a bench that apply to a different bench too: how images are cut and predicted, not their folders.
_BENCH_INDEPENDENT = {"tile_px", "crop_px", "inference", "schedule"}


def recompose(
    checkpoint: Path,
    *,
    bench: str | None = None,
    data_root: str | None = None,
    weights: str | None = None,
    precision: str | None = None,
) -> ResolvedConfig:
    """Compose the configuration that a checkpoint was trained with from the shipped files.

    Nothing in the checkpoint's folder is executed: its `config.py` is for people and for plain mmengine; only names and
    plain values are read.

    Args:
        checkpoint: A run folder, or a folder with an adapter pack.
        bench: Bench (file name) to evaluate on, instead of the one trained on. Data and inference are those of this
            bench; the model is used as it was trained, also where its method is tuned for this bench.
        data_root: Folder of the data; by default the run's if it still exists, else RS_ADAPT_DATA, or ./data.
        weights: Base weights; by default the run's, else the default file.
        precision: "fp32" or "bf16"; by default the run's.

    Raises:
        CheckpointMismatch: There is no pack, or its manifest is damaged or would choose code.
        ConfigError: A value cannot be used.
    """
    folder = pack_folder(checkpoint)
    manifest = read_manifest(checkpoint)
    options = _run_options(folder)
    return recompose_manifest(
        manifest,
        folder,
        bench=bench,
        data_root=data_root or options.get("data_root"),
        weights=weights or options.get("weights"),
        precision=precision,
    )


def recompose_manifest(
    manifest: Manifest,
    folder: Path,
    *,
    bench: str | None = None,
    data_root: str | None = None,
    weights: str | None = None,
    precision: str | None = None,
) -> ResolvedConfig:
    """Compose the configuration of a manifest.

    Args:
        manifest: The manifest of a pack, or of an ONNX model.
        folder: The pack's folder or the model's file, for messages.
        bench: See `recompose`.
        data_root: Folder of the data; RS_ADAPT_DATA, or ./data.
        weights: Base weights; the default file.
        precision: See `recompose`.

    Raises:
        CheckpointMismatch: The manifest would choose code.
        ConfigError: A value cannot be used.
    """
    compare_plugins(manifest.plugins, folder)
    names, texts = manifest.cell, list(manifest.overrides)
    from_random = manifest.base.weights == "random"
    if manifest.own_bench:
        # Names of folders and plain values, and no code.
        names = names.model_copy(update={"bench": own_bench.save_content(manifest.own_bench)})
    cell = _cell(names, folder)
    texts = without_training(texts)
    region = [text for text in texts if overrides.is_region_file(text)]
    # A file of this machine, which a pack may not choose: the run itself says where it is.
    texts = [text for text in texts if text not in region]
    if refused := find_refused_keys(texts):
        raise CheckpointMismatch(
            f"The manifest in {folder} sets {refused[0]}: a pack must not choose code, folders or anything but its "
            "model, classes and preprocessing. It is not loaded."
        )
    tuned_values = _tuned_values(manifest, cell, folder)
    texts += [_find_region_file(text, folder) for text in region[-1:]]
    if manifest.resolver is not None:
        texts.append(f"bench.resolve={locate_resolver(folder, manifest.resolver)}")
    precision_text = [] if precision is None else [f"runtime.precision={precision}"]
    compose_here = partial(
        compose,
        data_root=data_root,
        weights=weights or ("random" if from_random else None),
        work_dir=folder,
        tuned_values=tuned_values,
    )
    try:
        trained = compose_here(cell, overrides=texts)
    except ConfigError as error:
        raise type(error)(f"The cell of {folder} can no longer be composed: {error}") from error
    if bench in (None, cell.bench):
        return compose_here(cell, overrides=[*texts, *precision_text]) if precision_text else trained
    portable = [text for text in texts if _is_portable(text)]
    if manifest.resolver is not None:
        # The factor may be a different one there: the sizes are matched by interpolation.
        portable.append("strategy.match_gsd=True")
    # The protocol may exist only for the bench that was trained on.
    other = dataclasses.replace(cell, bench=bench, protocol=task_of(axes.bench_facts(bench)).protocol)
    cfg = compose_here(other, overrides=[*portable, *precision_text])
    test_cfg = segmentor_config(cfg).test_cfg
    cfg.model = trained.model
    segmentor_config(cfg).test_cfg = test_cfg
    return cfg


def _find_region_file(text: str, folder: Path) -> str:
    """Return the override that names the own bench whose images a run has learnt, from the run's own record."""
    name = PurePath(overrides.parse([text])[0].value).name
    start = read_record(
        run_folder(folder) / CELL_FILE, RunStart, error=CheckpointMismatch, remedy="Copy the run again."
    )
    given = [] if start is None else [one for one in start.options.overrides if overrides.is_region_file(one)]
    places = [Path(overrides.parse([one])[0].value).expanduser() for one in given]
    if not places or places[-1].name != name or not places[-1].is_file():
        where = f", which was {places[-1]}" if places else " (the run folder's cell.json says where it was)"
        raise CheckpointMismatch(
            f"{folder} was trained on images of the bench {name}{where}, and that file is not on this machine. Put it "
            "there, or train on a bench with a name."
        )
    return given[-1]


def _cell(names: CellNames, folder: Path) -> Cell:
    """Return the cell of a manifest; every name must be that of a shipped file, because a path would be executed."""
    try:
        stems = {axis: axes.find(axis, getattr(names, axis)) for axis in axis_files.FILE_AXES if axis != "runtime"}
        return Cell(**names.content() | stems)
    except UnknownName as error:
        raise CheckpointMismatch(f"The manifest in {folder} describes no cell: {error}") from error
    except TypeError as error:
        raise CheckpointMismatch(f"The manifest in {folder} describes no cell: {error!r}.") from error


def _tuned_values(manifest: Manifest, cell: Cell, folder: Path) -> Mapping[str, object]:
    """Return the tuned values that a pack was trained with; the method's file may hold others today."""
    if manifest.tuned is None:
        return values_of_0_1_0(cell.method, cell.setting, cell.bench) if cell.tuned else {}
    if refused := [key for key, value in manifest.tuned.values.items() if key == "type" or contains_table(value)]:
        raise CheckpointMismatch(
            f"The manifest in {folder} tunes {refused[0]!r}: a pack must not choose code. It is not loaded."
        )
    return manifest.tuned.values


def _is_portable(text: str) -> bool:
    keys = split_key(text)
    return "dataset" not in keys and (keys[0] != "bench" or keys[1] in _BENCH_INDEPENDENT)


def _run_options(folder: Path) -> dict[str, str]:
    """Return data root and weights of the run, if the folder is a run's; paths that no longer exist are left out."""
    path = run_folder(folder) / CELL_FILE
    start = read_record(path, RunStart, error=CheckpointMismatch, remedy="Remove it to use the pack alone.")
    if start is None:
        return {}
    options = {"data_root": start.options.data_root, "weights": start.options.weights}
    return {name: value for name, value in options.items() if value and (value == "random" or Path(value).exists())}


def load_model(cfg: ResolvedConfig, checkpoint: Path, *, device: str = "auto") -> Any:
    """Build the segmentor of `cfg` on the chosen device and load a checkpoint's tensors into it.

    Raises:
        CheckpointMismatch: See `load_pack`.
        WeightsError: The base weights are missing or wrong.
    """
    with quiet_libraries():
        choose_device(device)
        load_libraries(cfg.default_scope)
        _check_memory(cfg, checkpoint)
        model = build_model(cfg)
        load_pack(checkpoint, model, classes=list(cfg.bench.classes), base_sha256=model.backbone.base_sha256())
    return model


def _check_memory(cfg: ResolvedConfig, checkpoint: Path) -> None:
    """Refuse a model that is far larger than the files it comes from, before memory is reserved for it."""
    settings, facts = segmentor_config(cfg).backbone, axes.backbone_facts(cfg.cell.backbone)
    files = [pack_folder(checkpoint) / TENSORS_FILE, Path(str(settings.weights))]
    on_disk = sum(file.stat().st_size for file in files if file.is_file())
    # Base weights may be random, and have no file: 12 squares of the width a block, in fp32.
    published = 4 * 12 * facts["embed_dim"] ** 2 * facts["depth"]
    allowed = limits.MODEL_SPARE_BYTES + 4 * (on_disk + published)
    needed = sum(tensor.numel() * tensor.element_size() for tensor in build_on_meta(cfg).state_dict().values())
    if needed > allowed:
        raise CheckpointMismatch(
            f"The manifest of {checkpoint} describes a model of {needed / 2**30:.1f} GiB, but its files and the "
            f"published backbone account for {allowed / 2**30:.1f} GiB at most. It is not loaded: copy the pack again "
            "from somebody you trust."
        )
