"""`rs-adapt share`: write a finished run as one anonymous archive."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from rs_adapt.commands import options
from rs_adapt.commands.console import print_json, say, shorten_path


def share(
    run: options.Run,
    out: Annotated[Path, options.out()],
    overwrite: options.Overwrite = False,
    plugins: options.Plugins = None,
    as_json: options.AsJson = False,
) -> None:
    """Write a finished run as one anonymous archive, which verify checks.

    It holds configuration, result, metrics, confusion matrices, adapter packs and a hash of every file. Paths are
    replaced; users, hosts, the command and logs are left out, and what carries such a name elsewhere is refused.

    $ rs-adapt share RUN -o run.zip

    $ rs-adapt verify run.zip
    """
    from rs_adapt.api.sharing import share as share_run

    bundle = share_run(run, out, overwrite=overwrite)
    record = bundle.record
    if as_json:
        print_json({"file": str(bundle.file), "sha256": bundle.sha256, **record.content()})
        return
    say(f"{shorten_path(bundle.file)}: {len(record.files)} files, SHA-256 {bundle.sha256}")
    if record.rewritten:
        say(f"Paths replaced in: {', '.join(record.rewritten)}")
    for item in record.left_out:
        say(f"Left out: {item.file} ({item.reason})")
