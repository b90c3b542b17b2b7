"""Export of a trained run: the adapter pack alone, or a plain backbone with the adapter folded in."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors.torch import save_file

from rs_adapt.backbones import Vit
from rs_adapt.backbones.weights import file_sha256, tensors_sha256
from rs_adapt.config.segmentor import segmentor_config
from rs_adapt.engine.pack import require_tensors, save_pack
from rs_adapt.errors import CheckpointMismatch, ConfigError
from rs_adapt.files import check_output_folder, write_folder_atomically
from rs_adapt.inference.checkpoint import load_model
from rs_adapt.runs.clearing import refuse_output_in_run
from rs_adapt.runs.files import MANIFEST_FILE, RESULT_FILE, TENSORS_FILE
from rs_adapt.runs.packs import read_manifest, run_folder
from rs_adapt.runs.records import BaseWeights, Manifest, MergedAdapter, Result, read_record
from rs_adapt.runs.resolvers import refuse_resolved
from rs_adapt.scores.contradictions import check_manifest, check_result

if TYPE_CHECKING:
    from rs_adapt.config.resolved import ResolvedConfig

BACKBONE_FILE = "backbone.safetensors"
MMSEG_FILE, SAFETENSORS_FILE, ONNX_FILE = "mmseg.pth", "model.safetensors", "model.onnx"
# All that `rs-adapt export` writes; an export replaces an older one in another format.
_OF_ONNX = (ONNX_FILE, f"{ONNX_FILE}.data")
EXPORTED_FILES = (TENSORS_FILE, MANIFEST_FILE, BACKBONE_FILE, MMSEG_FILE, SAFETENSORS_FILE, *_OF_ONNX)
# Share of the largest feature by which a merged backbone may differ: rounding in single precision through 40 blocks.
MERGE_TOLERANCE = 1e-3


def export_pack(checkpoint: Path, out: Path, *, overwrite: bool = False) -> list[Path]:
    """Copy a run's adapter pack, which is all that `rs-adapt eval` needs besides the base weights.

    Args:
        checkpoint: A run folder, or a folder with an adapter pack.
        out: Folder to write.
        overwrite: Whether to replace it.

    Returns:
        The written files.

    Raises:
        CheckpointMismatch: There is no pack, or its run's matrices do not give its scores.
        OutputExists: The folder is not empty, and `overwrite` is False.
    """
    refuse_output_in_run(out)
    require_tensors(checkpoint, consistent_manifest(checkpoint))

    def fill(folder: Path) -> None:
        for name in (TENSORS_FILE, MANIFEST_FILE):
            shutil.copyfile(checkpoint / name, folder / name)

    return write_folder_atomically(out, fill, overwrite=overwrite, own=EXPORTED_FILES)


def export_merged(
    cfg: ResolvedConfig, checkpoint: Path, out: Path, *, device: str = "cpu", overwrite: bool = False
) -> tuple[list[Path], float]:
    """Write a plain backbone with the adapter folded into its weights, and a pack of the head for it.

    The backbone's file has the layout of transformers' modules, fp32, and loads as any base weights do; the pack has
    the method `frozen` on that base. Together they reproduce the run's output up to rounding.

    Args:
        cfg: The checkpoint's configuration, from `recompose`.
        checkpoint: Folder of the pack.
        out: Folder to write.
        device: Device to build the model on.
        overwrite: Whether to replace the folder.

    Returns:
        The written files, and the difference of `merge_adapter`.

    Raises:
        ConfigError: The method has no adapter, or it cannot be merged; the message has the reason.
        CheckpointMismatch: The merged backbone gives other features, by more than rounding, or the run's matrices do
            not give the scores of its pack.
        OutputExists: The folder is not empty, and `overwrite` is False.
    """
    _check_adapter(cfg)
    check_output_folder(out, overwrite=overwrite)
    refuse_output_in_run(out)
    manifest = consistent_manifest(checkpoint)
    model = load_model(cfg, checkpoint, device=device)
    backbone = model.backbone
    difference = merge_adapter(cfg, backbone)

    def fill(folder: Path) -> None:
        tensors = {name: value.detach().cpu().contiguous() for name, value in backbone.base_parameters().items()}
        save_file(tensors, folder / BACKBONE_FILE, metadata={"format": "pt"})
        # Hashed here: peft merges without raising torch's versions, by which the backbone would see the change.
        of_head = _head_manifest(manifest, folder, sha256=tensors_sha256(tensors), difference=difference)
        save_pack(folder, model, of_head)

    return write_folder_atomically(out, fill, overwrite=overwrite, own=EXPORTED_FILES), difference


def merge_adapter(cfg: ResolvedConfig, backbone: Vit) -> float:
    """Fold the adapter of a backbone into its weights; afterwards the backbone is a plain one.

    Args:
        cfg: The checkpoint's configuration.
        backbone: The backbone with its adapter, in eval mode.

    Returns:
        The largest difference that the merge makes to a feature of a random image, as a share of the largest feature.

    Raises:
        ConfigError: The method has no adapter, or it cannot be merged; the message has the reason.
        CheckpointMismatch: The merged backbone gives other features, by more than rounding.
    """
    _check_adapter(cfg)
    assert backbone.adapter is not None
    side_px = cfg.bench.crop_px
    image = torch.randn(1, 3, side_px, side_px, generator=torch.Generator().manual_seed(0))
    image = image.to(next(backbone.parameters()).device)
    with torch.no_grad():
        adapted = list(backbone(image))
        backbone.adapter.merge(backbone)
        backbone.adapter = None
        pairs = list(zip(backbone(image), adapted, strict=True))
    largest = max(float(expected.abs().max()) for _, expected in pairs)
    # Python's max would pass over NaN.
    differences = torch.stack([(merged - expected).abs().max() for merged, expected in pairs])
    difference = float(differences.max()) / (largest or 1.0)
    # Not the other way round: a feature that is no number makes every comparison false.
    if not difference <= MERGE_TOLERANCE:
        raise CheckpointMismatch(
            f"Merging the method {cfg.cell.method} changes the backbone's features of a random image by "
            f"{100 * difference:.2g} % of the largest feature ({100 * MERGE_TOLERANCE:g} % are allowed for rounding), "
            "so nothing is written. Export without --merge."
        )
    return difference


def consistent_manifest(checkpoint: Path) -> Manifest:
    """Return the manifest of a pack that can be taken elsewhere alone.

    Raises:
        CheckpointMismatch: There is no pack, or its scores are not those of the matrices in its run folder.
        ConfigError: See `refuse_resolved`.
    """
    manifest = read_manifest(checkpoint)
    refuse_resolved(checkpoint, manifest.resolver, verb="an export or a push")
    folder = run_folder(checkpoint)
    result = read_record(folder / RESULT_FILE, Result, error=CheckpointMismatch, remedy="Copy the run again.")
    if result is not None and (sentences := (*check_result(folder, result), *check_manifest(manifest, result))):
        raise CheckpointMismatch(
            f"{checkpoint} is not exported, because its manifest would repeat a score that nothing supports: "
            f"{sentences[0]} Copy the run again, or remove {RESULT_FILE} to export the weights alone."
        )
    return manifest


def _check_adapter(cfg: ResolvedConfig) -> None:
    if segmentor_config(cfg).backbone.adapter is None:
        raise ConfigError(
            f"The method {cfg.cell.method} has no adapter, so there is nothing to merge. Export without --merge."
        )


def _head_manifest(manifest: Manifest, folder: Path, *, sha256: str, difference: float) -> Manifest:
    """Return the manifest of the run's head on the merged base."""
    texts = [text for text in manifest.overrides if not text.strip().startswith(("model.backbone", "method."))]
    merged = MergedAdapter(
        method=manifest.cell.method,
        base=manifest.base,
        backbone_file_sha256=file_sha256(folder / BACKBONE_FILE),
        largest_difference=difference,
    )
    return manifest.model_copy(
        update={
            "cell": manifest.cell.model_copy(update={"method": "frozen"}),
            "overrides": texts,
            "base": BaseWeights(name=manifest.base.name, sha256=sha256, weights=BACKBONE_FILE),
            "merged": merged,
        }
    )
