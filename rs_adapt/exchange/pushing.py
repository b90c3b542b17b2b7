"""`rs-adapt export --push`: an adapter pack with its model card in one commit to the Hugging Face Hub."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rs_adapt import __version__
from rs_adapt.downloads.hub import HUB_PREFIX, LIBRARY, HubAddress
from rs_adapt.downloads.hub_failures import TOKEN_ADVICE, explain_failures
from rs_adapt.engine.pack import require_tensors
from rs_adapt.errors import ConfigError, HubError, OutputExists
from rs_adapt.exchange.anonymous import Anonymizer
from rs_adapt.exchange.export import EXPORTED_FILES, consistent_manifest
from rs_adapt.exchange.model_card import CARD_FILE, write_card
from rs_adapt.progress import OnProgress, no_progress
from rs_adapt.runs.files import CELL_FILE, MANIFEST_FILE, TENSORS_FILE
from rs_adapt.runs.packs import run_folder
from rs_adapt.runs.records import Manifest

if TYPE_CHECKING:
    from huggingface_hub import HfApi

_MAIN = "main"
_STAGE = "pushing bytes"


@dataclass(frozen=True, kw_only=True)
class Push:
    """A pack on the Hub, or one that would be pushed.

    Attributes:
        address: The pack as `--checkpoint` takes it, `hf:OWNER/NAME@COMMIT`; without a commit where nothing was pushed.
        url: Page of the repository.
        files: Bytes of each file by its name.
        card: Text of the model card.
        rewritten: Files in which paths of the machine were replaced.
        commit: The commit, 40 hexadecimal digits; None where nothing was pushed.
        is_new: Whether the repository did not exist before.
    """

    address: str
    url: str
    files: dict[str, int]
    card: str
    rewritten: tuple[str, ...]
    commit: str | None
    is_new: bool


@dataclass(frozen=True, kw_only=True)
class _Remote:
    """The state of the repository before the push.

    Attributes:
        exists: Whether the repository exists.
        commit: The latest commit of the branch; None where there is no such branch.
        files: Names of the branch's files.
    """

    exists: bool
    commit: str | None = None
    files: Sequence[str] = ()


def push_pack(
    checkpoint: Path,
    address: HubAddress,
    *,
    private: bool = False,
    overwrite: bool = False,
    dry_run: bool = False,
    on_progress: OnProgress = no_progress,
) -> Push:
    """Push the pack of a run with a model card, in one commit, and without traces of the machine.

    Args:
        checkpoint: A run folder, or a folder with a pack.
        address: Repository and branch, from `parse_hub_target`; both are made if they do not exist.
        private: Make a new repository private; one that is public is refused.
        overwrite: Replace a pack or a card that the branch holds; older commits keep theirs.
        dry_run: Check everything, and write nothing.
        on_progress: Called with the bytes that are pushed, before and after.

    Raises:
        CheckpointMismatch: There is no pack, or it is damaged.
        ConfigError: The pack belongs to weights that only its folder holds, or names a user or a machine where that
            cannot be replaced.
        HubError: The Hub refuses it or cannot be reached.
        OutputExists: The branch holds files of these names, and `overwrite` is False.
    """
    manifest = consistent_manifest(checkpoint)
    require_tensors(checkpoint, manifest)
    if manifest.merged is not None:
        raise ConfigError(
            f"{checkpoint} is the pack of a merged backbone, which is not pushed. Push the pack of the run itself: the "
            "same command without --merge."
        )
    contents, rewritten = _texts(checkpoint, manifest, address)
    shown = f"{HUB_PREFIX}{address.repository}"
    with explain_failures(shown, address.repository, writes=True):
        from huggingface_hub import HfApi, get_token

        if get_token() is None:
            raise HubError(f"There is no token for the Hugging Face Hub. To push to {shown}, {TOKEN_ADVICE}.")
        api = HfApi(library_name=LIBRARY, library_version=__version__)
        _check_role(api.whoami(), shown)
        remote = _look(api, address, private=private)
        _check_free(remote, address, names=(*contents, TENSORS_FILE), overwrite=overwrite)
        url = f"{api.endpoint}/{address.repository}"
        sizes = {name: len(content) for name, content in contents.items()}
        sizes[TENSORS_FILE] = (checkpoint / TENSORS_FILE).stat().st_size
        commit = None
        if not dry_run:
            on_progress(_STAGE, 0, sum(sizes.values()))
            commit = _commit(api, address, remote, contents, checkpoint, private=private)
            on_progress(_STAGE, sum(sizes.values()), sum(sizes.values()))
    return Push(
        address=str(address) if commit is None else f"{shown}@{commit}",
        url=url,
        files=sizes,
        card=contents[CARD_FILE].decode(),
        rewritten=rewritten,
        commit=commit,
        is_new=not remote.exists,
    )


def _texts(checkpoint: Path, manifest: Manifest, address: HubAddress) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """Return manifest and card without paths, users and hosts, and the names of the files that this has changed."""
    text = (checkpoint / MANIFEST_FILE).read_text(encoding="utf-8")
    run = run_folder(checkpoint)
    # Not pushed, but its paths name users whom the manifest may name too.
    start = (run / CELL_FILE).read_text(encoding="utf-8") if (run / CELL_FILE).is_file() else ""
    anonymizer = Anonymizer({}, f"{text}\n{start}")
    content: Any = json.loads(text)
    replaced = anonymizer.tree(content)
    rewritten: tuple[str, ...] = ()
    if replaced != content:
        manifest = Manifest.model_validate(replaced)
        text, rewritten = json.dumps(replaced, indent=2, allow_nan=False) + "\n", (MANIFEST_FILE,)
    card = write_card(manifest, address)
    anonymizer.refuse_traces(MANIFEST_FILE, text.encode())
    # The owner of the repository may be called like the user of the machine.
    anonymizer.refuse_traces(CARD_FILE, card.replace(address.repository, "").encode())
    with (checkpoint / TENSORS_FILE).open("rb") as file:
        anonymizer.refuse_traces(TENSORS_FILE, file.read(int.from_bytes(file.read(8), "little")))
    return {CARD_FILE: card.encode(), MANIFEST_FILE: text.encode()}, rewritten


def _check_role(account: dict[str, Any], shown: str) -> None:
    token = account.get("auth", {}).get("accessToken") or {}
    if token.get("role") == "read":
        raise HubError(
            f"The token of {account.get('name')} may only read, so nothing can be pushed to {shown}. Make one with the "
            f"role write, and {TOKEN_ADVICE}."
        )


def _look(api: HfApi, address: HubAddress, *, private: bool) -> _Remote:
    from huggingface_hub import errors

    try:
        info = api.model_info(address.repository, revision=address.revision)
    except errors.GatedRepoError:
        raise
    except errors.RevisionNotFoundError:
        info, has_branch = api.model_info(address.repository), False
    except errors.RepositoryNotFoundError:
        return _Remote(exists=False)
    else:
        has_branch = True
    if private and not info.private:
        raise HubError(
            f"{api.endpoint}/{address.repository} exists and is public. Make it private in its settings, or leave "
            "--private out."
        )
    if not has_branch:
        return _Remote(exists=True)
    return _Remote(exists=True, commit=info.sha, files=[file.rfilename for file in info.siblings or ()])


def _check_free(remote: _Remote, address: HubAddress, *, names: Sequence[str], overwrite: bool) -> None:
    taken = sorted({*names, *EXPORTED_FILES} & set(remote.files))
    if taken and not overwrite:
        raise OutputExists(
            f"{address} holds {', '.join(taken)} already. Choose a different name or --revision, or add --overwrite to "
            "replace them; older commits keep theirs."
        )


def _commit(
    api: HfApi,
    address: HubAddress,
    remote: _Remote,
    contents: dict[str, bytes],
    checkpoint: Path,
    *,
    private: bool,
) -> str:
    """Make what is missing, and write all files in one commit; return it."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    if not remote.exists:
        api.create_repo(address.repository, private=private or None)
    if address.revision not in (None, _MAIN) and remote.commit is None:
        api.create_branch(address.repository, branch=str(address.revision))
    files: dict[str, bytes | Path] = {**contents, TENSORS_FILE: checkpoint / TENSORS_FILE}
    stale = [name for name in EXPORTED_FILES if name in remote.files and name not in files]
    bars_were_shown = not are_progress_bars_disabled()
    disable_progress_bars()
    try:
        with explain_failures(f"{HUB_PREFIX}{address.repository}", address.repository, writes=True):
            info = api.create_commit(
                address.repository,
                [
                    *(
                        CommitOperationAdd(path_in_repo=name, path_or_fileobj=content)
                        for name, content in files.items()
                    ),
                    *(CommitOperationDelete(path_in_repo=name) for name in stale),
                ],
                commit_message=f"Add an adapter pack of rs-adapt {__version__}",
                revision=address.revision,
                parent_commit=remote.commit,
            )
    except HubError as error:
        if remote.exists:
            raise
        raise HubError(f"{error} The new repository {address.repository} was made, and holds no pack.") from error
    finally:
        if bars_were_shown:
            enable_progress_bars()
    return str(info.oid)
