"""Pictures of a data set: shares of classes, brightness, and an overview with tiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rs_adapt.datasets.tile_statistics import BINS, Array, SetStatistics
from rs_adapt.render.figures import figure_png, save_figure

_BANDS = (("first band", "tab:red"), ("second band", "tab:green"), ("third band", "tab:blue"))


def share_png(statistics: Sequence[SetStatistics], colours: Mapping[str, Sequence[int]]) -> bytes:
    """Return a PNG of class shares: a stacked bar for each set.

    Args:
        statistics: Statistics of the sets.
        colours: Name of a class -> [r, g, b], 0 to 255.
    """
    from matplotlib.figure import Figure

    # Inches, high enough for the bars and for the legend next to them.
    height = max(0.7 + 0.27 * len(statistics), 0.3 + 0.16 * min(9, len(colours)))
    figure = Figure(figsize=(4.6, height), dpi=200, layout="constrained")
    _draw_shares(figure.add_subplot(), statistics, colours)
    return figure_png(figure)


def histogram_png(statistics: Sequence[SetStatistics]) -> bytes:
    """Return a PNG of brightness histograms: a plot for each set, a line for each band."""
    from matplotlib.figure import Figure

    columns = min(2, len(statistics))
    rows = -(-len(statistics) // columns)
    figure = Figure(figsize=(2.3 * columns, 0.3 + 1.2 * rows), dpi=200, layout="constrained")
    plots = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for plot in plots[len(statistics) :]:
        plot.set_axis_off()
    _draw_histograms([*plots], statistics)
    plots[0].legend(fontsize=7)
    return figure_png(figure)


def draw_overview(
    path: Path,
    *,
    title: str,
    statistics: Sequence[SetStatistics],
    samples: Mapping[str, Sequence[tuple[Array, Array]]],
    colours: Mapping[str, Sequence[int]],
) -> None:
    """Write an overview: for each set a row of tiles and its brightness histogram, and below them the class shares.

    Args:
        path: PNG to write.
        title: Title of the data set.
        statistics: Statistics of the sets.
        samples: Title of a set -> pairs of an image (H, W, 3) uint8 and the same image under its label.
        colours: Name of a class -> [r, g, b], 0 to 255.
    """
    from matplotlib.figure import Figure

    columns = max(len(pairs) for pairs in samples.values())
    rows = len(statistics)
    figure = Figure(figsize=(1.25 * 2 * columns + 2.6, 1.45 * rows + 1.3 + 0.35 * rows), dpi=110, layout="constrained")
    halves: Any = figure.subfigures(2, 1, height_ratios=[1.45 * rows, 1.0 + 0.35 * rows])
    above, below = halves
    grid = above.subplots(rows, 2 * columns + 1, squeeze=False, width_ratios=[*[1.0] * (2 * columns), 1.8])
    for row, tiles in zip(grid, statistics, strict=True):
        for plot in row[:-1]:
            plot.set_axis_off()
        for number, pictures in enumerate(samples[tiles.title]):
            for plot, pixels in zip(row[2 * number : 2 * number + 2], pictures, strict=True):
                plot.imshow(pixels)
        row[0].set_title(tiles.title, fontsize=9, loc="left")
    _draw_histograms([row[-1] for row in grid], statistics, titles=False)
    _draw_shares(below.add_subplot(), statistics, colours)
    figure.suptitle(title, fontsize=11)
    save_figure(figure, path)


def _draw_shares(plot: Any, statistics: Sequence[SetStatistics], colours: Mapping[str, Sequence[int]]) -> None:
    titles = [tiles.title for tiles in statistics]
    starts = np.zeros(len(statistics))
    for name, colour in colours.items():
        widths = np.array([tiles.class_pct[name] for tiles in statistics])
        plot.barh(
            titles,
            widths,
            left=starts,
            label=name,
            color=[value / 255 for value in colour],
            edgecolor="0.35",
            linewidth=0.4,
        )
        starts += widths
    plot.invert_yaxis()
    plot.set_xlim(0, 100)
    plot.set_xlabel("% of the labelled pixels", fontsize=8)
    plot.tick_params(labelsize=8)
    plot.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, ncols=1 + len(colours) // 9)


def _draw_histograms(plots: Sequence[Any], statistics: Sequence[SetStatistics], *, titles: bool = True) -> None:
    levels = (np.arange(BINS) + 0.5) * 256 / BINS
    for plot, tiles in zip(plots, statistics, strict=False):
        for (name, colour), shares in zip(_BANDS, tiles.histogram, strict=True):
            plot.plot(levels, 100 * shares, color=colour, label=name, linewidth=1)
        plot.set_xlim(0, 255)
        plot.tick_params(labelsize=7)
        plot.grid(alpha=0.3)
        if titles:
            plot.set_title(tiles.title, fontsize=8)
            plot.set_ylabel("% of pixels", fontsize=7)
    # After all lines: shared axes would otherwise have the range of the first line.
    for plot in plots:
        plot.set_ylim(bottom=0)
