"""Adapter packs on the Hugging Face Hub: downloaded, compared with their manifest, and kept by commit."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from rs_adapt.config.paths import home
from rs_adapt.downloads.hub import HUB_PREFIX, HubAddress, download, remote_size
from rs_adapt.errors import CheckpointMismatch, HubError
from rs_adapt.files import file_sha256, write_folder_atomically
from rs_adapt.locks import exclusive
from rs_adapt.progress import OnProgress, no_progress
from rs_adapt.runs.files import MANIFEST_FILE, TENSORS_FILE
from rs_adapt.runs.packs import read_manifest
from rs_adapt.runs.records import Manifest

# Between owner and name in the name of a folder; the Hub allows it in neither.
_SEPARATOR = "--"
_COMMIT_DIGITS = 12
_RESULTS_DIR = Path("work_dirs") / "hub"


def pull_pack(
    address: HubAddress,
    *,
    on_progress: OnProgress = no_progress,
    on_note: Callable[[str], None] = lambda text: None,
) -> Path:
    """Return a folder with the pack of a repository, downloaded if it is not on this machine yet.

    The folder belongs to one commit and does not change. Its files are those of the Hub's cache, without a second copy
    where the file system allows that.

    Args:
        address: The repository.
        on_progress: Called with the bytes that have arrived and those in all.
        on_note: Called with one sentence that names the commit.

    Raises:
        HubError: The repository cannot be read, holds no pack, or a pack that its manifest does not describe.
    """
    manifest_file, commit = download(address, MANIFEST_FILE, on_progress=on_progress)
    exact = replace(address, revision=commit)
    try:
        manifest = read_manifest(manifest_file.parent)
    except CheckpointMismatch as error:
        raise HubError(f"{exact} holds no adapter pack that can be read: {error}") from error
    folder = home() / "hub" / address.repository.replace("/", _SEPARATOR) / commit
    with ExitStack() as stack:
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(exclusive(folder.with_name(f".{commit}.lock")))
        except OSError as error:
            raise HubError(
                f"Cannot write to {folder.parent}: {error.strerror}. Choose a different folder with RS_ADAPT_HOME."
            ) from error
        if not _is_complete(folder, manifest_file, manifest):
            tensors_file = _download_tensors(exact, manifest, on_progress=on_progress)

            def fill(place: Path) -> None:
                for file in (manifest_file, tensors_file):
                    _link_or_copy(file, place / file.name)

            write_folder_atomically(folder, fill, overwrite=True, own=(MANIFEST_FILE, TENSORS_FILE))
    on_note(f"{address} is commit {commit}" if address.revision != commit else f"{exact} is used")
    return folder


def hub_origin(folder: Path) -> str | None:
    """Return the address of a pack that `pull_pack` has downloaded, with its commit; None for any other folder."""
    place = Path(os.path.abspath(folder))
    if place.parent.parent != home() / "hub":
        return None
    return f"{HUB_PREFIX}{place.parent.name.replace(_SEPARATOR, '/', 1)}@{place.name}"


def describe_checkpoint(folder: Path) -> str:
    """Return the name of a checkpoint for people and records: its address on the Hub, else its folder."""
    return hub_origin(folder) or str(folder)


def results_folder(checkpoint: Path) -> Path:
    """Return the folder below which results about a checkpoint belong: its own, or for one of the Hub one in work_dirs.

    What lies in the cache folder may be removed at any time.
    """
    if hub_origin(checkpoint) is None:
        return checkpoint
    return _RESULTS_DIR.joinpath(*checkpoint.parent.name.split(_SEPARATOR, 1), checkpoint.name[:_COMMIT_DIGITS])


def _is_complete(folder: Path, manifest_file: Path, manifest: Manifest) -> bool:
    """Return whether a folder holds the pack, unchanged."""
    own, tensors = folder / MANIFEST_FILE, folder / TENSORS_FILE
    return (
        own.is_file()
        and tensors.is_file()
        and own.read_bytes() == manifest_file.read_bytes()
        and manifest.tensors is not None
        and file_sha256(tensors) == manifest.tensors.sha256
    )


def _download_tensors(address: HubAddress, manifest: Manifest, *, on_progress: OnProgress) -> Path:
    if manifest.tensors is None:
        raise HubError(f"{address} holds no adapter pack that can be read: tensors is missing in {MANIFEST_FILE}.")
    expected, size = manifest.tensors, remote_size(address, TENSORS_FILE)
    advice = "It is not used: ask its owner to push the pack again."
    if size is not None and expected.bytes is not None and size != expected.bytes:
        raise HubError(
            f"{address}: {TENSORS_FILE} has {size} bytes, but its manifest describes a file of {expected.bytes}. "
            f"{advice}"
        )
    file, _ = download(address, TENSORS_FILE, on_progress=on_progress)
    if (actual := file_sha256(file)) != expected.sha256:
        raise HubError(
            f"{address}: the SHA-256 of {TENSORS_FILE} is {actual[:16]}..., but its manifest describes a file with "
            f"{expected.sha256[:16]}... {advice} If the copy in the Hub's cache is damaged, remove {file}."
        )
    return file


def _link_or_copy(file: Path, target: Path) -> None:
    # In the Hub's cache it is a symbolic link.
    real = file.resolve()
    try:
        os.link(real, target)
    except OSError:
        shutil.copyfile(real, target)
