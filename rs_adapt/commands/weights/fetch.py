"""`rs-adapt weights fetch`: published base weights, from the network or from a file brought along."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rs_adapt.commands.console import grouped, shown_path

if TYPE_CHECKING:
    from rs_adapt.config.weights_files import WeightsFile


def fetch_weights(
    name: Annotated[str, typer.Argument(help="Backbone (dinov2-l) or file; `weights list` has all.", metavar="NAME")],
    from_file: Annotated[
        Path | None, typer.Option("--from", help="Copy this file instead of fetching it.", metavar="FILE")
    ] = None,
) -> None:
    """Fetch published base weights into RS_ADAPT_HOME/weights.

    Size and SHA-256 are compared with the published ones. An interrupted download continues where it stopped.

    $ rs-adapt weights fetch dinov2-l

    $ rs-adapt weights fetch dinov2-l --from /media/stick/dinov2_vitl14_pretrain.pth
    """
    from rs_adapt.commands.downloading import download
    from rs_adapt.config.weights_files import find_weights_file
    from rs_adapt.errors import WeightsError

    one = find_weights_file(name)
    if one.facts.get("shipped"):
        print(f"{one.facts['file']} comes with rs-adapt: {shown_path(one.path)}")
        return
    print(f"{one.title}, licence {one.facts.get('licence', 'not stated')}")
    if from_file is not None:
        _copy(one, from_file)
        state = "copied"
    elif one.facts.get("gated"):
        raise WeightsError(
            f"{one.facts['file']} is given out on request only. Ask for access at {one.facts['gated']}, then say "
            f"`rs-adapt weights fetch {name} --from FILE`."
        )
    else:
        state = "fetched" if download(one.published, one.path) else "was there"
    size = grouped(one.path.stat().st_size)
    print(f"{shown_path(one.path)}: {state}, {size} bytes, {one.published.checked()}")


def _copy(one: WeightsFile, source: Path) -> None:
    """Copy a file to the place of the weights, unless it is not the published one.

    Raises:
        WeightsError: it is missing, another file, or cannot be copied.
    """
    import shutil
    import time

    from rs_adapt.errors import WeightsError

    temporary = one.path.with_name(f".{one.path.name}.{time.time_ns()}")
    try:
        one.path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, temporary)
        # The copy is what will be read, so the copy is what is verified.
        if (fault := one.published.fault(temporary)) is not None:
            raise WeightsError(f"{source} is not the published {one.facts['file']}: {fault}. Get it again.")
        temporary.replace(one.path)
    except OSError as error:
        raise WeightsError(f"cannot copy {source} to {one.path}: {error.strerror or error}.") from error
    finally:
        temporary.unlink(missing_ok=True)
