"""A page and a picture of a data set: legend, tiles with labels, classes and colours of each split."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from rs_adapt.datasets.tile_sets import TileSet, TileSets
from rs_adapt.datasets.tile_statistics import Array, SetStatistics, read_tile, set_statistics
from rs_adapt.errors import DataNotFound, OutputExists
from rs_adapt.files import make_output_folder, staged_files
from rs_adapt.progress import OnProgress, no_progress
from rs_adapt.render.document import Figure, LegendEntry, Section, text_table
from rs_adapt.render.html import render_html
from rs_adapt.render.overlays import colour_map
from rs_adapt.reports.data_plots import draw_overview, histogram_png, share_png

PAGE_FILE = "index.html"
PICTURE_FILE = "overview.png"
_PICTURE_PX = 320
_OPACITY = 0.55
_NO_CLASS = 255


def write_data_page(
    tiles: TileSets,
    folder: Path,
    *,
    facts: Sequence[str],
    most_tiles: int,
    num_samples: int,
    overwrite: bool,
    on_progress: OnProgress = no_progress,
) -> list[SetStatistics]:
    """Write `index.html` and `overview.png`, complete or not at all, and return their statistics.

    Args:
        tiles: The folders.
        folder: Folder to write to; made if absent.
        facts: Lines for the top of the page.
        most_tiles: Tiles of a set to read at most.
        num_samples: Tiles of a set to show.
        overwrite: A page in the folder may be replaced.
        on_progress: Called with the stage, the steps done and the steps in all.

    Raises:
        OutputExists: There is a page in the folder.
        ConfigError: The folder cannot be made or written to.
        DataNotFound: No set has tiles.
        DataError: A tile cannot be read.
    """
    _prepare_folder(folder, overwrite=overwrite)
    measured = [
        (tile_set, summary)
        for tile_set in tiles.sets
        if (
            summary := set_statistics(
                tile_set, tiles, most_tiles=most_tiles, num_samples=num_samples, on_progress=on_progress
            )
        )
    ]
    if not measured:
        raise DataNotFound(f"The folders of {tiles.name} contain no *{tiles.img_suffix} tiles. {tiles.how_to_get}")
    pictures = {summary.title: [*_samples(tile_set, tiles, summary)] for tile_set, summary in measured}
    statistics = [summary for _, summary in measured]
    # The page last: it shows the picture.
    with staged_files(folder, (PICTURE_FILE, PAGE_FILE)) as staging:
        sections = [*_sections(tiles, statistics, pictures)]
        page = render_html(tiles.title, facts, sections, generator="rs-adapt data show")
        (staging / PAGE_FILE).write_text(page, encoding="utf-8")
        draw_overview(
            staging / PICTURE_FILE,
            title=tiles.title,
            statistics=statistics,
            samples={
                title: [(image, labelled) for _, image, labelled in triples] for title, triples in pictures.items()
            },
            colours=_colours(tiles),
        )
    return statistics


def paint_label(image_HW3: Array, label_HW: Array, tiles: TileSets) -> Array:
    """Return the image under the colours of its classes, uint8 (H, W, 3); pixels that are not scored become grey."""
    index = np.full(256, _NO_CLASS, np.uint8)
    index[[*tiles.class_names]] = np.arange(len(tiles.class_names))
    colours = colour_map(index[label_HW], [tiles.colours[value] for value in tiles.class_names])
    blended: Array = ((1 - _OPACITY) * image_HW3 + _OPACITY * colours).round().astype(np.uint8)
    return blended


def _samples(tile_set: TileSet, tiles: TileSets, summary: SetStatistics) -> Iterator[tuple[str, Array, Array]]:
    for name in summary.samples:
        image, label = read_tile(tile_set, tiles, name)
        yield name, image, paint_label(image, label, tiles) if tile_set.ann_dir else image


def _colours(tiles: TileSets) -> dict[str, tuple[int, int, int]]:
    return {name: tiles.colours[value] for value, name in tiles.class_names.items()}


def _sections(
    tiles: TileSets, statistics: Sequence[SetStatistics], pictures: Mapping[str, Sequence[tuple[str, Array, Array]]]
) -> Iterator[Section]:
    titles = [summary.title for summary in statistics]
    yield Section(
        title="Classes",
        text=["Label value, name and colour. Pixels that are not scored are grey in the pictures."],
        legend=[
            LegendEntry(label=name, colour=tiles.colours[value], note=f"({value})")
            for value, name in tiles.class_names.items()
        ],
    )
    yield Section(
        title="Class shares",
        text=["Percent of the labelled pixels of the tiles that were read."],
        figures=[Figure(alt="share of the labelled pixels", image=share_png(statistics, _colours(tiles)))],
        figure_width="medium",
        tables=[
            text_table(
                "",
                [
                    ["class", *titles],
                    *(
                        [name, *(f"{summary.class_pct[name]:.2f}" for summary in statistics)]
                        for name in tiles.class_names.values()
                    ),
                    ["not scored, % of all", *(f"{summary.ignored_pct:.2f}" for summary in statistics)],
                ],
            )
        ],
    )
    yield Section(
        title="Colours",
        text=["Mean and standard deviation of the first three bands, 0 to 255, and the brightness of their pixels."],
        figures=[Figure(alt="brightness of the first three bands", image=histogram_png(statistics))],
        figure_width="medium",
        tables=[
            text_table(
                "",
                [
                    ["", *titles],
                    ["tiles read", *(f"{summary.num_read} of {summary.num_tiles}" for summary in statistics)],
                    ["mean", *(_triple(summary.mean) for summary in statistics)],
                    ["standard deviation", *(_triple(summary.std) for summary in statistics)],
                    *(
                        [f"mean of {name}", *(_triple(summary.class_colour.get(name, ())) for summary in statistics)]
                        for name in tiles.class_names.values()
                    ),
                ],
            )
        ],
    )
    for title, samples in pictures.items():
        yield Section(
            title=f"Tiles of {title}",
            text=[
                "Each pair shows the image on the left and the same image under its label on the right. Among the "
                "tiles that were read, these show as much of every class as possible."
            ],
            figures=[
                Figure(alt=f"{name}: image and label", caption=name, image=_png(_side_by_side(image, labelled)))
                for name, image, labelled in samples
            ],
            figure_width="medium",
        )


def _triple(values: Sequence[float]) -> str:
    return " ".join(f"{value:.0f}" for value in values) or "-"


def _side_by_side(left: Array, right: Array) -> Array:
    gap = np.full((left.shape[0], max(1, left.shape[1] // 40), 3), 255, np.uint8)
    return np.concatenate([left, gap, right], axis=1)


def _png(pixels: Array) -> bytes:
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    picture.thumbnail((2 * _PICTURE_PX, 2 * _PICTURE_PX))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def _prepare_folder(folder: Path, *, overwrite: bool) -> None:
    if not overwrite and (folder / PAGE_FILE).exists():
        raise OutputExists(
            f"{folder} contains a page already. Choose a different folder with --out, or add --overwrite."
        )
    make_output_folder(folder)
