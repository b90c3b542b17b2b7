"""Files of repositories on the Hugging Face Hub, named by addresses such as `hf:OWNER/NAME@REVISION`.

Cache, offline mode, mirrors and tokens are those of `huggingface_hub` (`HF_HOME`, `HF_HUB_OFFLINE`, `HF_ENDPOINT`,
`HF_TOKEN`), which is imported when it is used.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from rs_adapt import __version__
from rs_adapt.downloads.hub_failures import explain_failures
from rs_adapt.errors import ConfigError, HubError
from rs_adapt.progress import OnProgress

HUB_PREFIX = "hf:"
LIBRARY = "rs-adapt"
_FORM = f"{HUB_PREFIX}OWNER/NAME or {HUB_PREFIX}OWNER/NAME@REVISION"
_PART = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_REPOSITORY = re.compile(rf"{_PART}/{_PART}")
_REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_MAX_LENGTH = 96


@dataclass(frozen=True, kw_only=True)
class HubAddress:
    """A repository of the Hub at a revision.

    Attributes:
        repository: Owner and name, such as `alice/rural2urban`.
        revision: Branch, tag or commit; None for the main branch.
    """

    repository: str
    revision: str | None = None

    def __str__(self) -> str:
        """Return the address as users write it."""
        return f"{HUB_PREFIX}{self.repository}" + (f"@{self.revision}" if self.revision else "")


def is_hub_address(text: str | os.PathLike[str]) -> bool:
    """Return whether a text names a repository of the Hub and no path."""
    return os.fspath(text).startswith(HUB_PREFIX)


def parse_hub_address(text: str | os.PathLike[str]) -> HubAddress:
    """Return the repository and the revision of an address.

    Raises:
        ConfigError: It is not of the form `hf:OWNER/NAME[@REVISION]`.
    """
    given = os.fspath(text)
    repository, at, revision = given.removeprefix(HUB_PREFIX).partition("@")
    if not is_repository_name(repository) or (at and not is_revision_name(revision)):
        raise ConfigError(
            f"{given!r} is no address of a repository on the Hugging Face Hub. Allowed: {_FORM}, such as "
            f"{HUB_PREFIX}alice/rural2urban@main; a revision is a branch, a tag or a commit."
        )
    return HubAddress(repository=repository, revision=revision or None)


def parse_hub_target(repository: str, *, revision: str | None) -> HubAddress:
    """Return the address of a repository to push to.

    Raises:
        ConfigError: Repository or branch cannot have this name.
    """
    if not is_repository_name(repository):
        raise ConfigError(
            f"--push {repository!r} is no name of a repository. Allowed: OWNER/NAME with letters, digits, '-', '_' and "
            "'.', such as alice/rural2urban."
        )
    if revision is not None and not is_revision_name(revision):
        raise ConfigError(f"--revision {revision!r} is no name of a branch. Allowed: a name such as v2.")
    return HubAddress(repository=repository, revision=revision)


def is_repository_name(text: str) -> bool:
    """Return whether a text is `OWNER/NAME` as the Hub accepts it."""
    is_formed = len(text) <= _MAX_LENGTH and _REPOSITORY.fullmatch(text) is not None
    return is_formed and "--" not in text and ".." not in text and not text.endswith(".git")


def is_revision_name(text: str) -> bool:
    """Return whether a text can be the name of a branch, a tag or a commit."""
    return _REVISION.fullmatch(text) is not None and ".." not in text and "//" not in text and text[-1] not in "/."


def list_files(address: HubAddress) -> tuple[str, ...]:
    """Return the paths of all files of a repository, sorted.

    Raises:
        HubError: The repository cannot be read; the message has the reason.
    """
    with explain_failures(str(address), address.repository):
        from huggingface_hub import HfApi

        info = HfApi(library_name=LIBRARY, library_version=__version__).model_info(
            address.repository, revision=address.revision
        )
    return tuple(sorted(file.rfilename for file in info.siblings or ()))


def download(address: HubAddress, name: str, *, on_progress: OnProgress, is_pack: bool = True) -> tuple[Path, str]:
    """Get a file of a repository into the cache of the Hub, unless it is there already.

    Args:
        address: The repository.
        name: The file.
        on_progress: Called with the bytes that have arrived and those in all.
        is_pack: Whether the file is one of a pack, for the error where it is missing.

    Returns:
        The file in the cache, and the commit that the revision is now, 40 hexadecimal digits.

    Raises:
        HubError: It cannot be had; the message has the reason.
    """
    with explain_failures(str(address), address.repository, file=name, is_pack=is_pack):
        from huggingface_hub import hf_hub_download

        path = hf_hub_download(
            address.repository,
            name,
            revision=address.revision,
            library_name=LIBRARY,
            library_version=__version__,
            tqdm_class=_bar_class(f"downloading {name}", on_progress),
        )
    # <cache>/models--OWNER--NAME/snapshots/<commit>/<file>, and the file may be in folders.
    commit = Path(path).parents[name.count("/")].name
    if _COMMIT.fullmatch(commit) is None:
        raise HubError(f"{address}: the cache of the Hub has no commit for {name} ({path}). Remove that folder.")
    return Path(path), commit


def remote_size(address: HubAddress, name: str) -> int | None:
    """Return the bytes of a file of a repository; None where the server does not state them.

    Raises:
        HubError: It cannot be had; the message has the reason.
    """
    with explain_failures(str(address), address.repository, file=name):
        from huggingface_hub import hf_hub_download

        info = hf_hub_download(address.repository, name, revision=address.revision, dry_run=True)
        return info.file_size


def _bar_class(stage: str, on_progress: OnProgress) -> type:
    """Return a class that takes the place of tqdm's bar and reports to a callback."""
    from tqdm import tqdm

    class Bar(tqdm):  # type: ignore[misc]
        """A bar that draws nothing."""

        def __init__(self, *args: object, total: int | None = None, **options: object) -> None:
            super().__init__(*args, total=total, **{**options, "disable": True})
            self.total_bytes = total
            on_progress(stage, self.n, total)

        def update(self, n: float | None = 1) -> None:
            """Report `n` more bytes."""
            self.n += int(n or 0)
            on_progress(stage, self.n, self.total_bytes)

    return Bar
