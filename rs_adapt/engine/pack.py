"""Adapter packs: the trained tensors in one safetensors file, and a manifest that names the base they fit."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from rs_adapt.backbones.weights import file_sha256
from rs_adapt.engine.state import load_trained_tensors, require_finite, trained_tensors
from rs_adapt.errors import CheckpointMismatch
from rs_adapt.files import atomic_file
from rs_adapt.runs.files import MANIFEST_FILE, TENSORS_FILE
from rs_adapt.runs.packs import read_manifest
from rs_adapt.runs.records import FORMAT, Manifest, TensorsFile, write_record


def save_pack(folder: Path, segmentor: nn.Module, manifest: Manifest) -> Manifest:
    """Write `adapter.safetensors` and `manifest.json`.

    Args:
        folder: Existing folder.
        segmentor: The trained `EncoderDecoder`; its trainable tensors are saved (adapter and head, for method `full`
            also the backbone), with running statistics.
        manifest: Facts about the run; `tensors` is added here.

    Returns:
        The manifest as written.
    """
    write_tensors(folder, segmentor)
    return write_manifest(folder, manifest)


def write_tensors(folder: Path, segmentor: nn.Module) -> None:
    """Write the tensors of a pack, complete or not at all; `write_manifest` completes the pack.

    Raises:
        NonFiniteWeights: A tensor is NaN or infinite.
    """
    require_finite(segmentor)
    tensors = {name: value.detach().cpu().contiguous() for name, value in trained_tensors(segmentor).items()}
    with atomic_file(folder / TENSORS_FILE) as temporary:
        save_file(tensors, temporary)


def write_manifest(folder: Path, manifest: Manifest) -> Manifest:
    """Write the manifest of a pack whose tensors are in the folder, and return it as written."""
    with safe_open(folder / TENSORS_FILE, "pt") as file:
        count = len(file.keys())
    tensors = TensorsFile(
        file=TENSORS_FILE,
        sha256=file_sha256(folder / TENSORS_FILE),
        count=count,
        bytes=(folder / TENSORS_FILE).stat().st_size,
    )
    complete = manifest.model_copy(update={"format": FORMAT, "tensors": tensors})
    write_record(folder / MANIFEST_FILE, complete)
    return complete


def require_tensors(folder: Path, manifest: Manifest) -> None:
    """Compare the file with the tensors of a pack with its manifest.

    Raises:
        CheckpointMismatch: The file is missing, or is not that of the manifest.
    """
    path = folder / TENSORS_FILE
    if manifest.tensors is None:
        raise CheckpointMismatch(f"{folder / MANIFEST_FILE}: tensors is missing. Copy the pack again.")
    if not path.is_file() or file_sha256(path) != manifest.tensors.sha256:
        state = "is damaged: its SHA-256 is not the manifest's" if path.is_file() else "is missing"
        raise CheckpointMismatch(f"{path} {state}. Copy the pack again.")


def read_pack_tensors(folder: Path, manifest: Manifest) -> dict[str, Tensor]:
    """Return the tensors of a pack.

    Raises:
        CheckpointMismatch: The file is missing, damaged, or not that of the manifest.
    """
    require_tensors(folder, manifest)
    path = folder / TENSORS_FILE
    try:
        return load_file(path)
    except SafetensorError as error:
        raise CheckpointMismatch(f"{path} is not a safetensors file: {error}.") from error


def load_pack(folder: Path, segmentor: nn.Module, *, classes: list[str], base_sha256: str) -> Manifest:
    """Put a pack's tensors into a freshly built segmentor.

    Args:
        folder: A run folder or a folder with the two files of a pack.
        segmentor: Built from the same cell, on its base weights.
        classes: Names of the segmentor's classes, in index order.
        base_sha256: SHA-256 of the segmentor's base weights.

    Returns:
        The manifest.

    Raises:
        CheckpointMismatch: Base, class list or tensors differ from the segmentor's, or a file is damaged.
    """
    manifest = read_manifest(folder)
    folder = folder.parent if folder.is_file() else folder
    base = manifest.base
    if list(manifest.classes) != list(classes):
        raise CheckpointMismatch(
            f"The pack {folder} was trained on the classes {', '.join(manifest.classes)}; here they are "
            f"{', '.join(classes)}. Evaluate it on a bench with its own classes."
        )
    if base.sha256 != base_sha256:
        raise CheckpointMismatch(
            f"The pack {folder} belongs to the base {base.name} with SHA-256 {base.sha256[:16]}..., but these weights "
            f"have {base_sha256[:16]}... An adapter does not work on a different base: pass the weights that it was "
            "trained on with --weights."
        )
    load_trained_tensors(segmentor, read_pack_tensors(folder, manifest), str(folder / TENSORS_FILE))
    return manifest
