"""`rs-adapt weights fetch`: base weights from the network, from the Hugging Face Hub, or from a file brought along."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rs_adapt.commands.console import group_digits, say, shorten_path

if TYPE_CHECKING:
    from rs_adapt.commands.weights.elsewhere import FromHub


def fetch_weights(
    name: Annotated[
        str,
        typer.Argument(
            help="Backbone (dinov2-l) or file that `weights list` shows, or hf:OWNER/NAME with or without @REVISION.",
            metavar="NAME",
        ),
    ],
    from_file: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="Start from this path: a file of weights, to be copied.",
            metavar="FILE",
        ),
    ] = None,
    url: Annotated[
        str | None,
        typer.Option("--url", help="Fetch from this mirror; the file is accepted by its SHA-256.", metavar="URL"),
    ] = None,
    file: Annotated[
        str | None,
        typer.Option(
            "--file", help="File of the repository hf:... (default: its only file of weights).", metavar="FILE"
        ),
    ] = None,
    sha256: Annotated[
        str | None,
        typer.Option("--sha256", help="Accept the file with this SHA-256 only.", metavar="HASH"),
    ] = None,
) -> None:
    """Fetch base weights into $RS_ADAPT_HOME/weights.

    Size and SHA-256 are compared with the published ones, or with --sha256. An interrupted download continues where it
    stopped.

    $ rs-adapt weights fetch dinov2-l

    $ rs-adapt weights fetch dinov2-l --from /media/stick/dinov2_vitl14_pretrain.pth

    $ rs-adapt weights fetch dinov2-l --url https://mirror.example/dinov2_vitl14_pretrain.pth

    $ rs-adapt weights fetch hf:facebook/vit-mae-base@main --file pytorch_model.bin
    """
    from rs_adapt.commands.downloading import download
    from rs_adapt.commands.weights import elsewhere
    from rs_adapt.config.weights_files import find_weights_file, open_alternative
    from rs_adapt.downloads.hub import HUB_PREFIX, is_hub_address
    from rs_adapt.errors import ConfigError, WeightsError

    given = [option for option, value in (("--from", from_file), ("--url", url), ("--file", file)) if value is not None]
    if is_hub_address(name):
        if given not in ([], ["--file"]):
            raise ConfigError(f"{name} is an address itself. Leave {given[0]} out.")
        _print_hub_file(elsewhere.fetch_from_hub(name, file=file, sha256=sha256))
        return
    if file is not None:
        raise ConfigError(f"--file names a file of a repository. Give its address, {HUB_PREFIX}OWNER/NAME, as NAME.")
    if len(given) > 1:
        raise ConfigError("--from and --url both say where the file is. Leave one of them out.")
    weights_file = find_weights_file(name)
    if weights_file.facts.get("shipped"):
        if sha256 is not None:
            given.append("--sha256")
        if given:
            raise ConfigError(
                f"{weights_file.facts['file']} comes with rs-adapt and is never fetched. Leave {given[0]} out; "
                "--weights FILE of train takes a different file."
            )
        say(f"{weights_file.facts['file']} comes with rs-adapt: {shorten_path(weights_file.path)}")
        return
    published = elsewhere.expect(weights_file, sha256)
    say(f"{weights_file.title}, licence {weights_file.facts.get('licence', 'not stated')}")
    if from_file is not None:
        elsewhere.copy_verified(
            from_file, weights_file.path, published, shown=str(from_file), weights_file=weights_file
        )
        state = "copied"
    elif url is not None:
        state = "fetched" if elsewhere.fetch_from_mirror(weights_file, published, url) else "was there"
    elif weights_file.facts.get("gated"):
        raise WeightsError(
            f"{weights_file.facts['file']} is distributed on request only. Ask for access at "
            f"{weights_file.facts['gated']}, then run `rs-adapt weights fetch {name} --from FILE`."
            f"{open_alternative(weights_file.facts)}"
        )
    elif not published.urls:
        raise WeightsError(
            f"No address of {weights_file.facts['file']} is known. Get it from its authors, then run "
            f"`rs-adapt weights fetch {name} --from FILE`."
        )
    else:
        state = "fetched" if download(published, weights_file.path) else "was there"
    size = group_digits(weights_file.path.stat().st_size)
    say(f"{shorten_path(weights_file.path)}: {state}, {size} bytes, {published.describe_check()}")


def _print_hub_file(fetched: FromHub) -> None:
    size = group_digits(fetched.path.stat().st_size)
    check = "sha256 verified" if fetched.is_verified else "no checksum to compare with"
    say(f"{shorten_path(fetched.path)}: {fetched.name} of commit {fetched.commit}, {size} bytes, {check}")
    say(f"sha256 {fetched.sha256}; use it with --weights {shorten_path(fetched.path)}")
