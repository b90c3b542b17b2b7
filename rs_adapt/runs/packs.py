"""The manifest of an adapter pack, read without torch."""

from __future__ import annotations

from pathlib import Path

from rs_adapt.errors import CheckpointMismatch
from rs_adapt.runs.files import CELL_FILE, MANIFEST_FILE, PACKS_DIR, RESULT_FILE, STATE_FILE, TENSORS_FILE
from rs_adapt.runs.onnx_files import is_onnx
from rs_adapt.runs.records import Manifest, read_record


def pack_folder(path: Path) -> Path:
    """Return the folder of a run or pack that is named by its folder, or by a file in it."""
    return path.parent if path.is_file() else path


def run_folder(pack: Path) -> Path:
    """Return the folder of the run that a pack's folder belongs to: its own, or for a further selection that above."""
    return pack.parents[1] if pack.parent.name == PACKS_DIR else pack


def find_weights(run: Path) -> tuple[Path, bool]:
    """Return the folder of the weights that a run starts from (`--from`), and whether they are those of a pack.

    Args:
        run: A run folder, a folder with an adapter pack, or a file in it.

    Raises:
        CheckpointMismatch: There is neither a pack nor the state of an interrupted run.
    """
    run = pack_folder(run)
    is_finished = (run / RESULT_FILE).is_file() or not (run / STATE_FILE).is_file()
    if is_finished and not (run / MANIFEST_FILE).is_file():
        raise CheckpointMismatch(
            f"--from {run}: there are no saved weights, neither a finished run, nor the {STATE_FILE} of an interrupted "
            "one, nor an adapter pack. Name a folder that holds one of them."
        )
    return run, is_finished


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of a pack.

    Args:
        folder: A run folder or a folder with the two files of a pack.

    Raises:
        CheckpointMismatch: There is no pack, the manifest is damaged or of a newer format, or an ONNX model is named.
    """
    if folder.name in (TENSORS_FILE, MANIFEST_FILE):
        folder = folder.parent
    path = folder / MANIFEST_FILE
    if is_onnx(folder):
        raise CheckpointMismatch(
            f"{folder} is an ONNX model, which `rs-adapt predict` alone runs. Name the run folder or the pack that it "
            "was exported from."
        )
    if not folder.exists():
        raise CheckpointMismatch(
            f"{folder} does not exist, so it holds no adapter pack. Name a run folder, or a folder with a pack."
        )
    manifest = read_record(path, Manifest, error=CheckpointMismatch, remedy="Copy the pack again.")
    if manifest is None:
        unfinished = (folder / CELL_FILE).is_file()
        hint = " The run is not finished: continue it with --resume." if unfinished else ""
        raise CheckpointMismatch(f"{folder} holds no adapter pack: {MANIFEST_FILE} is missing.{hint}")
    if "format" not in manifest.model_fields_set:
        # Packs have had a format number from the start, unlike other files.
        raise CheckpointMismatch(f"{path}: format is missing. Copy the pack again.")
    return manifest
