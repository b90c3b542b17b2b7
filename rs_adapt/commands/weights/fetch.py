"""`rs-adapt weights fetch`: published base weights, from the network or from a file brought along."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rs_adapt.commands.console import group_digits, say, shorten_path

if TYPE_CHECKING:
    from rs_adapt.config.weights_files import WeightsFile


def fetch_weights(
    name: Annotated[
        str, typer.Argument(help="Backbone (dinov2-l) or file; `weights list` lists them all.", metavar="NAME")
    ],
    from_file: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="Start from this path: a file of weights, to be copied.",
            metavar="FILE",
        ),
    ] = None,
) -> None:
    """Fetch published base weights into $RS_ADAPT_HOME/weights.

    Size and SHA-256 are compared with the published ones. An interrupted download continues where it stopped.

    $ rs-adapt weights fetch dinov2-l

    $ rs-adapt weights fetch dinov2-l --from /media/stick/dinov2_vitl14_pretrain.pth
    """
    from rs_adapt.commands.downloading import download
    from rs_adapt.config.weights_files import find_weights_file
    from rs_adapt.errors import WeightsError

    weights_file = find_weights_file(name)
    if weights_file.facts.get("shipped"):
        say(f"{weights_file.facts['file']} comes with rs-adapt: {shorten_path(weights_file.path)}")
        return
    say(f"{weights_file.title}, licence {weights_file.facts.get('licence', 'not stated')}")
    if from_file is not None:
        _copy(weights_file, from_file)
        state = "copied"
    elif weights_file.facts.get("gated"):
        raise WeightsError(
            f"{weights_file.facts['file']} is distributed on request only. Ask for access at "
            f"{weights_file.facts['gated']}, then run `rs-adapt weights fetch {name} --from FILE`."
        )
    else:
        state = "fetched" if download(weights_file.published, weights_file.path) else "was there"
    size = group_digits(weights_file.path.stat().st_size)
    say(f"{shorten_path(weights_file.path)}: {state}, {size} bytes, {weights_file.published.describe_check()}")


def _copy(weights_file: WeightsFile, source: Path) -> None:
    """Copy a file to the folder of base weights, if it is the published one.

    Raises:
        WeightsError: The file is missing, differs from the published one, or cannot be copied.
    """
    import shutil
    import time

    from rs_adapt.errors import WeightsError

    temporary = weights_file.path.with_name(f".{weights_file.path.name}.{time.time_ns()}")
    try:
        weights_file.path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, temporary)
        # Runs read the copy, so the copy is verified.
        if (fault := weights_file.published.fault(temporary)) is not None:
            raise WeightsError(
                f"{source} is not the published {weights_file.facts['file']}: {fault}. Download it again."
            )
        temporary.replace(weights_file.path)
    except OSError as error:
        raise WeightsError(f"Cannot copy {source} to {weights_file.path}: {error.strerror or error}.") from error
    finally:
        temporary.unlink(missing_ok=True)
