"""From a resolved configuration to device, checked data, model and loaders."""

from __future__ import annotations

import copy
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rs_adapt.config.execution import check_device
from rs_adapt.config.paths import home
from rs_adapt.config.segmentor import leave_texts_out, segmentor_config
from rs_adapt.config.tasks import SUPER_RESOLUTION, task_of
from rs_adapt.config.words import AUTO
from rs_adapt.errors import ConfigError, DeviceUnavailable, RsAdaptError
from rs_adapt.processes import launched_as_group
from rs_adapt.progress import OnProgress, no_progress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rs_adapt.config.resolved import ResolvedConfig
    from rs_adapt.runs.records import TileDigests

Split = Literal["test", "val", "source-val"]


def choose_device(device: str) -> None:
    """Let mmengine see only the requested device; call it before anything touches a GPU.

    Args:
        device: "auto" (a GPU if there is one), "cpu", "cuda" or "cuda:N". With several processes, each
            takes the GPU of its number on this machine.

    Raises:
        DeviceUnavailable: There is no such CUDA device.
        ConfigError: `device` is no such name, or names one GPU for several processes.
    """
    check_device(device)
    if launched_as_group() and device != "cpu":
        _choose_own_gpu(device)
    elif device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    elif device.startswith("cuda"):
        import torch

        number = device.partition(":")[2]
        if not torch.cuda.is_available() or int(number or 0) >= torch.cuda.device_count():
            reason = "torch sees none" if torch.version.cuda else "this torch is a CPU build"
            raise DeviceUnavailable(
                f"--device {device}: no such CUDA device, {reason} ({torch.cuda.device_count()} GPUs). Use --device "
                "cpu, or install a CUDA build of torch and check nvidia-smi."
            )
        torch.cuda.set_device(int(number or 0))


def _choose_own_gpu(device: str) -> None:
    import torch

    if device not in ("auto", "cuda"):
        raise ConfigError(
            f"--device {device} with several processes: each needs its own GPU. Allowed are auto, cpu and cuda; "
            "choose the GPUs with CUDA_VISIBLE_DEVICES=..."
        )
    number, num_gpus = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
    if num_gpus == 0 and device == "auto":
        return
    if number >= num_gpus:
        raise DeviceUnavailable(
            f"Process {number} of this machine has no GPU: torch sees {num_gpus}. Start at most {num_gpus} processes "
            "here, or use --device cpu."
        )
    torch.cuda.set_device(number)


def check_weights(cfg: ResolvedConfig) -> None:
    """Find the base weights and read them, so that a damaged or wrong file leaves no run folder behind.

    The base is built without memory for its tensors; only those of the file are in memory.
    """
    import torch
    from mmseg.registry import MODELS

    from rs_adapt.backbones.weights import find_weights

    backbone = segmentor_config(cfg).backbone
    path = find_weights(backbone.weights, cfg.backbone.weights)
    if path is not None:
        with torch.device("meta"):
            base = MODELS.build(backbone.to_dict() | {"adapter": None, "frozen": True, "weights": None})
        base.fill_from_file(path)


def prepare_data(
    cfg: ResolvedConfig, on_progress: OnProgress = no_progress, *, roles: Sequence[str] = ("source", "target")
) -> None:
    """Make the tiles or flows of a bench that is prepared on first use, unless they exist already.

    They are simulated, or made from synthetic scenes or files below `cfg.data_root`, and written to `cfg.prepared_dir`.

    Args:
        cfg: The run; a bench without `prepare` needs nothing.
        on_progress: Called while tiles are made.
        roles: See `ensure_prepared`; super-resolution has none.

    Raises:
        DataNotFound, DataError: See `ensure_prepared` and `ensure_flow`.
    """
    if not cfg.bench.get("prepare"):
        return
    if task_of(cfg.bench).name == SUPER_RESOLUTION:
        from rs_adapt.datasets.prepare_flow import ensure_flow

        facts, out_dir = cfg.bench.prepare.to_dict(), Path(cfg.prepared_dir)
        ensure_flow(facts, data_root=Path(cfg.data_root), out_dir=out_dir, on_progress=on_progress)
        return
    from rs_adapt.captions.drawn import draw_compose
    from rs_adapt.datasets.prepare import ensure_prepared

    ensure_prepared(
        prepare=cfg.bench.prepare.to_dict(),
        bench=cfg.bench.to_dict(),
        data_root=Path(cfg.data_root),
        out_dir=Path(cfg.prepared_dir),
        on_progress=on_progress,
        roles=roles,
        draw_compose=draw_compose,
    )


@dataclass(frozen=True, kw_only=True)
class CheckedData:
    """Data that can be trained on.

    Attributes:
        digests: Digests of the tiles by role; see `data_roles`.
        notes: Sentences that one has to know before trusting the scores.
    """

    digests: dict[str, TileDigests]
    notes: tuple[str, ...]


def check_data(cfg: ResolvedConfig, on_progress: OnProgress = no_progress, *, is_resumed: bool = False) -> CheckedData:
    """Open and check every data set that a run will read, so that no fault surfaces hours later.

    Labels of the target's training images are not among them: training has no path to them.

    Args:
        cfg: The resolved configuration.
        on_progress: Called while tiles are read.
        is_resumed: Whether the run has begun; see `check_completeness`.

    Raises:
        DataNotFound, DataError: See `TileDataset`, `check_tiles`, `check_completeness` and `check_zero_label`.
        ConfigError: The labelled set cannot be sampled as the strategy asks.
    """
    from rs_adapt.config.wire_ground import describe_match, describe_positions
    from rs_adapt.datasets.checks import check_tiles
    from rs_adapt.datasets.class_sampling import RareClassSampling, label_counts
    from rs_adapt.datasets.completeness import check_completeness, check_zero_label
    from rs_adapt.datasets.digests import digest_tiles
    from rs_adapt.datasets.labelled_tiles import leave_out_unlabelled
    from rs_adapt.datasets.own.ground import measured_sizes_m
    from rs_adapt.datasets.roles import data_roles, reads_source
    from rs_adapt.registry import DATASETS
    from rs_adapt.superresolution.enlarging import enlarge_tiles

    sampling = cfg.train_dataloader.dataset.class_sampling
    digests: dict[str, TileDigests] = {}
    # The index of the tiles is read for the note alone.
    measured_m = measured_sizes_m(cfg.bench, cfg.prepared_dir) if cfg.strategy.get("match_gsd") else {}
    notes = describe_match(cfg.bench, cfg.strategy, setting=cfg.cell.setting, measured_m=measured_m)
    notes += describe_positions(cfg.bench, cfg.strategy, cfg.model, setting=cfg.cell.setting)
    for role, settings in data_roles(cfg).items():
        dataset = DATASETS.build(settings)
        check_tiles(dataset, home() / "checks", on_progress)
        enlarge_tiles(settings, on_progress)
        if role == "unlabelled" and not reads_source(cfg):
            notes += check_completeness(cfg, None, is_resumed=is_resumed)
        if role == "labelled":
            counts_NV = label_counts(dataset)
            check_zero_label(cfg, counts_NV)
            notes += check_completeness(cfg, counts_NV, is_resumed=is_resumed)
            num_tiles = len(dataset)
            if num_left_out := leave_out_unlabelled(dataset):
                notes += (
                    f"{num_left_out} of {num_tiles} labelled training tiles have no labelled pixel and are left out.",
                )
            if sampling:
                rare = RareClassSampling(dataset, **sampling)
                notes += (rare.note(),) if sampling["temperature"] == AUTO else ()
        digests[role] = digest_tiles(settings)
    return CheckedData(digests=digests, notes=notes)


def digest_again(cfg: ResolvedConfig) -> dict[str, TileDigests]:
    """Return the digests of the tiles by role as they are now; roles whose tiles cannot be read are left out."""
    from rs_adapt.datasets.digests import digest_tiles
    from rs_adapt.datasets.roles import data_roles

    digests: dict[str, TileDigests] = {}
    for role, settings in data_roles(cfg).items():
        with suppress(RsAdaptError, OSError):
            digests[role] = digest_tiles(settings)
    return digests


def build_model(cfg: ResolvedConfig) -> Any:
    """Return a configuration's segmentor (without strategy) on the device in use, with base weights, in eval mode.

    Vectors of class names are zero until the tensors of a pack are loaded.
    """
    from mmengine.device import get_device
    from mmseg.registry import MODELS

    # Not a plain dict: mmsegmentation reads `test_cfg` by attribute.
    settings = copy.deepcopy(segmentor_config(cfg))
    leave_texts_out(settings)
    model = MODELS.build(settings)
    return model.to(get_device()).eval()


def loader_settings(cfg: ResolvedConfig, split: Split) -> Any:
    """Return the settings of a labelled split's loader; None where its labels are not available."""
    return {
        "test": cfg.test_dataloader,
        "val": cfg.val_dataloader if cfg.val_cfg.region == "target" else None,
        "source-val": cfg.source_val_dataloader,
    }[split]


def build_loader(cfg: ResolvedConfig, split: Split) -> Any:
    """Return the loader of a labelled split: "test" and "val" of the target, or "source-val".

    Raises:
        ConfigError: The labels of the split are not available.
    """
    from mmengine.runner import Runner

    settings = loader_settings(cfg, split)
    if split == "source-val" and trains_on_source_val(cfg):
        raise ConfigError(
            f"Bench {cfg.bench.name} trains on all scenes of its source (val_share = 0), so there is no split "
            "source-val to score. Hold scenes out with val or val_share, and train again."
        )
    if settings is None:
        if split == "test" and cfg.protocol.report_split == "server":
            raise ConfigError(
                f"Protocol {cfg.protocol.name} is scored by a server: the labels of its test images are not public. "
                "--split val scores the target's validation tiles."
            )
        raise ConfigError(
            f"The target of bench {cfg.bench.name} has no labels, so there is no split {split!r} to score. The source "
            "has: --split source-val."
        )
    return Runner.build_dataloader(settings.to_dict(), seed=cfg.randomness.seed)


def build_source_monitor(cfg: ResolvedConfig) -> Any:
    """Return the loader of the source's validation tiles that each evaluation of a run scores.

    None where there are none (in `ss`, whose labelled region is the target, and of a source-free run without them), or
    where the run trains on them.
    """
    from mmengine.runner import Runner

    from rs_adapt.datasets.roles import reads_source_val

    settings = (cfg.get("monitor") or {}).get("source_val")
    if settings is None or not reads_source_val(cfg) or trains_on_source_val(cfg):
        return None
    return Runner.build_dataloader(settings.to_dict(), seed=cfg.randomness.seed)


def trains_on_source_val(cfg: ResolvedConfig) -> bool:
    """Return whether the validation tiles of the source are those that it is trained on, as on own data without any."""
    bench = cfg.get("bench")
    return bool(bench and bench.get("own")) and bench.source.val.to_dict() == bench.source.train.to_dict()
