"""Whether adaptation helped, without labels."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from rs_adapt.api.presence import require_checkpoint
from rs_adapt.api.progress import Progress, print_loading, progress_callback
from rs_adapt.api.reading import RunLike, folder_of
from rs_adapt.plugins import use_plugins
from rs_adapt.runs.clearing import refuse_output_in_run
from rs_adapt.runs.locking import share_run

if TYPE_CHECKING:
    from rs_adapt.config.resolved import ResolvedConfig
    from rs_adapt.judging.judgement import Judgement

PathLike = str | os.PathLike[str]
DEFAULT_PICTURES = 6


def judge(
    run: RunLike,
    against: RunLike,
    *,
    out: PathLike | None = "judge",
    num_tiles: int | None = None,
    pictures: int = DEFAULT_PICTURES,
    precision: str | None = None,
    data_root: PathLike | None = None,
    weights: PathLike | None = None,
    device: str = "auto",
    overwrite: bool = False,
    plugins: Sequence[PathLike] = (),
    progress: Progress = True,
) -> Judgement:
    """Compare two models on the target without labels, and write a page about it.

    Both predict the unlabelled tiles of the target: in adaptation its training images, else those that are scored.
    No label is opened. The numbers are evidence and no proof: a model can be sure and wrong.

    Args:
        run: The adapted run, its folder, or a folder with an adapter pack.
        against: The run that it is compared with, such as one trained on the source alone, of the same bench.
        out: Folder for the page and `judge.json`; None writes nothing.
        num_tiles: Number of tiles, spread evenly over the target; all of them.
        pictures: Number of tiles to show, those with the largest differences.
        precision: `fp32` or `bf16`; each run's own.
        data_root: Folder of the data sets; the run's if it still exists, else `$RS_ADAPT_DATA`, else `./data`.
        weights: File of base weights; each run's own, else the backbone's own file.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        overwrite: Replace an earlier page.
        plugins: Files and folders with methods of your own, see `compose`.
        progress: True shows it on standard error; or a callback (stage, done, total).

    Returns:
        The judgement: `sentences`, `indicators`, `differences` by pair of classes, `evidence` with all numbers,
        `views` with the largest differences, `folder`.

    Raises:
        CheckpointMismatch: There is no adapter pack, or it is damaged or does not fit.
        ConfigError: The two have different classes or benches.
        DataNotFound: The tiles are not on this machine.
        OutputExists: `out` holds a judgement and `overwrite` is False, or other files.

    Examples:
        >>> import rs_adapt as rsa
        >>> first = "work_dirs/first"
        >>> judged = rsa.judge(first, first, out=None, num_tiles=2, device="cpu", progress=False)
        >>> judged.evidence.agreement
        1.0
    """
    folders = folder_of(run), folder_of(against)
    for folder in folders:
        require_checkpoint(folder, weights=weights, data_root=data_root)
    target = None if out is None else Path(out).expanduser()
    if target is not None:
        refuse_output_in_run(target, may_hold_runs=True)
        from rs_adapt.judging.write import check_folder

        check_folder(target, overwrite=overwrite)
    print_loading(progress)
    from rs_adapt.registry import quiet_libraries

    with quiet_libraries():
        from rs_adapt.inference.checkpoint import recompose
        from rs_adapt.inference.predictor import Predictor
        from rs_adapt.judging.compare import compare_predictions
        from rs_adapt.judging.judgement import Judgement
        from rs_adapt.judging.tiles import TargetTiles, check_same_task, source_shares
        from rs_adapt.judging.write import write_judgement

    use_plugins(map(Path, plugins))
    configs = [
        recompose(
            folder,
            data_root=None if data_root is None else os.fspath(data_root),
            weights=None if weights is None else os.fspath(weights),
            precision=precision,
        )
        for folder in folders
    ]
    cfg = configs[0]
    check_same_task(*configs, folders=folders)
    with progress_callback(progress) as on_progress, ExitStack() as stack:
        for folder in dict.fromkeys(folders):
            stack.enter_context(share_run(folder))
        stack.enter_context(quiet_libraries())
        target_tiles = TargetTiles(cfg, most=num_tiles, on_progress=on_progress)
        predictors = [
            Predictor.load(config, folder if folder.is_dir() else folder.parent, device=device)
            for config, folder in zip(configs, folders, strict=True)
        ]
        classes = tuple(cfg.bench.classes)
        evidence, views = compare_predictions(
            target_tiles.predict(*predictors, on_progress=on_progress),
            num_classes=len(classes),
            num_images=len(target_tiles),
            pictures=pictures,
        )
        source = source_shares(cfg, on_progress=on_progress)
    judgement = Judgement(
        run=folders[0],
        against=folders[1],
        run_name=_name(configs[0]),
        against_name=_name(configs[1]),
        classes=classes,
        palette=tuple((int(red), int(green), int(blue)) for red, green, blue in cfg.bench.palette),
        images=f"{len(target_tiles)} tiles of {target_tiles.name}",
        evidence=evidence,
        source=source,
        views=views,
    )
    return judgement if target is None else write_judgement(judgement, target)


def _name(cfg: ResolvedConfig) -> str:
    """Return a run in words: how it was trained, and what."""
    cell = cfg.cell
    return f"{cell.strategy} / {cell.method} / {cell.backbone} / seed {cell.seed}".replace("_", "-")
