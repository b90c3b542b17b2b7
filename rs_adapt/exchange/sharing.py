"""`rs-adapt share`: a finished run as one anonymous archive that `rs-adapt verify` checks."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rs_adapt
from rs_adapt.audit.selfcheck.bundle import BUNDLE_FILE, METHOD_DIR, is_text, may_be_in_bundle
from rs_adapt.audit.selfcheck.subject import Subject, read_subject
from rs_adapt.errors import ConfigError, OutputExists, ScoresError
from rs_adapt.exchange.anonymous import Anonymizer
from rs_adapt.files import atomic_file, file_sha256
from rs_adapt.plugins import plugins
from rs_adapt.runs.files import CELL_FILE, CONFIG_FILE, HASHES_FILE, METRICS_FILE
from rs_adapt.runs.hashes import bound_files
from rs_adapt.runs.records import BundleRecord, LeftOut, record_text
from rs_adapt.scores.per_image import PerImage

# Equal content gives equal bytes: no time, one set of permissions, one level of compression.
_TIME = (1980, 1, 1, 0, 0, 0)
_MODE = 0o100644 << 16
_LEVEL = 6
# Of cell.json: what a machine or an account can be found by, and nothing that is scored depends on.
_DROPPED = {"command": "", "run_id": None}
_PART_BYTES = 2**20
_WHY_LEFT_OUT = {
    ".log": "a log names folders, users and machines",
    ".png": "pictures are drawn again from the files of the bundle: rs-adapt report",
    ".pth": "the training state is not part of a result",
}


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A written bundle.

    Attributes:
        file: The archive.
        record: The content of its `bundle.json`.
        sha256: SHA-256 of the archive.
    """

    file: Path
    record: BundleRecord
    sha256: str


def share_run(run: Path, out: Path, *, overwrite: bool = False) -> Bundle:
    """Write a finished run as an archive without paths, users and hosts; the same run gives the same bytes.

    Of a method from a plugin, the archive also holds the plugin's files, if the plugin is in use and unchanged.

    Args:
        run: A run folder.
        out: The archive, `NAME.zip`.
        overwrite: Whether to replace it.

    Raises:
        ConfigError: The folder holds no finished run, a file of it cannot be made anonymous, or the archive cannot be
            written.
        OutputExists: The archive exists, and `overwrite` is False.
    """
    if out.suffix.lower() != ".zip":
        raise ConfigError(f"--out {out} is no .zip file. Name the archive to write, such as {out.name}.zip.")
    if out.exists() and not overwrite:
        raise OutputExists(f"{out} exists. Choose a different name with --out, or add --overwrite to replace it.")
    subject = read_subject(run)
    names = [name for name in bound_files(subject.result) if (run / name).is_file()]
    if subject.hashes is not None:
        names.append(HASHES_FILE)
    if unknown := [name for name in names if not may_be_in_bundle(name) or (run / name).is_symlink()]:
        raise ConfigError(
            f"{run} names the file {unknown[0]!r}, which `rs-adapt train` does not write. Train it again."
        )
    texts = {name: (run / name).read_text(encoding="utf-8") for name in names if is_text(name)}
    anonymizer = Anonymizer(_places(subject), "\n".join(texts.values()))
    contents = {name: _rewrite(name, text, anonymizer).encode() for name, text in texts.items()}
    rewritten = sorted(name for name in texts if contents[name] != texts[name].encode())
    code, without_code = _plugin_files(subject)
    contents |= code
    names += code
    hashes = {name: _sha256(contents[name]) if name in contents else file_sha256(run / name) for name in names}
    if subject.hashes is not None:
        contents[HASHES_FILE] = _rehash(subject, run, hashes).encode()
        hashes[HASHES_FILE] = _sha256(contents[HASHES_FILE])
    record = BundleRecord(
        rs_adapt=rs_adapt.__version__,
        files=dict(sorted(hashes.items())),
        rewritten=rewritten,
        left_out=[*without_code, *_left_out(run, set(names), anonymizer)],
    )
    contents[BUNDLE_FILE] = record_text(record).encode()
    for name, content in contents.items():
        anonymizer.refuse_traces(name, content)
    for name in names:
        if not is_text(name):
            anonymizer.refuse_traces(name, _readable_part(run / name))
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(out) as temporary:
            _write(temporary, run, [BUNDLE_FILE, *sorted(names)], contents)
    except OSError as error:
        raise ConfigError(f"Cannot write {out}: {error.strerror}. Choose a different place with --out.") from error
    return Bundle(file=out, record=record, sha256=file_sha256(out))


def _places(subject: Subject) -> dict[str, str]:
    """Return names for the folders of the machine that the run was made on."""
    config = subject.config
    places = {"work_dir": "run", "data_root": "data"}
    named = {str(config[key]): name for key, name in places.items() if config.get(key)}
    if prepared := config.get("prepared_dir"):
        # <home>/prepared/<bench>
        named[str(Path(str(prepared)).parents[1])] = "home"
    if resolve := config.get("bench", {}).get("resolve"):
        named[str(resolve)] = "resolver"
    if own := config.get("bench", {}).get("own"):
        named[str(own["root"])] = "bench"
    return named


def _rewrite(name: str, text: str, anonymizer: Anonymizer) -> str:
    if name == CONFIG_FILE:
        return anonymizer.python(text)
    if name == METRICS_FILE:
        return anonymizer.text(text) if "/" in text or "\\" in text else text
    content: Any = json.loads(text)
    if name == CELL_FILE:
        content |= {key: value for key, value in _DROPPED.items() if key in content}
    replaced = anonymizer.tree(content)
    # Bytes stay where nothing was replaced, and with them the hash.
    if replaced == json.loads(text):
        return text
    return json.dumps(replaced, indent=None if "\n" not in text.strip() else 2, allow_nan=False) + "\n"


def _plugin_files(subject: Subject) -> tuple[dict[str, bytes], list[LeftOut]]:
    """Return the files of the run's plugins by their path in the bundle, and the plugins whose files are missing."""
    files: dict[str, bytes] = {}
    missing = []
    for facts in subject.start.plugins:
        used = next((plugin for plugin in plugins() if plugin.name == facts.name and plugin.path is not None), None)
        if used is None or used.path is None or used.sha256 != facts.sha256:
            state = "its plugin is not in use" if used is None else "the plugin in use is not that of the run"
            reason = f"{state}: name the file with --plugins PATH; its SHA-256 is {facts.sha256}"
            missing.append(LeftOut(file=f"{METHOD_DIR}/{facts.name}", reason=reason))
            continue
        for file in used.files:
            name = f"{METHOD_DIR}/{file.path.relative_to(used.path.parent).as_posix()}"
            if not may_be_in_bundle(name):
                raise ConfigError(
                    f"{file.path} cannot be shared: {name!r} is no name that a bundle may hold. Rename it."
                )
            files[name] = file.text.encode("utf-8", "surrogateescape")
    return files, missing


def _rehash(subject: Subject, run: Path, hashes: dict[str, str]) -> str:
    """Return `hashes.json` for the bundle; the hash of a file that had changed before stays as it was."""
    assert subject.hashes is not None
    files = {
        name: hashes[name] if name in hashes and file_sha256(run / name) == digest else digest
        for name, digest in subject.hashes.files.items()
    }
    return record_text(subject.hashes.model_copy(update={"files": files}))


def _left_out(run: Path, names: set[str], anonymizer: Anonymizer) -> Iterator[LeftOut]:
    for path in sorted(run.iterdir()):
        if path.name in names or any(name.startswith(f"{path.name}/") for name in names):
            continue
        reason = "not part of a result" if path.is_dir() else _WHY_LEFT_OUT.get(path.suffix, "not part of a result")
        yield LeftOut(file=anonymizer.text(path.name), reason=reason)
    yield LeftOut(file=f"{CELL_FILE}: {', '.join(_DROPPED)}", reason="a command names folders, a logger knows the run")


def _readable_part(path: Path) -> bytes:
    """Return the texts in a file of tensors or matrices."""
    if path.suffix == ".npz":
        try:
            stored = PerImage.load(path)
        except ScoresError as error:
            raise ConfigError(f"{path} cannot be shared: {error}") from error
        return json.dumps([stored.tiles, stored.scenes, stored.cities, stored.classes, stored.facts]).encode()
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        return file.read(min(length, path.stat().st_size))


def _write(path: Path, run: Path, names: list[str], contents: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            entry = zipfile.ZipInfo(name, date_time=_TIME)
            entry.external_attr = _MODE
            # Written by no particular system.
            entry.create_system = 3
            if name in contents:
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, contents[name], compresslevel=_LEVEL)
                continue
            entry.file_size = (run / name).stat().st_size
            with (run / name).open("rb") as source, archive.open(entry, "w") as target:
                while part := source.read(_PART_BYTES):
                    target.write(part)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
