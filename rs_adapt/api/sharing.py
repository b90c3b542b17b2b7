"""Sharing a finished run without the traces of the machine that made it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from rs_adapt.api.reading import RunLike, folder_of

if TYPE_CHECKING:
    from rs_adapt.exchange.sharing import Bundle


def share(run: RunLike, out: str | os.PathLike[str], *, overwrite: bool = False) -> Bundle:
    """Write a finished run as one anonymous archive, which `verify` checks like a run folder.

    It holds configuration, result, metrics, confusion matrices, adapter packs and the hash of every file. Paths of the
    machine are replaced, users, hosts, the command and logs are left out; the same run gives the same bytes.

    Args:
        run: A run or its folder.
        out: The archive to write, `NAME.zip`.
        overwrite: Whether to replace it.

    Returns:
        `file`, `sha256`, and `record` with the hashes of all files, the rewritten ones and those left out.

    Raises:
        ConfigError: The run is not finished, or a file of it cannot be made anonymous.
        OutputExists: The archive exists, and `overwrite` is False.

    Examples:
        >>> import rs_adapt as rsa
        >>> bundle = rsa.share("work_dirs/first", "first.zip")
        >>> rsa.verify(bundle.file, progress=False).consistent
        True
    """
    from rs_adapt.exchange.sharing import share_run

    return share_run(folder_of(run), Path(out).expanduser(), overwrite=overwrite)
