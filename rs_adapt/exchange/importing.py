"""Import of a checkpoint that the authors of a method released, as an adapter pack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

import torch
from torch import Tensor

from rs_adapt.adapters import Adapter
from rs_adapt.adapters.contract.adapter import Setting, Settings
from rs_adapt.backbones import Vit
from rs_adapt.backbones.conversion import VitSize, rename
from rs_adapt.backbones.dinov2 import NAMES as DINOV2
from rs_adapt.backbones.weights import file_sha256, find_weights
from rs_adapt.config import overrides
from rs_adapt.config.cell import Cell
from rs_adapt.config.compose import compose
from rs_adapt.config.segmentor import segmentor_config
from rs_adapt.engine.build import build_model, choose_device
from rs_adapt.engine.pack import save_pack
from rs_adapt.engine.parameters import build_on_meta
from rs_adapt.engine.parts import segmentor_of
from rs_adapt.engine.results import make_manifest
from rs_adapt.engine.state import load_trained_tensors
from rs_adapt.errors import CheckpointMismatch, ConfigError
from rs_adapt.exchange.reference import BACKBONE, HEAD, adapter_tensors, head_tensors
from rs_adapt.exchange.released_file import ReleasedFile, check_tensors, read_released_file
from rs_adapt.files import check_output_folder, write_folder_atomically
from rs_adapt.heads.mask2former_names import convert_mmdet_names, read_mmdet_settings
from rs_adapt.inference.pack_overrides import find_refused_keys
from rs_adapt.registry import MODELS, load_libraries, quiet_libraries
from rs_adapt.runs.clearing import refuse_output_in_run
from rs_adapt.runs.files import MANIFEST_FILE, TENSORS_FILE
from rs_adapt.runs.records import CellNames, ImportOrigin, ManifestScores

if TYPE_CHECKING:
    from pydantic import JsonValue

    from rs_adapt.config.resolved import ResolvedConfig

_ADAPTER, _HEAD = "model.backbone.adapter.", "model.decode_head."
_FILE = "the file"
# A file may have weights for more layers than its model used, so the user's value has priority.
_USER_HAS_PRIORITY = (f"{_ADAPTER}frequency_layers",)
# Tolerances of the base's values; a file's own ViT was resized elsewhere, or stored in half precision.
_SAME_RTOL, _SAME_ATOL = 1e-3, 1e-5


class ImportedSetting(NamedTuple):
    """A setting of the pack's adapter or head.

    Attributes:
        value: A plain value.
        source: Its origin, for people: the file, an override, or the configuration of the method.
    """

    value: Setting
    source: str


@dataclass(frozen=True, kw_only=True)
class Imported:
    """The outcome of an import.

    Args:
        files: Files of the pack.
        settings: Each setting by its key of the config.
        unused: Number of tensors of the file that the model does not use, a teacher's included.
        base: Name and SHA-256 of the base weights that the pack is bound to.
        vit_compared: Whether the file has a backbone, which was then compared with the base.
    """

    files: list[Path]
    settings: dict[str, ImportedSetting]
    unused: int
    base: dict[str, str]
    vit_compared: bool


def import_checkpoint(
    path: Path,
    *,
    cell: Cell,
    texts: Sequence[str] = (),
    out: Path,
    weights: str | None = None,
    device: str = "cpu",
    overwrite: bool = False,
) -> Imported:
    """Write an adapter pack of a checkpoint of Earth-Adapter, Rein, or Mask2Former on the frozen backbone.

    Sizes are read from the tensors and compared with bench and backbone; settings that the tensors do not determine are
    those tuned for the bench, or those in `texts`.

    Args:
        path: The released file, with or without its ViT.
        cell: Bench, backbone and method; the head is a Mask2Former.
        texts: `key=value` overrides.
        out: Folder to write.
        weights: Base weights, as for training.
        device: Device to build the model on.
        overwrite: Whether to replace the folder.

    Raises:
        WeightsError: The file or the base weights are missing, damaged or contain Python objects.
        CheckpointMismatch: The file does not fit the bench, the backbone or the base weights.
        ConfigError: An override cannot be used, or contradicts the file.
        OutputExists: The folder is not empty, and `overwrite` is False.
    """
    check_output_folder(out, overwrite=overwrite)
    refuse_output_in_run(out)
    if refused := find_refused_keys(texts):
        raise ConfigError(
            f"--set {refused[0]}: a pack must not choose code, folders or anything but its model, classes and "
            "preprocessing. Leave it out."
        )
    requested = compose(cell, overrides=texts, weights=weights, work_dir=out)
    load_libraries(requested.default_scope)
    settings = segmentor_config(requested).backbone.adapter
    adapter_class: type[Adapter] | None = settings and MODELS.get(settings.type)
    file = read_released_file(path, adapter_class)
    sizes = _read_sizes(file, adapter_class)
    _check_sizes(file, sizes, requested)
    imported = _resolve_settings(requested, sizes.settings, texts=texts, path=path)
    final = [*texts, *(f"{key}={value!r}" for key, (value, _) in imported.items())]
    cfg = compose(cell, overrides=final, weights=weights, work_dir=out)
    with quiet_libraries():
        choose_device(device)
        unfilled = segmentor_of(build_on_meta(cfg))
        expected = adapter_tensors(unfilled.backbone.adapter) | head_tensors(unfilled.decode_head)
        check_tensors(file, expected, adapter_class)
        backbone = segmentor_config(cfg).backbone
        find_weights(backbone.weights, cfg.backbone.weights)
        model = build_model(cfg)
    _check_vit(file, model.backbone)
    load_trained_tensors(model, _rename_tensors(file, expected, adapter_class), str(path))
    sha256 = model.backbone.base_sha256()
    manifest = make_manifest(
        cfg,
        cell=CellNames(**dict(cfg.cell)),
        overrides=final,
        scores=ManifestScores(**dict.fromkeys(ManifestScores.model_fields)),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        base_sha256=sha256,
    )
    origin = ImportOrigin(
        file=path.name,
        sha256=file_sha256(path),
        settings={
            key: {"value": cast("JsonValue", value), "from": source} for key, (value, source) in imported.items()
        },
    )
    manifest = manifest.model_copy(update={"imported": origin})
    return Imported(
        files=write_folder_atomically(
            out,
            lambda folder: save_pack(folder, model, manifest),
            overwrite=overwrite,
            own=(TENSORS_FILE, MANIFEST_FILE),
        ),
        settings=imported,
        unused=len(file.adapter) + len(file.head) - len(expected) + file.left_out,
        base={"name": cfg.backbone.name, "sha256": sha256},
        vit_compared=bool(file.vit),
    )


@dataclass(frozen=True, kw_only=True)
class _Sizes:
    """Sizes and settings that the shapes of a file's tensors imply.

    Attributes:
        embed_dim: Width of the ViT.
        depth: Number of its blocks; None where the file has only a head, which does not determine it.
        level_channels: Channels of each feature map at the head's input.
        num_classes: Number of classes of the head.
        settings: Other arguments of adapter and head, by key of the config.
    """

    embed_dim: int
    depth: int | None
    level_channels: list[int]
    num_classes: int
    settings: Settings


def _read_sizes(file: ReleasedFile, adapter_class: type[Adapter] | None) -> _Sizes:
    try:
        adapter = dict(adapter_class.reference_settings(file.adapter)) if adapter_class else {}
        head = dict(read_mmdet_settings(file.head))
    except ConfigError as error:
        raise CheckpointMismatch(f"{file.path}: {error}") from error
    levels, num_classes = cast("list[int]", head.pop("in_channels")), cast("int", head.pop("num_classes"))
    width, depth = adapter.pop("embed_dim", levels[0]), adapter.pop("depth", None)
    return _Sizes(
        embed_dim=cast("int", width),
        depth=cast("int | None", depth),
        level_channels=levels,
        num_classes=num_classes,
        settings={f"{_ADAPTER}{key}": value for key, value in adapter.items()}
        | {f"{_HEAD}{key}": value for key, value in head.items()},
    )


def _check_sizes(file: ReleasedFile, sizes: _Sizes, cfg: ResolvedConfig) -> None:
    """Compare the sizes of backbone and bench with those that the file implies."""
    backbone, classes = segmentor_config(cfg).backbone, list(cfg.bench.classes)
    width, depth, levels = sizes.embed_dim, sizes.depth, sizes.level_channels
    if (width, depth or backbone.depth) != (backbone.embed_dim, backbone.depth) or levels != [width] * 4:
        deep = f", {depth} deep ({VitSize(embed_dim=width, depth=depth, patch_px=0).model(DINOV2)})" if depth else ""
        raise CheckpointMismatch(
            f"{file.path} was trained on a backbone {width} wide{deep}, with {len(levels)} levels of "
            f"{', '.join(map(str, levels))} channels; {cfg.backbone.name} is {backbone.embed_dim} wide, "
            f"{backbone.depth} deep, with 4 levels. Name the backbone that it was trained on with --backbone."
        )
    if sizes.num_classes != len(classes):
        raise CheckpointMismatch(
            f"The head in {file.path} has {sizes.num_classes} classes, but {cfg.bench.name} has "
            f"{len(classes)}: {', '.join(classes)}. Import it for the bench that it was trained on."
        )


def _resolve_settings(
    cfg: ResolvedConfig, implied: Settings, *, texts: Sequence[str], path: Path
) -> dict[str, ImportedSetting]:
    """Return every setting of adapter and head that decides the output, with its source."""
    user_keys = {override.key for override in overrides.parse(texts)}
    segmentor = segmentor_config(cfg)
    adapter: Settings = dict(segmentor.backbone.adapter or {})
    configured = {f"{_ADAPTER}{key}": value for key, value in adapter.items()}
    configured |= {key: segmentor.decode_head[key.removeprefix(_HEAD)] for key in implied if key.startswith(_HEAD)}
    settings: dict[str, ImportedSetting] = {}
    for key, value in implied.items():
        if key not in user_keys or _plain(configured[key]) == value:
            settings[key] = ImportedSetting(value, _FILE)
        elif key not in _USER_HAS_PRIORITY:
            raise ConfigError(f"--set {key}={configured[key]!r} contradicts {path}, whose tensors imply {value!r}.")
    backbone_facts = {"type", "embed_dim", "depth", "patch_px"}
    for name, value in adapter.items():
        key = f"{_ADAPTER}{name}"
        # Start values do not matter for trained weights.
        if key in settings or name in backbone_facts or name.endswith("_init"):
            continue
        tuned = f"tuned for {cfg.cell.bench} ({cfg.cell.setting})" if name in cfg.method.tuned else "the method's own"
        settings[key] = ImportedSetting(_plain(value), "--set" if key in user_keys else f"{tuned}, not in the file")
    return settings


def _plain(value: Setting) -> Setting:
    return list(value) if isinstance(value, tuple) else value


def _rename_tensors(
    file: ReleasedFile, expected: dict[str, Tensor], adapter_class: type[Adapter] | None
) -> dict[str, Tensor]:
    """Return the tensors of the file that the model uses, under the model's names."""
    head = {name: value for name, value in file.head.items() if f"{HEAD}{name}" in expected}
    tensors = {f"{HEAD}{name}": value for name, value in convert_mmdet_names(head).items()}
    if adapter_class:
        prefix = f"{BACKBONE}{adapter_class.reference_prefix}"
        used = {name: value for name, value in file.adapter.items() if f"{prefix}{name}" in expected}
        converted = adapter_class.convert_reference(used)
        tensors |= {f"{BACKBONE}adapter.{name}": value for name, value in converted.items()}
    return tensors


@torch.no_grad()
def _check_vit(file: ReleasedFile, backbone: Vit) -> None:
    """Compare the ViT in the file, if there is one, with the base of the pack."""
    if not file.vit:
        return
    file_vit = backbone.fit(rename(file.vit, backbone.names.original, backbone.names))
    base = dict(backbone.named_parameters())
    different = [
        name
        for name, value in file_vit.items()
        if name not in base
        or value.shape != base[name].shape
        or not torch.allclose(value.to(base[name]), base[name], rtol=_SAME_RTOL, atol=_SAME_ATOL)
    ]
    if different:
        raise CheckpointMismatch(
            f"The backbone in {file.path} differs from the base weights: {len(different)} of {len(file_vit)} tensors "
            f"differ, first {different[0]}. A pack has adapter and head for an unchanged base; pass the weights that "
            "the checkpoint was trained on with --weights (a file of the whole model also works)."
        )
