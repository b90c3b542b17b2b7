"""The calibration of a pack in its manifest. Loads no torch."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from rs_adapt.errors import CheckpointMismatch
from rs_adapt.files import file_sha256, write_folder_atomically
from rs_adapt.runs.files import HASHES_FILE, MANIFEST_FILE, TENSORS_FILE
from rs_adapt.runs.packs import read_manifest, run_folder
from rs_adapt.runs.records import Calibration, HashesRecord, Manifest, read_record, record_text, write_record


def store_calibration(folder: Path, calibration: Calibration) -> None:
    """Write a calibration into the manifest of a pack, and the manifest's new hash into those of the run.

    Args:
        folder: A run folder, or a folder with a pack.
        calibration: It replaces an earlier one.

    Raises:
        CheckpointMismatch: The manifest is not as the run wrote it.
    """
    manifest = read_manifest(folder)
    run_dir = run_folder(folder)
    name = (folder / MANIFEST_FILE).relative_to(run_dir).as_posix()
    hashes = read_record(run_dir / HASHES_FILE, HashesRecord, error=CheckpointMismatch)
    stored = None if hashes is None else hashes.files.get(name)
    # The second: a calibration that was interrupted before it wrote the hash.
    if stored is not None and stored not in (file_sha256(folder / MANIFEST_FILE), _sha256_without(manifest)):
        raise CheckpointMismatch(
            f"{folder / MANIFEST_FILE} was changed after the run had ended, or is damaged: its SHA-256 is not that in "
            f"{HASHES_FILE}. It is not calibrated: copy the run again."
        )
    changed = manifest.model_copy(update={"calibration": calibration})
    write_record(folder / MANIFEST_FILE, changed)
    if hashes is not None and stored is not None:
        files = {**hashes.files, name: file_sha256(folder / MANIFEST_FILE)}
        write_record(run_dir / HASHES_FILE, hashes.model_copy(update={"files": files}))


def copy_calibrated(folder: Path, out: Path, calibration: Calibration) -> None:
    """Write a copy of a pack with a calibration; the pack itself stays as it is.

    Raises:
        OutputExists: There are files in `out`.
        ConfigError: It cannot be written to.
    """

    def fill(place: Path) -> None:
        for name in (TENSORS_FILE, MANIFEST_FILE):
            shutil.copyfile(folder / name, place / name)
        store_calibration(place, calibration)

    write_folder_atomically(out, fill, overwrite=False)


def _sha256_without(manifest: Manifest) -> str:
    content = {key: value for key, value in manifest.content().items() if key != "calibration"}
    return hashlib.sha256(record_text(Manifest.model_validate(content)).encode()).hexdigest()
