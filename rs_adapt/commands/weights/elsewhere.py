"""Base weights from addresses that a user names: a mirror, a repository of the Hugging Face Hub, a file brought along.

What comes is accepted by its SHA-256: that of the backbone's config, or one that the user gives.
"""

from __future__ import annotations

import dataclasses
import re
import shutil
import time
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from rs_adapt.commands.weights.checks import refuse_other_model
from rs_adapt.errors import ConfigError, DownloadError, HubError, WeightsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rs_adapt.config.weights_files import WeightsFile
    from rs_adapt.downloads import Published

_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
# Endings of files of weights, the first one before the others.
_SAFE, _OTHERS = ".safetensors", (".pth", ".pt", ".bin", ".ckpt")


class FromHub(NamedTuple):
    """A file of weights from the Hub.

    Attributes:
        path: Where it lies now.
        name: Its name in the repository.
        commit: Commit of the repository, 40 hexadecimal digits.
        sha256: Its SHA-256.
        is_verified: Whether the SHA-256 was compared with a known one.
    """

    path: Path
    name: str
    commit: str
    sha256: str
    is_verified: bool


def expect(weights_file: WeightsFile, sha256: str | None) -> Published:
    """Return what is published of a file, with the SHA-256 that a user gives where none is.

    Raises:
        ConfigError: The text is no SHA-256, or not the published one.
    """
    published = weights_file.published
    if sha256 is None:
        return published
    given = _check_sha256(sha256)
    if published.sha256 is not None and published.sha256.lower() != given:
        raise ConfigError(
            f"--sha256 is {given}, but that of the published {weights_file.facts['file']} is {published.sha256}. Leave "
            "the option out."
        )
    return dataclasses.replace(published, sha256=given)


def fetch_from_mirror(weights_file: WeightsFile, published: Published, url: str) -> bool:
    """Fetch a published file from an address that a user names; return False if it was there already.

    Raises:
        ConfigError: The address is none of the web, or no SHA-256 is known.
        WeightsError: The file cannot be fetched, or is not the published one; nothing lies in its place then.
    """
    from rs_adapt.commands.downloading import download

    if not url.startswith(("http://", "https://")):
        raise ConfigError(f"--url is {url!r}. Allowed: an address that begins with https:// or http://.")
    if published.sha256 is None:
        raise ConfigError(
            f"The SHA-256 of {weights_file.facts['file']} is not published, so a mirror's file cannot be verified. "
            "Give one that you trust with --sha256 HASH."
        )
    try:
        return download(dataclasses.replace(published, urls=(url,)), weights_file.path)
    except DownloadError as error:
        reasons = [line.strip() for line in str(error).splitlines()[1:] if line.startswith("  ")] or [str(error)]
        raise WeightsError(
            f"{weights_file.facts['file']} was not fetched: {'; '.join(reasons).rstrip('.')}."
        ) from error


def fetch_from_hub(text: str, *, file: str | None, sha256: str | None) -> FromHub:
    """Fetch a file of weights from a repository into the folder of base weights.

    A file with the name of a published one gets its place there, so that its backbone finds it; any other lies in a
    folder of its repository.

    Args:
        text: Address, `hf:OWNER/NAME[@REVISION]`.
        file: Name of the file in the repository; None for its only file of weights.
        sha256: The SHA-256 that it must have; None for that of the published file of its name, if there is one.

    Raises:
        ConfigError: The address or the SHA-256 is malformed, or not the published one.
        HubError: The repository or the file cannot be read, or no single file of weights can be chosen.
        WeightsError: It has a different SHA-256, or cannot be written; nothing lies in its place then.
    """
    from rs_adapt.api.progress import error_console, stage_lines
    from rs_adapt.config.paths import home
    from rs_adapt.config.weights_files import weights_files
    from rs_adapt.downloads import Published
    from rs_adapt.downloads.hub import download, list_files, parse_hub_address
    from rs_adapt.files import file_sha256

    address = parse_hub_address(text)
    if sha256 is not None:
        _check_sha256(sha256)
    if file is not None and (not file or {"", ".", ".."} & set(file.split("/")) or "\\" in file):
        raise ConfigError(
            f"--file is {file!r}. Allowed: the name of a file in the repository, with its folders, such as "
            "weights/model.safetensors. Leave --file out where there is only one file of weights."
        )
    name = file or choose_file(list_files(address), str(address))
    last = PurePosixPath(name).name
    published_file = next((known for known in weights_files() if known.facts["file"] == last), None)
    if published_file is None:
        path = home() / "weights" / address.repository.replace("/", "--") / last
        expected = Published(sha256=None if sha256 is None else sha256.lower())
    else:
        path, expected = published_file.path, expect(published_file, sha256)
    with stage_lines(error_console()) as show:
        cached, commit = download(address, name, on_progress=show, is_pack=False)
    copy_verified(cached, path, expected, shown=f"{name} of {address}", weights_file=published_file)
    # A known one was compared with the copy.
    digest = file_sha256(path) if expected.sha256 is None else expected.sha256.lower()
    return FromHub(path, name, commit, digest, expected.sha256 is not None)


def choose_file(names: Sequence[str], shown: str) -> str:
    """Return the only safetensors file of a repository, else its only file of weights.

    Raises:
        HubError: There is none, or more than one.
    """
    safe = [name for name in names if name.endswith(_SAFE)]
    weights = safe or [name for name in names if name.endswith(_OTHERS)]
    if len(weights) == 1:
        return weights[0]
    if not weights:
        raise HubError(
            f"{shown} holds no file of weights ({_SAFE}, {', '.join(_OTHERS)}). Name a different repository."
        )
    raise HubError(f"{shown} holds {len(weights)} files of weights: {', '.join(weights)}. Choose one with --file NAME.")


def copy_verified(
    source: Path, path: Path, published: Published, *, shown: str, weights_file: WeightsFile | None = None
) -> None:
    """Copy a file to the folder of base weights, if it is the expected one.

    Args:
        source: The file.
        path: Its place.
        published: What is known of it.
        shown: The file as the user named it.
        weights_file: The file that it is taken for, whose tensors it must have where no checksum is published.

    Raises:
        WeightsError: The file is missing, differs from the expected one, or cannot be copied.
    """
    temporary = path.with_name(f".{path.name}.{time.time_ns()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, temporary)
        # Runs read the copy, so the copy is verified.
        if (fault := published.fault(temporary)) is not None:
            raise WeightsError(f"{shown} is not the published {path.name}: {fault}. Download it again.")
        if published.sha256 is None and not _begins_as_weights(temporary):
            raise WeightsError(
                f"{shown} is no file of weights: it begins neither as safetensors nor as a file that torch.save wrote. "
                "Download it again."
            )
        if weights_file is not None and published.sha256 is None:
            refuse_other_model(temporary, weights_file, shown=shown)
        temporary.replace(path)
    except OSError as error:
        raise WeightsError(f"Cannot copy {source} to {path}: {error.strerror or error}.") from error
    finally:
        temporary.unlink(missing_ok=True)


def _begins_as_weights(path: Path) -> bool:
    """Return whether a file begins as safetensors, or as a zip or a pickle of torch.save."""
    with path.open("rb") as stream:
        start = stream.read(9)
    return start[8:] == b"{" or start.startswith((b"PK\x03\x04", b"\x80"))


def _check_sha256(text: str) -> str:
    if _SHA256.fullmatch(text) is None:
        raise ConfigError(f"--sha256 is {text!r}. Allowed: 64 hexadecimal digits, as `sha256sum FILE` prints them.")
    return text.lower()
