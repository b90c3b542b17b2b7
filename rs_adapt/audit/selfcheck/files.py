"""Checks of files: the hashes that bind them, and the adapter pack."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path

from rs_adapt.audit.selfcheck.outcome import Check, conclude, give_up
from rs_adapt.audit.selfcheck.subject import Subject
from rs_adapt.config.overrides import for_packs
from rs_adapt.files import file_sha256
from rs_adapt.runs.files import HASHES_FILE, MANIFEST_FILE, TENSORS_FILE
from rs_adapt.runs.hashes import bound_files
from rs_adapt.runs.records import Manifest, read_record
from rs_adapt.scores.contradictions import check_manifest

# The header of a safetensors file: the length in 8 bytes, then JSON.
_LENGTH_BYTES, _MAX_HEADER_BYTES = 8, 100 * 2**20


def check_hashes(subject: Subject) -> Iterator[Check]:
    """Compare every bound file with its SHA-256 in `hashes.json`."""
    if subject.hashes is None:
        yield from give_up("hashes", f"no hashes were stored: there is no {HASHES_FILE}, as in runs of older versions")
        return
    contradictions, stored = [], subject.hashes.files
    for name, digest in stored.items():
        if not _is_below(name):
            contradictions.append(f"{HASHES_FILE} names {name!r}, which is no file of the run folder.")
        elif not (subject.folder / name).is_file():
            contradictions.append(f"{name} is missing, but {HASHES_FILE} has its SHA-256.")
        elif file_sha256(subject.folder / name) != digest:
            contradictions.append(f"{name} was changed: its SHA-256 is not that in {HASHES_FILE}.")
    for name in bound_files(subject.result):
        if name not in stored and (subject.folder / name).is_file():
            contradictions.append(f"{name} has no SHA-256 in {HASHES_FILE}.")
    yield from conclude("hashes", contradictions, checked=f"SHA-256 of {len(stored)} files")


def check_packs(subject: Subject) -> Iterator[Check]:
    """Compare each pack with its manifest, and the manifest with the run."""
    if subject.manifest is None:
        yield from conclude("pack", [f"{MANIFEST_FILE} is missing: a finished run has an adapter pack."], checked="")
        return
    contradictions = list(_compare_tensors(subject.folder, subject.manifest, "", subject.result.parameters))
    contradictions += _compare_with_run(subject.manifest, subject, "")
    packs = {point.pack for point in subject.result.selections.values() if point is not None}
    for pack in sorted(pack for pack in packs if pack not in (None, ".")):
        if not _is_below(pack):
            contradictions.append(f"result.json names the pack {pack!r}, which is no folder of the run folder.")
            continue
        manifest = read_record(subject.folder / pack / MANIFEST_FILE, Manifest)
        if manifest is None:
            contradictions.append(f"{pack}/{MANIFEST_FILE} is missing, but result.json names the pack.")
            continue
        contradictions += _compare_tensors(subject.folder / pack, manifest, f"{pack}/", subject.result.parameters)
        contradictions += _compare_with_run(manifest, subject, f"{pack}/")
    yield from conclude("pack", contradictions, checked="tensors and manifest of every pack, manifest and run")


def _is_below(name: str) -> bool:
    """Return whether a relative path stays below its folder."""
    path = Path(name)
    return not path.is_absolute() and ".." not in path.parts and "\\" not in name


def _compare_tensors(folder: Path, manifest: Manifest, prefix: str, parameters: Mapping[str, int]) -> Iterator[str]:
    path, stated = folder / TENSORS_FILE, manifest.tensors
    if stated is None:
        yield f"{prefix}{MANIFEST_FILE} names no tensors."
        return
    if not path.is_file():
        yield f"{prefix}{TENSORS_FILE} is missing."
        return
    if file_sha256(path) != stated.sha256:
        yield f"{prefix}{TENSORS_FILE} is not the file of {prefix}{MANIFEST_FILE}: its SHA-256 differs."
    if stated.bytes is not None and path.stat().st_size != stated.bytes:
        yield f"{prefix}{TENSORS_FILE} has {path.stat().st_size} bytes, {prefix}{MANIFEST_FILE} states {stated.bytes}."
    try:
        shapes = read_shapes(path)
    except ValueError as error:
        yield f"{prefix}{TENSORS_FILE} is not a safetensors file: {error}."
        return
    if stated.count is not None and len(shapes) != stated.count:
        yield f"{prefix}{TENSORS_FILE} has {len(shapes)} tensors, {prefix}{MANIFEST_FILE} states {stated.count}."
    values, trainable = sum(map(math.prod, shapes.values())), parameters.get("trainable")
    # The pack also holds running statistics, so it may have more values than parameters.
    if trainable is not None and values < trainable:
        yield f"{prefix}{TENSORS_FILE} has {values} values, but result.json states {trainable} trainable parameters."


def read_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Return the shape of each tensor of a safetensors file from its header.

    Raises:
        ValueError: The file has no such header.
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        if length > min(_MAX_HEADER_BYTES, path.stat().st_size):
            raise ValueError("its header is longer than the file")
        header = json.loads(file.read(length))
    if not isinstance(header, dict):
        raise ValueError("its header is no table")
    try:
        return {name: tuple(map(int, facts["shape"])) for name, facts in header.items() if name != "__metadata__"}
    except (KeyError, TypeError) as error:
        raise ValueError("a tensor has no shape") from error


def _compare_with_run(manifest: Manifest, subject: Subject, prefix: str) -> Iterator[str]:
    file, start, result = f"{prefix}{MANIFEST_FILE}", subject.start, subject.result
    own = manifest.own_bench is not None
    for key, stated, value in (
        ("overrides", for_packs(manifest.overrides), for_packs(start.options.overrides)),
        # Weights of super-resolution are written before they are scored.
        *(() if subject.is_super_resolution else (("created", manifest.created, result.finished),)),
        ("base.name", manifest.base.name, start.cell.backbone),
        *(
            (f"data.{role}", facts.content(), start.data[role].content() if role in start.data else None)
            for role, facts in manifest.data.items()
        ),
        *(
            (f"cell.{key}", getattr(manifest.cell, key), value)
            for key, value in start.cell.content().items()
            # A pack names the file of a bench of your own, without its folder.
            if not (own and key == "bench")
        ),
    ):
        if stated != value:
            yield f"{file} has {key} {stated!r}, the run {value!r}."
    if manifest.own_bench is not None and manifest.own_bench != subject.config.get("bench", {}).get("own"):
        yield f"{file} has a different own_bench than config.py."
    yield from (sentence.replace("manifest.json", file, 1) for sentence in check_manifest(manifest, result))
