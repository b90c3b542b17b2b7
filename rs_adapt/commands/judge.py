"""`rs-adapt judge`: evidence without labels on whether adaptation helped."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from rs_adapt.commands import options, scene_options
from rs_adapt.commands.console import print_json, result_console, shorten_path
from rs_adapt.errors import ConfigError

_LABELS = "Labels by hand"


def judge(
    run: options.Run,
    scenes: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SCENE...]",
            help="Scenes to map with both, instead of the target's tiles: files, folders, patterns, .txt lists.",
            show_default=False,
        ),
    ] = None,
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
    sample: Annotated[
        int | None,
        typer.Option(
            "--sample", help="Number of points to draw for labelling by hand.", min=4, rich_help_panel=_LABELS
        ),
    ] = None,
    sample_format: Annotated[
        Literal["csv", "gpkg"],
        typer.Option("--sample-format", help="File of the points: csv or gpkg.", rich_help_panel=_LABELS),
    ] = "csv",
    show_predictions: Annotated[
        bool,
        typer.Option("--show-predictions", help="Write both predictions beside the points.", rich_help_panel=_LABELS),
    ] = False,
    answers: Annotated[
        Path | None,
        typer.Option(
            "--answers",
            help="Labelled points of --sample: print the difference of accuracies, and nothing else.",
            rich_help_panel=_LABELS,
        ),
    ] = None,
    reliability: Annotated[
        list[Path] | None,
        typer.Option(
            "--reliability",
            help="Folder of finished, scored runs: measure how often each indicator was right. Repeatable.",
            metavar="FOLDER",
        ),
    ] = None,
    bands: scene_options.Bands = None,
    stretch: scene_options.Stretch = None,
    region: scene_options.Region = None,
    asset: scene_options.Asset = None,
    parts: scene_options.Parts = None,
    precision: options.Precision = None,
    device: options.Device = "auto",
    data_root: options.DataRoot = None,
    weights: options.Weights = None,
    plugins: options.Plugins = None,
    overwrite: options.Overwrite = False,
    as_json: options.AsJson = False,
) -> None:
    """Compare two models on the target without labels: agreement, confidence, class shares, where they differ.

    Writes a page (index.html, for any browser) with pictures of the largest differences, and judge.json; of scenes also
    the maps of both models and of their differences. No label is read, and nothing here proves which model is better.

    $ rs-adapt judge RUN --against RUN_SOURCE_ONLY

    $ rs-adapt judge RUN scenes/ --against RUN_SOURCE_ONLY --out evidence

    $ rs-adapt judge RUN --against RUN_SOURCE_ONLY --sample 200 --out evidence

    $ rs-adapt judge RUN --against RUN_SOURCE_ONLY --answers evidence/points.csv
    """
    from rs_adapt.api.judging import judge as judge_runs
    from rs_adapt.api.judging import judge_answers

    if against is None:
        raise ConfigError(
            "Judging needs two runs: rs-adapt judge RUN --against RUN_SOURCE_ONLY, the folder of a run of the same "
            "bench, such as one with --strategy source-only."
        )
    console = result_console()
    if answers is not None:
        verdict = judge_answers(run, against, answers)
        if as_json:
            print_json(verdict.to_json())
        for sentence in () if as_json else verdict.sentences:
            console.print(sentence, soft_wrap=True)
        return
    judgement = judge_runs(
        run,
        against,
        scenes or (),
        out=out,
        num_tiles=num_tiles,
        pictures=pictures,
        sample=sample,
        sample_format=sample_format,
        show_predictions=show_predictions,
        reliability=reliability or (),
        bands=scene_options.parse_bands(bands),
        stretch=scene_options.parse_stretch(stretch),
        region=region,
        asset=asset,
        parts=parts or (),
        precision=precision,
        data_root=data_root,
        weights=weights,
        device=device,
        overwrite=overwrite,
        plugins=plugins or (),
    )
    from rs_adapt.judging.page import indicator_lines
    from rs_adapt.judging.point_files import points_file
    from rs_adapt.judging.write import PAGE_FILE

    page = out / PAGE_FILE
    if as_json:
        print_json({**judgement.to_json(), "page": str(page)})
        return
    console.print(f"Both predict {judgement.images}. No label was read.", soft_wrap=True)
    for line in (*indicator_lines(judgement), *judgement.sentences, *judgement.notes):
        console.print(line, soft_wrap=True)
    if sample is not None:
        console.print(f"Points: {shorten_path(points_file(out, sample_format))}", soft_wrap=True)
    console.print(f"Page: {shorten_path(page)}", soft_wrap=True)
