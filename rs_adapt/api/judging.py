"""Whether adaptation helped, without labels."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rs_adapt.api.checkpoints import find_checkpoint
from rs_adapt.api.judged_scenes import predict_pair
from rs_adapt.api.presence import require_checkpoint
from rs_adapt.api.progress import Progress, print_loading, progress_callback
from rs_adapt.api.reading import RunLike
from rs_adapt.errors import ConfigError
from rs_adapt.plugins import use_plugins
from rs_adapt.runs.clearing import refuse_output_in_run
from rs_adapt.runs.hub_packs import describe_checkpoint
from rs_adapt.runs.locking import share_run
from rs_adapt.runs.packs import pack_folder, read_manifest

if TYPE_CHECKING:
    from rs_adapt.config.resolved import ResolvedConfig
    from rs_adapt.judging.answers import Verdict
    from rs_adapt.judging.judgement import Judgement
    from rs_adapt.judging.point_files import SampleFormat
    from rs_adapt.judging.tiles import TilePairs

PathLike = str | os.PathLike[str]
DEFAULT_PICTURES = 6
# Two in each stratum, without which there is no variance.
_LEAST_POINTS = 4


def judge(
    run: RunLike,
    against: RunLike,
    scenes: PathLike | Sequence[PathLike] = (),
    *,
    out: PathLike | None = "judge",
    num_tiles: int | None = None,
    pictures: int = DEFAULT_PICTURES,
    sample: int | None = None,
    sample_format: SampleFormat = "csv",
    show_predictions: bool = False,
    reliability: Sequence[PathLike] = (),
    bands: Sequence[int] | None = None,
    stretch: Sequence[float] | Literal["scene"] | None = None,
    region: str | None = None,
    asset: str | None = None,
    parts: Sequence[PathLike] = (),
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
        run: The adapted run, its folder, a folder with an adapter pack, or `hf:OWNER/NAME[@REVISION]`.
        against: The run that it is compared with, such as one trained on the source alone, of the same bench.
        scenes: Files, folders, patterns or .txt lists of scenes to predict instead of the target's tiles. Their maps
            are written into the folders `run` and `against` of `out`, and where they differ into `difference`.
        out: Folder for the page and `judge.json`; None writes nothing.
        num_tiles: Number of tiles, spread evenly over the target; all of them.
        pictures: Number of tiles to show, those with the largest differences.
        sample: Number of points to draw for labelling by hand, half of them where the maps differ; `judge_answers`
            reads the labels back. None draws none.
        sample_format: `csv`, or `gpkg` for a GeoPackage, which needs tiles with a place on the map.
        show_predictions: Also write the classes of both models beside the points. Whoever sees them labels after them.
        reliability: Folders with finished runs that have scores on their target: how often each indicator ordered two
            runs of one bench as their scores do. Each of these runs predicts its target's tiles.
        bands: How scenes are read, as `stretch`, `region`, `asset` and `parts`; see `predict`.
        stretch: See `bands`.
        region: See `bands`.
        asset: See `bands`.
        parts: See `bands`.
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
        ConfigError: The two have different classes or benches, or the points cannot be drawn or written.
        DataError: A scene cannot be read as the models were trained.
        DataNotFound: The tiles are not on this machine, or there is no such scene.
        OutputExists: `out` holds a judgement and `overwrite` is False, or other files.

    Examples:
        >>> import rs_adapt as rsa
        >>> first = "work_dirs/first"
        >>> judged = rsa.judge(first, first, out=None, num_tiles=2, device="cpu", progress=False)
        >>> judged.evidence.agreement
        1.0
    """
    folders = find_checkpoint(run, progress=progress), find_checkpoint(against, progress=progress)
    for folder in folders:
        require_checkpoint(folder, weights=weights, data_root=data_root)
    if sample is not None and (sample < _LEAST_POINTS or out is None):
        raise ConfigError(
            f"--sample is {sample}. Allowed: {_LEAST_POINTS} points or more, with a folder to write them to."
        )
    target = None if out is None else Path(out).expanduser()
    if target is not None:
        refuse_output_in_run(target, may_hold_runs=True)
        from rs_adapt.judging.write import check_folder

        check_folder(target, overwrite=overwrite, sample=None if sample is None else sample_format)
    named = [scenes] if isinstance(scenes, str | os.PathLike) else list(scenes)
    if named and (target is None or num_tiles is not None):
        raise ConfigError("Scenes are given: their maps need a folder (--out), and --num-tiles is about tiles only.")
    if not named and any((bands, stretch, region, asset, parts)):
        raise ConfigError("--bands, --stretch, --region, --asset and --parts say how scenes are read: name scenes.")
    from rs_adapt.prediction.inputs import find_scenes

    folders_of_parts = [Path(part).expanduser() for part in parts]
    texts = [os.fspath(scene) for scene in named]
    scene_files = find_scenes(texts, asset=asset, parts=folders_of_parts) if named else []
    print_loading(progress)
    from rs_adapt.registry import quiet_libraries

    with quiet_libraries():
        from rs_adapt.inference.checkpoint import recompose
        from rs_adapt.inference.ensemble import load_calibrated
        from rs_adapt.judging.compare import compare_predictions
        from rs_adapt.judging.finished import study_runs
        from rs_adapt.judging.judgement import Judgement
        from rs_adapt.judging.point_files import check_geopackage
        from rs_adapt.judging.sample import PointSampler
        from rs_adapt.judging.scenes import ScenePairs, scene_systems
        from rs_adapt.judging.tiles import TargetTiles, check_same_task, source_shares
        from rs_adapt.judging.write import SampleSettings, write_judgement
        from rs_adapt.prediction.appearance import choose_appearance

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
    sampler = None if sample is None else PointSampler(sample)
    manifest = read_manifest(folders[0])
    appearance = choose_appearance(manifest, region=region, bands=bands, stretch=stretch) if named else None
    if appearance is not None and sample is not None and sample_format == "gpkg":
        check_geopackage(scene_systems([scene.path for scene in scene_files], appearance))
    maps = (
        ()
        if target is None or not named
        else predict_pair(
            folders,
            named,
            scene_files,
            target,
            bands=bands,
            stretch=stretch,
            region=region,
            asset=asset,
            parts=folders_of_parts,
            precision=precision,
            weights=weights,
            device=device,
            progress=progress,
        )
    )
    with progress_callback(progress) as on_progress, ExitStack() as stack:
        for folder in dict.fromkeys(folders):
            stack.enter_context(share_run(folder))
        stack.enter_context(quiet_libraries())
        places = [Path(place).expanduser() for place in reliability]
        study = study_runs(places, num_tiles=num_tiles, device=device, on_progress=on_progress) if places else None
        pairs: ScenePairs | TilePairs
        if appearance is not None:
            pairs = ScenePairs(maps, appearance=appearance, on_progress=on_progress)
        else:
            tiles = TargetTiles(cfg, against=configs[1], most=num_tiles, on_progress=on_progress)
            if sample is not None and sample_format == "gpkg":
                check_geopackage(tiles.systems)
            predictors = [
                load_calibrated(config, pack_folder(folder), device=device)
                for config, folder in zip(configs, folders, strict=True)
            ]
            pairs = tiles.pairs(*predictors, on_progress=on_progress)
        evidence, views = compare_predictions(
            pairs,
            num_classes=len(cfg.bench.classes),
            num_images=len(pairs),
            pictures=pictures,
            sampler=sampler,
        )
        source = source_shares(cfg, on_progress=on_progress)
    judgement = Judgement(
        run=describe_checkpoint(folders[0]),
        against=describe_checkpoint(folders[1]),
        run_name=_name(configs[0]),
        against_name=_name(configs[1]),
        classes=tuple(cfg.bench.classes),
        palette=tuple((int(red), int(green), int(blue)) for red, green, blue in cfg.bench.palette),
        images=pairs.name,
        evidence=evidence,
        source=source,
        views=views,
        sample=None if sampler is None else sampler.sample(),
        study=study,
    )
    if target is None:
        return judgement
    settings = SampleSettings(form=sample_format, show_predictions=show_predictions, models=_models(folders))
    return write_judgement(judgement, target, settings=settings)


def judge_answers(run: RunLike, against: RunLike, answers: PathLike) -> Verdict:
    """Return the difference of accuracies of two models from points that were labelled by hand. Loads no torch.

    Args:
        run: The run that the points were drawn for.
        against: The run that it was compared with.
        answers: The labelled points, with the `sample.json` that was written beside them.

    Returns:
        `difference`, `run` and `against`, each with `value`, `low` and `high`, and `sentences`.

    Raises:
        DataError: A point has no label, a label is no class, or the points are of other models.
        DataNotFound: There is no such file.
    """
    from rs_adapt.judging.answers import estimate
    from rs_adapt.judging.point_files import read_answers

    folders = find_checkpoint(run), find_checkpoint(against)
    sample, labels = read_answers(Path(answers).expanduser(), models=_models(folders))
    return estimate(sample, labels)


def _models(folders: tuple[Path, Path]) -> tuple[str, str]:
    tensors = [read_manifest(folder).tensors for folder in folders]
    of_run, of_against = ("" if facts is None else facts.sha256 for facts in tensors)
    return of_run, of_against


def _name(cfg: ResolvedConfig) -> str:
    """Return a run in words: how it was trained, and what."""
    cell = cfg.cell
    return f"{cell.strategy} / {cell.method} / {cell.backbone} / seed {cell.seed}".replace("_", "-")
