"""Base weights on disk: find the file, recognise its layout by content, read it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

from rs_adapt.backbones.conversion import DamagedWeights, Names, convert_names, measure
from rs_adapt.backbones.reading import read_tensors
from rs_adapt.config.facts import WeightsFacts
from rs_adapt.config.paths import home, weights_file
from rs_adapt.config.weights_files import fetch_command, missing_weights
from rs_adapt.documents import read_sealed, write_sealed
from rs_adapt.errors import UnreadableFile, WeightsError
from rs_adapt.files import file_sha256 as sha256_of
from rs_adapt.files import file_state

RANDOM = "random"
# Bytes up to which a published file is hashed at every start, a matter of milliseconds.
_HASHED_EVERY_TIME = 2**26
_PREFIXES = ("module.", "backbone.")


Content = TypeVar("Content")


class _Reading(NamedTuple):
    """What was read of a file, and the state of the file then."""

    stamp: tuple[tuple[Path, int, int, int], ...]
    content: Any


# By file and kind of content, inside `read_weights_once`.
_left_over: dict[tuple[Path, str], _Reading] | None = None


def find_weights(path_or_random: str | Path | None, facts: WeightsFacts | None) -> Path | None:
    """Check that the base weights of a run are there before anything is built.

    Args:
        path_or_random: A file or folder, or None or "random" for random weights.
        facts: `backbone.weights` of the backbone's config: file, url, bytes, sha256 (the last two may be None).

    Returns:
        The path, or None for random weights.

    Raises:
        WeightsError: If the file is missing (the message says where to get it), or is the published one and not
            complete or damaged.
    """
    if path_or_random is None or str(path_or_random) == RANDOM:
        return None
    path = Path(path_or_random).expanduser()
    if not os.path.exists(path):
        raise missing_weights(path, facts)
    expected = facts.get("bytes") if facts else None
    # Only the published file itself has a known size; a converted one that a user names may have any.
    if facts and expected and path.is_file() and path.resolve() == weights_file(facts).resolve():
        num_bytes = path.stat().st_size
        if num_bytes != expected:
            state = "truncated" if num_bytes < expected else "not the published file"
            remedy = "Install rs-adapt again" if facts.get("shipped") else fetch_command(facts)
            raise WeightsError(
                f"Base weights {path} are {state}: {num_bytes} bytes, expected {expected}. "
                f"Remove the file and get it again: {remedy}"
            )
        _check_published_sha256(path, facts)
    return path


def _check_published_sha256(path: Path, facts: WeightsFacts) -> None:
    """Refuse a published file whose bytes are not the published ones; large files are read once for each state.

    Raises:
        WeightsError: The SHA-256 differs.
    """
    expected = facts.get("sha256")
    if not expected:
        return
    key = hashlib.sha256(repr((str(path.resolve()), *file_state(path))).encode()).hexdigest()
    cache = home() / "checks" / f"weights-{key}.json"
    digest = None
    if is_large := path.stat().st_size > _HASHED_EVERY_TIME:
        with suppress(OSError, UnreadableFile):
            digest = read_sealed(cache)
    if digest is None:
        digest = file_sha256(path)
        # The file only saves time: a cache that cannot be written to stops no run.
        with suppress(OSError):
            if is_large:
                cache.parent.mkdir(parents=True, exist_ok=True)
                write_sealed(cache, digest)
    if digest != expected:
        remedy = "Install rs-adapt again" if facts.get("shipped") else fetch_command(facts)
        raise WeightsError(
            f"Base weights {path} are damaged: their SHA-256 is {digest}, that of the published file {expected}. "
            f"Remove the file and get it again: {remedy}"
        )


def file_sha256(path: str | Path) -> str:
    """Return the SHA-256 of a file's bytes, as 64 hex digits.

    Raises:
        WeightsError: If the file cannot be read.
    """
    try:
        return sha256_of(Path(path))
    except OSError as error:
        raise WeightsError(f"Cannot read {path}: {error.strerror}") from error


def load_state(path: str | Path, names: Names) -> dict[str, Tensor]:
    """Read the weights of a family of ViTs, in any of its layouts, under this package's names.

    Accepted: a .pth with the layouts that `names` states, also wrapped in `state_dict` or `model` and with outer
    prefixes; a safetensors file or a folder of transformers; a TorchScript archive, of which only tensors are read.

    Args:
        path: File or folder.
        names: The family.

    Returns:
        All tensors of the ViT, at the file's own patch size and position grid.

    Raises:
        WeightsError: If the path is missing, damaged, contains Python objects (none of them is run) or no such ViT.
    """
    return read_once(Path(path).expanduser(), names.family, lambda path: load_with_layout(path, names)[1])


def read_once(path: Path, kind: str, read: Callable[[Path], Content]) -> Content:
    """Return what `read` gives for a file, inside `read_weights_once` what the call before has left.

    Args:
        path: File or folder.
        kind: What is read of it; readings of one kind are interchangeable.
        read: Reads it.
    """
    if _left_over is None or not path.exists():
        return read(path)
    key, stamp = (path.resolve(), kind), _stamp(path)
    left = _left_over.pop(key, None)
    if left is not None and left.stamp == stamp:
        kept: Content = left.content
        return kept
    content = read(path)
    _left_over[key] = _Reading(stamp=stamp, content=content)
    return content


@contextmanager
def read_weights_once() -> Iterator[None]:
    """Let two calls of `read_once` for the same file read it once: the first leaves its tensors to the second.

    It is for a check that comes before the model is built. The tensors are held in memory until the second call, or
    until the context ends; a file that has changed in between is read again.
    """
    global _left_over
    before, _left_over = _left_over, {}
    try:
        yield
    finally:
        _left_over = before


def _stamp(path: Path) -> tuple[tuple[Path, int, int, int], ...]:
    """Return name and state of every file that the weights are read from."""
    return tuple((file, *file_state(file)) for file in _files(path))


def load_with_layout(path: str | Path, names: Names) -> tuple[str, dict[str, Tensor]]:
    """Read weights as `load_state` does, and also return the layout of the file: "original" or "transformers"."""
    path = Path(path).expanduser()
    if not os.path.exists(path):
        raise missing_weights(path, None)
    tensors = read_model(path, (*_PREFIXES, *names.prefixes))
    try:
        layout, state = convert_names(tensors, names)
        if not names.in_stages:
            measure(state, names)
        check_finite(state)
    except WeightsError as error:
        raise type(error)(f"{path}: {error}") from error
    return layout, state


def check_finite(state: Mapping[str, Tensor]) -> None:
    """Refuse tensors with NaN or infinite values.

    Raises:
        WeightsError: A tensor holds such a value.
    """
    wrong = [name for name, value in state.items() if not bool(torch.isfinite(value).all())]
    if wrong:
        raise DamagedWeights(
            f"{len(wrong)} of {len(state)} tensors hold NaN or infinite values, first {wrong[0]}. Get the file again."
        )


def read_model(path: Path, prefixes: Sequence[str]) -> dict[str, Tensor]:
    """Read all tensors of a file or folder, or those below the first of some outer prefixes that it has.

    Args:
        path: File or folder.
        prefixes: Outer prefixes, one below the other; they are taken off.

    Raises:
        WeightsError: If the path is damaged, or contains Python objects.
    """
    tensors: dict[str, Tensor] = {}
    for file in _files(path):
        tensors |= read_tensors(file)
    return _strip(tensors, prefixes)


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    # Large models come in several files; a folder often has the same weights in both formats.
    for pattern in ("*.safetensors", "pytorch_model*.bin"):
        if files := sorted(path.glob(pattern)):
            return files
    raise WeightsError(f"Folder {path} has no weights: expected model.safetensors or pytorch_model.bin in it.")


def _strip(tensors: dict[str, Tensor], prefixes: Sequence[str]) -> dict[str, Tensor]:
    """Return the tensors below an outer prefix; those outside it (a head) do not belong to the ViT."""
    for prefix in prefixes:
        inner = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
        tensors = inner or tensors
    return tensors


def tensors_sha256(tensors: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 over names, shapes and fp32 values of tensors, independent of the file they come from."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        values = tensor.detach().to("cpu", torch.float32).contiguous().numpy().reshape(-1)
        digest.update(f"{name} {tuple(tensor.shape)}\n".encode())
        digest.update(values.data)
    return digest.hexdigest()
