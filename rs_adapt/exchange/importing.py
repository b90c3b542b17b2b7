"""From a checkpoint that the authors of a method released to an adapter pack."""

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
from rs_adapt.exchange.released_file import ReleasedFile, check_tensors, read_released
from rs_adapt.files import check_output_folder, write_folder_atomically
from rs_adapt.heads.mask2former_names import convert_mmdet_names, read_mmdet_settings
from rs_adapt.inference.checkpoint import refused_keys
from rs_adapt.registry import MODELS, load_libraries, quiet_libraries
from rs_adapt.runs.records import CellNames, ImportOrigin, ManifestScores

if TYPE_CHECKING:
    from pydantic import JsonValue

    from rs_adapt.config.resolved import ResolvedConfig

_ADAPTER, _HEAD = "model.backbone.adapter.", "model.decode_head."
_FILE = "the file"
# A file may hold weights for more layers than its model used, so what the user says of them counts.
_USER_KNOWS_BETTER = (f"{_ADAPTER}frequency_layers",)
# Of the base's values; a file's own ViT was resized elsewhere, or stored in half precision.
_SAME_RTOL, _SAME_ATOL = 1e-3, 1e-5


class ImportedSetting(NamedTuple):
    """A setting of the pack's adapter or head.

    Attributes:
        value: A plain value.
        source: Where it is from, in words: the file, an override, or the configuration of the method.
    """

    value: Setting
    source: str


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What an import made of a file.

    Args:
        files: The pack's.
        settings: Each setting by its key of the config.
        unused: How many tensors of the file the model has no use for, with those of a teacher.
        base: Name and SHA-256 of the base weights that the pack is bound to.
        vit_compared: Whether the file's own backbone was there to be compared with the base.
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

    Sizes are read off the tensors and compared with bench and backbone; what leaves no trace in them is the value
    tuned for the bench, or what `texts` say.

    Args:
        path: The released file; its ViT may be in it or not.
        cell: Bench, backbone and method; the head is a Mask2Former.
        texts: `key=value` overrides.
        out: Folder to write.
        weights: Base weights, as for training.
        device: Where the model is built.
        overwrite: Replace the folder.

    Raises:
        WeightsError: The file or the base weights are missing, damaged or hold Python objects.
        CheckpointMismatch: The file does not fit the bench, the backbone or the base weights.
        ConfigError: An override is not usable, or contradicts the file.
        OutputExists: The folder holds something.
    """
    check_output_folder(out, overwrite=overwrite)
    if refused := refused_keys(texts):
        raise ConfigError(f"--set {refused[0]}: a pack must not set code or folders. Leave it out.")
    asked = compose(cell, overrides=texts, weights=weights, work_dir=out)
    load_libraries(asked.default_scope)
    settings = segmentor_config(asked).backbone.adapter
    adapter_class: type[Adapter] | None = settings and MODELS.get(settings.type)
    file = read_released(path, adapter_class)
    sizes = _read_sizes(file, adapter_class)
    _check_sizes(file, sizes, asked)
    imported = _settings(asked, sizes.settings, texts=texts, path=path)
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
    load_trained_tensors(model, _own_tensors(file, expected, adapter_class), str(path))
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
        files=write_folder_atomically(out, lambda folder: save_pack(folder, model, manifest), overwrite=overwrite),
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
        depth: Number of its blocks; None where the file holds a head alone, which does not tell.
        level_channels: Channels of each feature map that the head takes.
        num_classes: Classes that the head tells apart.
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
    """Compare what backbone and bench decide with what the file implies."""
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
            f"the head in {file.path} tells {sizes.num_classes} classes apart, but {cfg.bench.name} has "
            f"{len(classes)}: {', '.join(classes)}. Import it for the bench that it was trained on."
        )


def _settings(
    cfg: ResolvedConfig, implied: Settings, *, texts: Sequence[str], path: Path
) -> dict[str, ImportedSetting]:
    """Return every setting of adapter and head that decides the output, with its source."""
    own = {override.key for override in overrides.parse(texts)}
    segmentor = segmentor_config(cfg)
    adapter: Settings = dict(segmentor.backbone.adapter or {})
    configured = {f"{_ADAPTER}{key}": value for key, value in adapter.items()}
    configured |= {key: segmentor.decode_head[key.removeprefix(_HEAD)] for key in implied if key.startswith(_HEAD)}
    settings: dict[str, ImportedSetting] = {}
    for key, value in implied.items():
        if key not in own or _plain(configured[key]) == value:
            settings[key] = ImportedSetting(value, _FILE)
        elif key not in _USER_KNOWS_BETTER:
            raise ConfigError(f"--set {key}={configured[key]!r} contradicts {path}, whose tensors say {value!r}.")
    decided = {"type", "embed_dim", "depth", "patch_px"}
    for name, value in adapter.items():
        key = f"{_ADAPTER}{name}"
        # Start values say nothing about weights that are trained.
        if key in settings or name in decided or name.endswith("_init"):
            continue
        tuned = f"tuned for {cfg.cell.bench} ({cfg.cell.setting})" if name in cfg.method.tuned else "the method's own"
        settings[key] = ImportedSetting(_plain(value), "--set" if key in own else f"{tuned}, not in the file")
    return settings


def _plain(value: Setting) -> Setting:
    return list(value) if isinstance(value, tuple) else value


def _own_tensors(
    file: ReleasedFile, expected: dict[str, Tensor], adapter_class: type[Adapter] | None
) -> dict[str, Tensor]:
    """Return the file's tensors that the model uses, under its names."""
    head = {name: value for name, value in file.head.items() if f"{HEAD}{name}" in expected}
    tensors = {f"{HEAD}{name}": value for name, value in convert_mmdet_names(head).items()}
    if adapter_class:
        own = f"{BACKBONE}{adapter_class.reference_prefix}"
        used = {name: value for name, value in file.adapter.items() if f"{own}{name}" in expected}
        converted = adapter_class.convert_reference(used)
        tensors |= {f"{BACKBONE}adapter.{name}": value for name, value in converted.items()}
    return tensors


@torch.no_grad()
def _check_vit(file: ReleasedFile, backbone: Vit) -> None:
    """Compare the ViT in the file, if there is one, with the base that the pack will be bound to."""
    if not file.vit:
        return
    given = backbone.fit(rename(file.vit, backbone.names.original, backbone.names))
    base = dict(backbone.named_parameters())
    different = [
        name
        for name, value in given.items()
        if name not in base
        or value.shape != base[name].shape
        or not torch.allclose(value.to(base[name]), base[name], rtol=_SAME_RTOL, atol=_SAME_ATOL)
    ]
    if different:
        raise CheckpointMismatch(
            f"the backbone in {file.path} is not the base weights given: {len(different)} of {len(given)} tensors "
            f"differ, first {different[0]}. A pack holds adapter and head for a base as it is; pass the weights that "
            "the checkpoint was trained on with --weights (a file of the whole model also works)."
        )
