"""The sections of the page of `rs-adapt inspect`, with their pictures and tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from rs_adapt.inference.inspection.image import BlockInspection, Inspection
from rs_adapt.inference.inspection.recording import Array
from rs_adapt.render.document import Figure, LegendEntry, Section, text_table
from rs_adapt.render.feature_maps import enlarge_to_png, heat_colours, pca_colours, update_norm_png
from rs_adapt.render.overlays import colour_map
from rs_adapt.runs.records import InspectedBlock, InspectionRecord, MapSummary

_NO_CLASS = 255
_TOP_ENTRIES = 5


def make_lead(inspection: Inspection, *, method: str, frozen: bool, precision: str) -> list[str]:
    """Return the lines at the top: the processed part of the image, the precision, and whether there is an adapter."""
    cut = inspection.cut
    (width, height), (x0, y0, x1, y1), (seen_width, seen_height) = cut.image_wh, cut.box_px, cut.size_wh
    rows, columns = inspection.grid_hw
    region = "all" if (x1 - x0, y1 - y0) == cut.image_wh else f"columns {x0} to {x1 - 1}, rows {y0} to {y1 - 1},"
    line = f"The model saw {region} of the {width} x {height} px image"
    if (seen_width, seen_height) != (x1 - x0, y1 - y0):
        line += f", padded at the right and below to {seen_width} x {seen_height} px with the mean colour"
    remark = "Blocks are counted from 0."
    if inspection.adapter is None:
        state = "frozen" if frozen else "trained"
        remark = f"Method {method} has no adapter: the features are those of the {state} ViT."
    return [f"{line}: {columns} x {rows} patches. {remark} Predicted in {precision}."]


def make_sections(
    inspection: Inspection, record: InspectionRecord, *, palette: Sequence[Sequence[int]], out_layers: Sequence[int]
) -> Iterator[Section]:
    """Yield the sections of the page from top to bottom.

    Args:
        inspection: The records.
        record: Content of `inspect.json`.
        palette: One [r, g, b] (0-255) per class.
        out_layers: Blocks whose outputs go to the head.
    """
    yield _image_section(inspection, record.predicted_share, palette)
    if inspection.adapter is None:
        yield _features_section(inspection)
        return
    between = inspection.acts_between_blocks
    yield _update_section(record.blocks, between=between)
    if any(view.ndim == 2 for block in inspection.blocks for view in block.record.views.values()):
        yield _means_section(record.blocks)
    yield _features_section(inspection)
    yield Section(
        title="Block by block",
        text=[
            "Patch tokens before and after the adapter's step that follows the block."
            if between
            else "The adapter acts inside the blocks or on their input, so the output of each block is shown without "
            "and with it.",
            "The two pictures of a block share a basis of principal components, which differs from block to block: "
            "colours can be compared within a block only. Maps of one quantity in a block share a colour scale, dark "
            "blue to yellow, whose ends are given.",
        ],
        sections=[
            _block_section(block, between=between, to_head=block.record.block in out_layers)
            for block in inspection.blocks
        ],
    )


def _image_section(inspection: Inspection, shares: Mapping[str, float], palette: Sequence[Sequence[int]]) -> Section:
    rows, columns = inspection.cut.filled_hw
    classes = np.full_like(inspection.prediction_HW, _NO_CLASS)
    classes[:rows, :columns] = inspection.prediction_HW[:rows, :columns]
    return Section(
        title="Image and prediction",
        figures=[
            _figure("image.png", enlarge_to_png(inspection.cut.pixels_HW3), "input of the model"),
            _figure("prediction.png", enlarge_to_png(colour_map(classes, palette)), "predicted classes"),
        ],
        figure_width="medium",
        legend=[
            LegendEntry(label=name, colour=(colour[0], colour[1], colour[2]), note=f"{100 * share:.1f} %")
            for (name, share), colour in zip(shares.items(), palette, strict=True)
        ],
    )


def _features_section(inspection: Inspection) -> Section:
    """Return the features that go to the head from the last block: with the adapter, and without it if there is one."""
    last_block = inspection.blocks[-1]
    streams = {"without adapter": last_block.base_PD, "with adapter": last_block.record.after_PD}
    if inspection.adapter is None:
        streams = {"features": last_block.record.after_PD}
    pictures, share = _pca_pictures("final", streams, last_block.record.grid_hw)
    shared = ", of both pictures together" if len(pictures) > 1 else ""
    return Section(
        title=f"Features after the last block ({last_block.record.block})",
        text=[
            f"Red, green and blue are the first three principal components of the patch tokens{shared}: equal colours "
            f"are equal features. They explain {100 * share:.0f} % of the variance."
        ],
        figures=pictures,
        figure_width="small",
    )


def _update_section(blocks: Sequence[InspectedBlock], *, between: bool) -> Section:
    columns: dict[str, Callable[[InspectedBlock], float]] = {"with against without": lambda block: block.update_norm}
    if between:
        columns["step after the block"] = lambda block: block.own_step
    series = {title: [value(block) for block in blocks] for title, value in columns.items()}
    text = (
        "With against without adapter: mean over the patches of |x with - x without| / |x without|, x being the output "
        "of a block. It includes the changes in earlier blocks."
    )
    if between:
        text += " Step after the block: |after - before| / |before| of the adapter's step there alone."
    return Section(
        title="Update norm",
        text=[text],
        figures=[
            Figure(
                alt="change of the tokens by block",
                caption="change of the tokens by block",
                image=update_norm_png(series),
                file="update_norm.png",
            )
        ],
        figure_width="medium",
        tables=[
            text_table(
                "",
                [
                    ["block", *series],
                    *([str(block.block), *(f"{value(block):.4f}" for value in columns.values())] for block in blocks),
                ],
            )
        ],
    )


def _means_section(blocks: Sequence[InspectedBlock]) -> Section:
    maps = {
        block.block: {name: view for name, view in block.views.items() if isinstance(view, MapSummary)}
        for block in blocks
    }
    names = list(dict.fromkeys(name for views in maps.values() for name in views))
    rows = [
        [str(block), *(_format_value(views[name].mean) if name in views else "-" for name in names)]
        for block, views in maps.items()
        if views
    ]
    return Section(
        title="Means of the adapter's maps",
        text=["Over the patches of the image; the maps themselves are with the blocks below."],
        tables=[text_table("", [["block", *map(_readable_name, names)], *rows])],
    )


def _block_section(block: BlockInspection, *, between: bool, to_head: bool) -> Section:
    record = block.record
    stem = f"block{record.block:02d}"
    streams = (
        {"before the adapter": record.before_PD, "after the adapter": record.after_PD}
        if between
        else {"without adapter": block.base_PD, "with adapter": record.after_PD}
    )
    pictures, share = _pca_pictures(stem, streams, record.grid_hw)
    text = [f"The three components explain {100 * share:.0f} % of the variance."]
    maps = {name: view for name, view in record.views.items() if view.ndim == 2}
    for name, view in maps.items():
        together = [other for key, other in maps.items() if _quantity(key) == _quantity(name)]
        low, high = float(np.min(together)), float(np.max(together))
        pictures.append(
            _figure(
                f"{stem}_{_file_part(name)}.png",
                enlarge_to_png(heat_colours(view, low, high)),
                _readable_name(name),
                note=f"mean {_format_value(view.mean())}; colours {_format_value(low)} to {_format_value(high)}",
            )
        )
    text += [_top_entries(name, view) for name, view in record.views.items() if view.ndim == 1]
    title = f"Block {record.block}" + (", which goes to the head" if to_head else "")
    return Section(
        title=title, anchor=f"block-{record.block}", text=[" ".join(text)], figures=pictures, figure_width="small"
    )


def _pca_pictures(stem: str, streams: Mapping[str, Array], grid_hw: tuple[int, int]) -> tuple[list[Figure], float]:
    colours, share = pca_colours(list(streams.values()), grid_hw)
    pictures = [
        _figure(f"{stem}_{_file_part(name)}.png", enlarge_to_png(pixels), name)
        for name, pixels in zip(streams, colours, strict=True)
    ]
    return pictures, share


def _figure(file: str, png: bytes, title: str, *, note: str = "") -> Figure:
    return Figure(alt=title, caption=title, note=note, image=png, pixelated=True, file=file)


def _top_entries(name: str, vector: Array) -> str:
    order = np.argsort(-vector, kind="stable")[:_TOP_ENTRIES]
    listed = ", ".join(f"{_format_value(vector[index])} (no. {index})" for index in order)
    return f"{_readable_name(name)}: largest of {len(vector)} are {listed}."


def _quantity(view: str) -> str:
    return view.partition("/")[0]


def _readable_name(view: str) -> str:
    """Return the name of a view for people: `router_weight/low` becomes "router weight, low"."""
    return view.replace("/", ", ").replace("_", " ")


def _file_part(name: str) -> str:
    return name.replace("/", "_").replace(" ", "_")


def _format_value(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"
