"""Failures of the Hugging Face Hub, each as one sentence that says what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rs_adapt.errors import HubError, RsAdaptError

TOKEN_ADVICE = "set HF_TOKEN or run hf auth login"
_CLASH = (409, 412)


@contextmanager
def explain_failures(
    shown: str, repository: str, *, file: str | None = None, writes: bool = False, is_pack: bool = True
) -> Iterator[None]:
    """Turn the errors of `huggingface_hub` within the block into one sentence.

    Args:
        shown: The repository as the user named it.
        repository: `OWNER/NAME`.
        file: The file that is read.
        writes: Whether something is written to the repository.
        is_pack: Whether the file is one of a pack.

    Raises:
        HubError: Something failed.
    """
    try:
        yield
    except RsAdaptError:
        raise
    except Exception as error:
        reason = explain(error, shown, repository, file=file, writes=writes, is_pack=is_pack)
        if reason is None:
            raise
        raise HubError(reason) from error


def explain(
    error: BaseException, shown: str, repository: str, *, file: str | None, writes: bool, is_pack: bool = True
) -> str | None:
    """Return what failed and what to do; None for an error that is not the Hub's."""
    import httpx2
    from huggingface_hub import constants, errors

    page = f"{constants.ENDPOINT}/{repository}"
    if isinstance(error, errors.OfflineModeIsEnabled) or (
        isinstance(error, errors.LocalEntryNotFoundError) and constants.is_offline_mode()
    ):
        what = "nothing can be written to the Hub" if writes else f"{shown} is not in the Hub's cache on this machine"
        return f"HF_HUB_OFFLINE is set, and {what}. Unset it{'' if writes else ' to download it once'}."
    if isinstance(error, errors.GatedRepoError):
        return (
            f"{shown} is gated: its owner decides who may read it. Ask for access at {page}, then {TOKEN_ADVICE}, with "
            "a token of that account."
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return f"{shown}: {repository} has no such revision. Name a branch, a tag or a commit that {page} lists."
    if isinstance(error, errors.RemoteEntryNotFoundError):
        if not is_pack:
            return f"{shown} has no file {file}. Name one that {page} lists."
        return (
            f"{shown} holds no adapter pack: {file or 'a file'} is missing. Name a repository that "
            "rs-adapt export --push wrote."
        )
    if isinstance(error, errors.RepositoryNotFoundError):
        return f"There is no repository {page}, or it is private. Check the name; for a private one {_token_advice()}."
    if isinstance(error, errors.DisabledRepoError):
        return f"{page} has been disabled, so {shown} cannot be used. Name a different repository."
    if isinstance(error, errors.HfHubHTTPError):
        return _explain_status(error, page, writes=writes)
    if isinstance(error, httpx2.TransportError | errors.LocalEntryNotFoundError):
        cause = error.__cause__ or error
        if isinstance(cause, errors.HfHubHTTPError):
            return explain(cause, shown, repository, file=file, writes=writes, is_pack=is_pack)
        return (
            f"Cannot reach {constants.ENDPOINT} for {shown}: {_first_line(cause)}. Check the network and HF_ENDPOINT, "
            "and try again."
        )
    if writes and isinstance(error.__cause__, Exception):
        # An upload in a thread.
        return explain(error.__cause__, shown, repository, file=file, writes=writes, is_pack=is_pack)
    # The last: of the library behind large files.
    if isinstance(error, OSError | ValueError | RuntimeError):
        return f"{shown}: {_first_line(error)}. {_advice(error, writes=writes)}"
    return None


def _explain_status(error: Exception, page: str, *, writes: bool) -> str:
    response = getattr(error, "response", None)
    status = getattr(response, "status_code", 0)
    reason = getattr(error, "server_message", None) or _first_line(error)
    if status == 401:
        return f"The Hub does not accept the token: {reason}. Make a new one, and {TOKEN_ADVICE}."
    if status == 403:
        access = "write to" if writes else "read"
        return f"The token may not {access} {page}: {reason}. Use one of an account, and with a role, that may."
    if status in _CLASH and writes:
        return f"{page} was changed at the same time: {reason}. Nothing was written; run the command again."
    return f"{page} answers {status}: {reason}. Try again later."


def _advice(error: Exception, *, writes: bool) -> str:
    if writes or isinstance(error, ConnectionError):
        return "Try again; with HF_HUB_DISABLE_XET=1 large files go by plain HTTP."
    return "Check the space and the permissions of HF_HOME." if isinstance(error, OSError) else "Try again."


def _token_advice() -> str:
    from huggingface_hub import get_token

    return f"{TOKEN_ADVICE}, with a token of an account that may read it" if get_token() else TOKEN_ADVICE


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(".") if lines else type(error).__name__
