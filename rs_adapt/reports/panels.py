"""The report's pictures of tiles: image, truth, prediction and errors, of the worst, middle and best tiles."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rs_adapt.errors import RsAdaptError, ScoresError, UnreadableFile
from rs_adapt.pictures import open_picture
from rs_adapt.progress import OnProgress
from rs_adapt.render.document import Figure, Section
from rs_adapt.reports.score_tables import Labels, Rankings
from rs_adapt.runs.files import EVAL_DIR, RESULT_FILE
from rs_adapt.runs.records import Result, read_record
from rs_adapt.scores.comparison import align
from rs_adapt.scores.groups import Group, RunScore
from rs_adapt.scores.resampling import sums_of

Array = np.ndarray[Any, Any]
# Stored pictures of one group; with more, a page of many groups would be too large for a browser.
_MAX_STORED = 6
_WIDEST_PX = 1600


def panels_section(rankings: Rankings, labels: Labels, *, count: int, device: str, on_progress: OnProgress) -> Section:
    """Return the pictures of tiles for each group, drawn by the models or stored by `eval --overlays`.

    Args:
        rankings: The groups by column.
        labels: Names of the groups.
        count: Number of tiles of each bench to draw with the models; 0 takes the overlays stored in the run folders.
        device: "auto", "cpu", "cuda" or "cuda:N", for the models.
        on_progress: Called with the stage, the steps done and the steps in all.
    """
    sections: list[Section] = []
    failed: list[str] = []
    total = sum(len(groups) for groups, _ in rankings.values())
    for groups, _ in rankings.values():
        tiles = select_tiles(groups, count) if count else []
        for group in groups:
            try:
                figures = _draw_figures(group.scores[0], tiles, device) if tiles else _stored_figures(group)
            except RsAdaptError as error:
                figures = []
                failed.append(f"{labels.name(group)}: {error}")
            if tiles:
                on_progress("drawing panels", len(sections) + 1, total)
            if figures:
                sections.append(
                    Section(
                        anchor=f"panels-{len(sections)}",
                        title=labels.name(group),
                        figures=figures,
                        folded=bool(sections),
                    )
                )
    text = ["Tiles by their mIoU in the stored matrices, worst first. The last panel shows wrong pixels in red."]
    if count:
        text.append("The tiles of a bench are the same for all methods, by the mean mIoU over methods; first seeds.")
    if not sections:
        text = [
            "No pictures. --panels 3 draws the worst, the middle and the best tile of each bench with the stored "
            "packs; rs-adapt eval RUN --overlays 8 stores pictures in a run folder, which the next report includes."
        ]
    return Section(anchor="panels", title="Tiles", text=[*text, *failed], sections=sections)


def select_tiles(groups: Sequence[Group], count: int) -> list[tuple[str, float]]:
    """Return name and mIoU in percent of `count` tiles from the worst to the best, by the mean over first seeds.

    Groups that were scored on different tiles from the first group are left out of the mean. A `count` of 1 selects the
    middle tile.
    """
    base = next((group.scores[0] for group in groups if group.scores[0].per_image is not None), None)
    if base is None or base.per_image is None or base.chosen is None:
        return []
    miou_by_group = []
    for group in groups:
        if (other := group.scores[0].per_image) is None:
            continue
        try:
            counts_NKK = align(base.per_image, other, Path(), Path()).counts_NKK
        except ScoresError:
            continue
        miou_by_group.append(base.measure.overall(sums_of(counts_NKK), base.chosen.scored))
    mean_N = np.mean(miou_by_group, axis=0)
    order = [int(n) for n in np.argsort(mean_N, kind="stable") if not np.isnan(mean_N[n])]
    if not order:
        return []
    ranks = np.linspace(0, len(order) - 1, min(count, len(order))) if count > 1 else [(len(order) - 1) // 2]
    return [(base.per_image.tiles[order[round(rank)]], float(mean_N[order[round(rank)]])) for rank in ranks]


def _draw_figures(score: RunScore, tiles: Sequence[tuple[str, float]], device: str) -> list[Figure]:
    miou_by_tile = _miou_by_tile(score)
    scored = [name for name, _ in tiles if name in miou_by_tile]
    pictures = draw_tiles(score.run.folder / find_pack_path(score), scored, device=device)
    return [
        Figure(
            alt=f"{name}: image, truth, prediction, errors",
            caption=f"{name}: mIoU {miou_by_tile[name]:.1f} (all methods {mean:.1f})",
            image=pictures[name],
            wide=True,
        )
        for name, mean in tiles
        if name in pictures
    ]


def find_pack_path(score: RunScore) -> str:
    """Return the path of a score's pack, relative to its run folder."""
    result = score.run.result
    checkpoint = result.selections.get(score.selection) if result else None
    return "." if checkpoint is None or checkpoint.pack is None else checkpoint.pack


def draw_tiles(pack: Path, tiles: Sequence[str], *, device: str) -> dict[str, bytes]:
    """Run a pack on some tiles of the reported split and return a JPEG of four panels by name of the tile.

    Loads torch.

    Raises:
        RsAdaptError: Pack, base weights or data are missing or damaged.
    """
    from torch.utils.data import DataLoader, Subset

    from rs_adapt.datasets.tile_origin import find_tile_origins
    from rs_adapt.engine.build import build_loader, prepare_data
    from rs_adapt.inference.checkpoint import recompose
    from rs_adapt.inference.predictor import Predictor
    from rs_adapt.registry import quiet_libraries
    from rs_adapt.render.overlays import draw_sample

    pictures: dict[str, bytes] = {}
    with quiet_libraries():
        cfg = recompose(pack)
        predictor = Predictor.load(cfg, pack, device=device)
        prepare_data(cfg)
        loader = build_loader(cfg, "test")
        dataset, settings = loader.dataset, cfg.test_dataloader.dataset
        paths = [str(dataset.get_data_info(position)["img_path"]) for position in range(len(dataset))]
        origins = find_tile_origins(
            paths, img_dir=Path(settings.img_dir), img_suffix=settings.img_suffix, scene_pattern=None, city=None
        )
        positions = [origins.tiles.index(name) for name in tiles if name in origins.tiles]
        batches = DataLoader(Subset(dataset, positions), batch_size=1, collate_fn=loader.collate_fn)
        for position, batch in zip(positions, batches, strict=True):
            (sample,) = predictor.predict_batch(batch)
            sheet = draw_sample(sample, classes=list(cfg.bench.classes), palette=list(cfg.bench.palette), errors=True)
            sheet.thumbnail((_WIDEST_PX, _WIDEST_PX))
            buffer = io.BytesIO()
            sheet.save(buffer, "JPEG", quality=88, subsampling=0)
            pictures[origins.tiles[position]] = buffer.getvalue()
    return pictures


def _stored_figures(group: Group) -> list[Figure]:
    """Return the overlays on the reported split of the first seed that has some."""
    for score in group.scores:
        by_stem = {name.rpartition("/")[2]: value for name, value in _miou_by_tile(score).items()}
        files = [
            file
            for folder in sorted((score.run.folder / EVAL_DIR).glob("*/overlays"))
            if _read_split(folder.parent) == group.column.split
            for file in sorted(folder.glob("*.png"))
        ]
        files.sort(key=lambda file: by_stem.get(file.stem, float("inf")))
        if files:
            return [_figure(file, by_stem) for file in _select_evenly(files)]
    return []


def _figure(file: Path, by_stem: Mapping[str, float]) -> Figure:
    value = f": mIoU {by_stem[file.stem]:.1f}" if file.stem in by_stem else ""
    try:
        with open_picture(file) as picture:
            picture.verify()
    except (OSError, SyntaxError) as error:
        raise ScoresError(
            f"{file} cannot be read as a picture: {error}. Write it again with rs-adapt eval --overlays."
        ) from error
    return Figure(
        alt=f"{file.stem}: image, truth, prediction", caption=f"{file.stem}{value}", image=file.read_bytes(), wide=True
    )


def _select_evenly(files: Sequence[Path]) -> list[Path]:
    if len(files) <= _MAX_STORED:
        return list(files)
    return [files[round(rank)] for rank in np.linspace(0, len(files) - 1, _MAX_STORED)]


def _miou_by_tile(score: RunScore) -> dict[str, float]:
    if score.per_image is None or score.chosen is None:
        return {}
    miou_N = score.measure.overall(sums_of(score.per_image.counts_NKK), score.chosen.scored)
    return {name: float(value) for name, value in zip(score.per_image.tiles, miou_N, strict=True) if value == value}


def _read_split(folder: Path) -> str | None:
    try:
        result = read_record(folder / RESULT_FILE, Result)
    except UnreadableFile:
        return None
    return None if result is None else result.protocol.report_split
