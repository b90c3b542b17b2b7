"""The page of `rs-adapt judge`: sentences, tables, and pictures of the largest differences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rs_adapt.judging.indicators import KINDS, LEAST_DIFFERENCE
from rs_adapt.judging.judgement import Judgement, percent
from rs_adapt.judging.views import View
from rs_adapt.render.document import Figure, LegendEntry, Section, Table, TableCell, text_cell
from rs_adapt.render.html import render_html
from rs_adapt.render.overlays import blend_classes, picture_bytes

if TYPE_CHECKING:
    from rs_adapt.judging.finished import ReliabilityStudy

_FAVOURS = {"run": "RUN", "against": "AGAINST", "neither": "neither"}
_MOST_PAIRS = 12
# Opacity of the classes over the image: where the maps agree, and where they differ.
_AGREE, _DIFFER = 0.15, 0.8


def make_page(judgement: Judgement) -> str:
    """Return the page as HTML that needs no other file."""
    lead = [
        f"RUN is {judgement.run_name} ({judgement.run}); AGAINST is {judgement.against_name} ({judgement.against}).",
        f"Both predict {judgement.images}. No label was read.",
    ]
    title = "Did adaptation help? Evidence without labels"
    return render_html(title, lead, list(_sections(judgement)), generator="rs-adapt judge")


def indicator_table(judgement: Judgement) -> Table:
    """Return the indicators of both models."""
    rows = [
        [
            TableCell(text=indicator.kind.title, note=indicator.kind.limits),
            TableCell(text=f"{indicator.run:.3f}", value=indicator.run),
            TableCell(text=f"{indicator.against:.3f}", value=indicator.against),
            TableCell(text="larger" if indicator.kind.larger_is_better else "smaller"),
            TableCell(text=_FAVOURS[indicator.favours]),
        ]
        for indicator in judgement.indicators
    ]
    return Table(
        title="",
        head=["indicator", "RUN", "AGAINST", "taken as better", "favours"],
        rows=rows,
        sortable=False,
        notes=[
            f"All from 0 to 1. A difference below {LEAST_DIFFERENCE} favours neither. Neighbourhood density is "
            f"measured at {judgement.evidence.num_points} pixels drawn at random, the same for both."
        ],
    )


def indicator_lines(judgement: Judgement) -> list[str]:
    """Return the indicators for the terminal, a line each."""
    return [
        f"{indicator.kind.title}: RUN {indicator.run:.3f}, AGAINST {indicator.against:.3f} "
        f"(favours {_FAVOURS[indicator.favours]})"
        for indicator in judgement.indicators
    ]


def share_table(judgement: Judgement) -> Table:
    """Return the share of each class on the two maps and in the labels of the source."""
    evidence, source = judgement.evidence, judgement.source
    rows = [
        [
            text_cell(name),
            _share_cell(evidence.run.class_shares[index]),
            _share_cell(evidence.against.class_shares[index]),
            *([] if source is None else [_share_cell(source[index])]),
        ]
        for index, name in enumerate(judgement.classes)
    ]
    note = (
        "The tiles of the source are not on this machine, so their class shares are missing."
        if source is None
        else "The source column is the truth of the source's labels. The target may truly have other shares."
    )
    head = ["class", "RUN %", "AGAINST %", *([] if source is None else ["source, labels %"])]
    return Table(title="", head=head, rows=rows, notes=[note])


def pair_table(judgement: Judgement) -> Table:
    """Return the share of the area by pair of classes in which the maps differ."""
    pairs = judgement.differences
    rows = [[text_cell(pair.against), text_cell(pair.run), _share_cell(pair.share)] for pair in pairs[:_MOST_PAIRS]]
    rest = sum(pair.share for pair in pairs[_MOST_PAIRS:])
    notes = [f"{len(pairs) - _MOST_PAIRS} further pairs make up {percent(rest)} of the area."] if rest else []
    return Table(title="", head=["AGAINST says", "RUN says", "% of the area"], rows=rows, name_columns=2, notes=notes)


def _sections(judgement: Judgement) -> Iterator[Section]:
    yield Section(title="In short", text=[*judgement.sentences, *judgement.notes])
    yield Section(title="Indicators", tables=[indicator_table(judgement)])
    if judgement.study is not None:
        if judgement.study.reliabilities:
            yield _reliability_section(judgement.study)
        if judgement.study.pairs:
            yield _pair_section(judgement.study)
    yield Section(title="Class shares", tables=[share_table(judgement)])
    if judgement.differences:
        yield Section(title="Where the maps differ", tables=[pair_table(judgement)])
    if judgement.views:
        yield Section(
            title="Largest differences",
            text=[
                "The images with the most differing pixels. Classes are drawn strongly where the two maps differ and "
                "faintly where they agree. These are the extremes, and not typical of the area."
            ],
            legend=[
                LegendEntry(label=name, colour=colour)
                for name, colour in zip(judgement.classes, judgement.palette, strict=True)
            ],
            sections=[_view_section(number, view, judgement) for number, view in enumerate(judgement.views, start=1)],
        )


def _reliability_section(study: ReliabilityStudy) -> Section:
    rows = [
        [
            text_cell(KINDS[each.name].title),
            TableCell(text=f"{each.right:g} of {each.num_pairs}"),
            TableCell(text=f"{100 * each.share:.0f}", value=each.share),
            text_cell(
                None if each.low is None or each.high is None else f"{100 * each.low:.0f} to {100 * each.high:.0f}"
            ),
            TableCell(text=f"{each.mixed_right:g} of {each.mixed_pairs}"),
        ]
        for each in study.reliabilities
    ]
    return Section(
        title="How often the indicators were right",
        text=[
            f"Over {study.num_runs} finished runs below {', '.join(map(str, study.folders))} whose scores on the "
            "target's labels are known: pairs of runs of one bench and setting that an indicator ordered as their mIoU "
            "does. Half of the pairs is chance."
        ],
        tables=[
            Table(
                title="",
                head=["indicator", "pairs right", "%", "95 % interval", "adapted against source only"],
                rows=rows,
                sortable=False,
                notes=[
                    "The interval is that of a bootstrap over the runs, because pairs share runs; a dash where fewer "
                    "than four runs have the indicator. Other benches and regions can behave differently.",
                    *study.notes,
                ],
            )
        ],
    )


def _pair_section(study: ReliabilityStudy) -> Section:
    rows = [
        [
            text_cell(KINDS[each.name].title),
            TableCell(text=f"{each.right:g} of {each.num_pairs}"),
            TableCell(text=f"{100 * each.share:.0f}", value=each.share),
            text_cell(f"{100 * each.low:.0f} to {100 * each.high:.0f}"),
            TableCell(text=str(each.undecided), value=each.undecided),
        ]
        for each in study.pair_reliabilities
    ]
    better = sum(pair.helped for pair in study.pairs)
    return Section(
        title="How often they were right about adaptation",
        text=[
            f"{len(study.pairs)} adapted runs, each judged like this against the run of the same seed and settings "
            f"that was trained on the source alone. In {better} of them the adapted run has the higher mIoU: whoever "
            "always favours the adapted run is right as often."
        ],
        tables=[
            Table(
                title="",
                head=["indicator", "pairs right", "%", "95 % interval", "favours neither"],
                rows=rows,
                sortable=False,
                notes=["Neither counts half. The Wilson interval takes pairs as independent; those of a seed are not."],
            )
        ],
    )


def _view_section(number: int, view: View, judgement: Judgement) -> Section:
    before, after = (judgement.classes[index] for index in view.most)
    where = f", from column {view.left_px} and row {view.top_px}" if view.left_px or view.top_px else ""
    return Section(
        title=f"{number}: {view.image}{where}",
        anchor=f"difference-{number}",
        text=[
            f"The maps differ on {percent(view.share)} of this image. The most frequent difference: AGAINST says "
            f"{before}, RUN says {after}."
        ],
        figures=[
            Figure(
                alt=f"{view.image}, the image",
                caption="image",
                image=picture_bytes(view.pixels_HW3),
                pixelated=True,
            ),
            _map_figure(view, view.against_HW, "AGAINST", judgement.palette),
            _map_figure(view, view.run_HW, "RUN", judgement.palette),
        ],
        figure_width="medium",
    )


def _map_figure(view: View, labels_HW: NDArray[np.uint8], side: str, palette: Sequence[tuple[int, int, int]]) -> Figure:
    opacity_HW = np.where(view.run_HW != view.against_HW, _DIFFER, _AGREE)
    return Figure(
        alt=f"{view.image}, classes of {side}",
        caption=side,
        image=picture_bytes(blend_classes(view.pixels_HW3, labels_HW, palette, opacity_HW)),
        pixelated=True,
    )


def _share_cell(share: float) -> TableCell:
    return TableCell(text=f"{100 * share:.1f}", value=100 * share)
