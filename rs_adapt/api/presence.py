"""What the user names is there: checked before torch is loaded, which takes seconds. Loads no torch."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rs_adapt.api.flow import is_super_resolution, not_taken
from rs_adapt.config import axes
from rs_adapt.config.execution import check_device
from rs_adapt.config.segmentor import segmentor_config
from rs_adapt.config.tasks import SEGMENTATION, SUPER_RESOLUTION, task_of
from rs_adapt.config.weights_files import missing_weights, published_facts
from rs_adapt.config.wire_regions import require_teacher, require_trainable
from rs_adapt.datasets.prepare import require_raw_data
from rs_adapt.datasets.prepare_flow import require_flow_files
from rs_adapt.datasets.roles import data_roles, roles_to_prepare
from rs_adapt.errors import ConfigError, DataNotFound, IncompatibleCell
from rs_adapt.runs.folder import check_run_folder
from rs_adapt.runs.onnx_files import is_onnx, read_onnx_facts
from rs_adapt.runs.packs import read_manifest
from rs_adapt.runs.resolvers import check_resolver

if TYPE_CHECKING:
    from rs_adapt.config.facts import WeightsFacts
    from rs_adapt.config.resolved import ResolvedConfig

_RANDOM = "random"


def require_inputs_of_training(
    cfg: ResolvedConfig,
    *,
    resume: bool,
    overwrite: bool,
    start_from: object | None = None,
    teacher: object | None = None,
) -> None:
    """Check that the run folder is free and that base weights and data are there; training itself checks more.

    One of several processes checks no more than the options: the first one may have made the folder already.

    Args:
        cfg: The resolved configuration.
        resume: See `rs_adapt.train`.
        overwrite: See `rs_adapt.train`.
        start_from: See `rs_adapt.train`.
        teacher: See `rs_adapt.train`.

    Raises:
        OutputExists, CheckpointMismatch: See `check_run_folder` and `check_resolver`.
        ConfigError: See `check_resolver`; or the strategy starts from trained weights or learns from a trained run, and
            there is none.
        WeightsError: There is no file of base weights.
        DataNotFound: A folder of the data is missing.
    """
    require_trainable(cfg.strategy, has_start=resume or start_from is not None)
    require_teacher(cfg.strategy, has_teacher=teacher is not None)
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        return
    if task_of(cfg.bench).name == SUPER_RESOLUTION:
        if start_from is not None or teacher is not None:
            raise ConfigError("Networks of super-resolution start from random weights. Leave --from and --teacher out.")
        require_flow_files(cfg.bench.prepare.to_dict(), data_root=Path(cfg.data_root))
        check_run_folder(Path(cfg.work_dir), cfg_text=cfg.pretty_text, resume=resume, overwrite=overwrite)
        return
    check_run_folder(Path(cfg.work_dir), cfg_text=cfg.pretty_text, resume=resume, overwrite=overwrite)
    if cfg.bench.get("resolve"):
        check_resolver(cfg, resume=resume)
    _require_weights(segmentor_config(cfg).backbone.weights, cfg.backbone.weights)
    if domain := segmentor_config(cfg).get("domain"):
        _require_weights(domain.backbone.weights, axes.backbone_facts(domain.name)["weights"])
    if text_weights := segmentor_config(cfg).decode_head.get("text_weights"):
        _require_weights(text_weights, published_facts(text_weights))
    if cfg.bench.get("prepare"):
        require_raw_data(
            prepare=cfg.bench.prepare.to_dict(),
            bench=cfg.bench.to_dict(),
            data_root=Path(cfg.data_root),
            out_dir=Path(cfg.prepared_dir),
            roles=roles_to_prepare(cfg),
        )
        return
    for settings in data_roles(cfg).values():
        if "choices" in settings:
            # Each benchmark names its own files and folder of images, which are opened before the run.
            continue
        for kind, key in (("images", "img_dir"), ("labels", "ann_dir")):
            if settings[key] is not None and not Path(settings[key]).is_dir():
                raise DataNotFound(
                    f"{settings['name']}: the folder of {kind} {settings[key]} does not exist. "
                    f"{settings.get('how_to_get', '')}".strip()
                )


def require_checkpoint(
    checkpoint: Path,
    *,
    weights: str | os.PathLike[str] | None = None,
    data_root: str | os.PathLike[str] | None = None,
    bench: str | None = None,
    tasks: Collection[str] = (SEGMENTATION,),
) -> None:
    """Check that an adapter pack and what else the user names are there.

    Args:
        checkpoint: A run folder, or a folder with an adapter pack, or a file of it.
        weights: File of base weights; None for the run's own.
        data_root: Folder of the data; None for the run's own.
        bench: Name of the bench's file; None for the run's own.
        tasks: Names of the tasks whose models will do.

    Raises:
        ConfigError: The model is one of super-resolution, and those are not taken.
        CheckpointMismatch: There is no pack, or its manifest is damaged.
        IncompatibleCell: The model predicts no maps of pixels, and has to.
        WeightsError: There is no such file of base weights.
        DataNotFound: There is no such folder, and the bench has data sets.
    """
    manifest = read_manifest(checkpoint)
    if SUPER_RESOLUTION not in tasks and is_super_resolution(manifest.cell):
        raise not_taken(checkpoint)
    trained, known = manifest.cell.bench, axes.values("bench")
    if trained in known and (task := task_of(axes.bench_facts(trained)).name) not in tasks:
        raise IncompatibleCell(
            f"{checkpoint} is a model of {task}, which predicts no maps of pixels. Allowed: rs-adapt eval, score, "
            "compare and report, and everything else with a run of segmentation."
        )
    bench = trained if bench is None else bench
    if data_root is not None and not Path(data_root).expanduser().is_dir() and bench in known:
        prepare = axes.bench_facts(bench)["prepare"]
        if not prepare or prepare["kind"] != "synthetic":
            raise DataNotFound(
                f"There is no folder {data_root}. Name the folder of the data sets with --data-root, or leave it out."
            )
    if weights is not None:
        backbone = manifest.cell.backbone
        has_facts = backbone in axes.values("backbone")
        _require_weights(weights, axes.backbone_facts(backbone).get("weights") if has_facts else None)


def require_map_checkpoints(
    checkpoints: Sequence[Path], *, weights: str | os.PathLike[str] | None, precision: str | None, device: str
) -> None:
    """Check that what maps are to be made with is there: packs, and ONNX models with onnxruntime.

    Args:
        checkpoints: Run folders, folders with packs, or ONNX models.
        weights: File of base weights; None for each run's own.
        precision: `fp32` or `bf16`; None for each run's own.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.

    Raises:
        CheckpointMismatch: There is no pack or model, or it is damaged.
        ConfigError: Package onnxruntime is missing, or ONNX models cannot use an option.
        WeightsError: There is no such file of base weights.
        DeviceUnavailable: This onnxruntime is not built for GPUs.
    """
    models = [path for path in checkpoints if is_onnx(path)]
    for path in checkpoints:
        if path not in models:
            require_checkpoint(path, weights=weights)
            continue
        read_onnx_facts(path)
        if precision not in (None, "fp32"):
            raise ConfigError(
                f"--precision is {precision}, and {path} computes in fp32. Leave --precision out, or give the run that "
                "it was exported from."
            )
    if not models:
        return
    if weights is not None and len(models) == len(checkpoints):
        raise ConfigError(f"--weights names base weights, and {models[0]} holds its own. Leave --weights out.")
    from rs_adapt.inference.onnx_session import choose_providers, require_onnxruntime

    require_onnxruntime(models[0])
    check_device(device)
    choose_providers(device)


def _require_weights(weights: str | os.PathLike[str] | None, facts: WeightsFacts | None) -> None:
    path = None if weights is None or str(weights) == _RANDOM else Path(weights).expanduser()
    if path is not None and not os.path.exists(path):
        raise missing_weights(path, facts)
