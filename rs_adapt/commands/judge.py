"""`rs-adapt judge`: evidence without labels on whether adaptation helped."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rs_adapt.commands import options
from rs_adapt.commands.console import print_json, result_console, shorten_path
from rs_adapt.errors import ConfigError


def judge(
    run: options.Run,
    against: Annotated[
        str | None,
        typer.Option(
            "--against", help="Compare with: a run folder, such as that of a run trained on the source.", metavar="RUN"
        ),
    ] = None,
    out: Annotated[Path, options.out("judge")] = Path("judge"),
    num_tiles: Annotated[
        int | None, typer.Option("--num-tiles", help="Number of target tiles to predict (default: all).", min=1)
    ] = None,
    pictures: Annotated[
        int, typer.Option("--pictures", help="Number of largest differences that the page shows.", min=0)
    ] = 6,
    precision: options.Precision = None,
    device: options.Device = "auto",
    data_root: options.DataRoot = None,
    weights: options.Weights = None,
    plugins: options.Plugins = None,
    overwrite: options.Overwrite = False,
    as_json: options.AsJson = False,
) -> None:
    """Compare two models on the target without labels: agreement, confidence, class shares, where they differ.

    Writes a page (index.html, for any browser) with pictures of the largest differences, and judge.json. No label is
    read, and nothing here proves which model is better.

    $ rs-adapt judge RUN --against RUN_SOURCE_ONLY

    $ rs-adapt judge RUN --against RUN_SOURCE_ONLY --num-tiles 40 --out evidence
    """
    from rs_adapt.api.judging import judge as judge_runs

    if against is None:
        raise ConfigError(
            "Judging needs two runs: rs-adapt judge RUN --against RUN_SOURCE_ONLY, the folder of a run of the same "
            "bench, such as one with --strategy source-only."
        )
    judgement = judge_runs(
        run,
        against,
        out=out,
        num_tiles=num_tiles,
        pictures=pictures,
        precision=precision,
        data_root=data_root,
        weights=weights,
        device=device,
        overwrite=overwrite,
        plugins=plugins or (),
    )
    from rs_adapt.judging.page import indicator_lines
    from rs_adapt.judging.write import PAGE_FILE

    page = out / PAGE_FILE
    if as_json:
        print_json({**judgement.to_json(), "page": str(page)})
        return
    console = result_console()
    console.print(f"Both predict {judgement.images}. No label was read.", soft_wrap=True)
    for line in (*indicator_lines(judgement), *judgement.sentences, *judgement.notes):
        console.print(line, soft_wrap=True)
    console.print(f"Page: {shorten_path(page)}", soft_wrap=True)
