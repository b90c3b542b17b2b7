"""What the page of `rs-adapt inspect` shows, from what was recorded: sections with their pictures and tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from rs_adapt.inference.inspection.image import BlockLook, Inspection
from rs_adapt.inference.inspection.recording import Array
from rs_adapt.render.document import Figure, LegendEntry, Section, text_table
from rs_adapt.render.feature_maps import enlarge_to_png, heat_colours, pca_colours, update_norm_png
from rs_adapt.render.overlays import colour_map
from rs_adapt.runs.records import InspectedBlock, InspectionRecord, MapSummary

_NO_CLASS = 255
_TOP_ENTRIES = 5


def lead(found: Inspection, *, method: str, frozen: bool) -> list[str]:
    """Say what the model saw, and of a method without adapter that there is none."""
    cut = found.cut
    (width, height), (x0, y0, x1, y1), (seen_width, seen_height) = cut.image_wh, cut.box_px, cut.size_wh
    rows, columns = found.grid_hw
    part = "all" if (x1 - x0, y1 - y0) == cut.image_wh else f"columns {x0} to {x1 - 1}, rows {y0} to {y1 - 1},"
    line = f"The model saw {part} of the {width} x {height} px image"
    if (seen_width, seen_height) != (x1 - x0, y1 - y0):
        line += f", padded at the right and below to {seen_width} x {seen_height} px with the mean colour"
    remark = "Blocks are counted from 0."
    if found.adapter is None:
        state = "frozen" if frozen else "trained"
        remark = f"Method {method} has no adapter: the features are those of the {state} ViT."
    return [f"{line}: {columns} x {rows} patches. {remark}"]


def sections(
    found: Inspection, record: InspectionRecord, *, palette: Sequence[Sequence[int]], out_layers: Sequence[int]
) -> Iterator[Section]:
    """Give the page's sections from top to bottom.

    Args:
        found: What was recorded.
        record: Content of `inspect.json`.
        palette: One [r, g, b] (0-255) per class.
        out_layers: Blocks whose outputs the head gets.
    """
    yield _image_section(found, record.predicted_share, palette)
    if found.adapter is None:
        yield _features_section(found)
        return
    between = found.acts_between_blocks
    yield _update_section(record.blocks, between=between)
    if any(view.ndim == 2 for look in found.blocks for view in look.record.views.values()):
        yield _means_section(record.blocks)
    yield _features_section(found)
    yield Section(
        title="Block by block",
        text=[
            "Patch tokens before and after the adapter's step that follows the block."
            if between
            else "The adapter acts inside the blocks or on their input, so the output of each block is shown without "
            "and with it.",
            "The two pictures of a block have one basis of principal components, another block has its own: colours "
            "compare within a block only. Maps of one quantity in a block have one colour scale, dark blue to yellow, "
            "whose ends are given.",
        ],
        sections=[
            _block_section(look, between=between, to_head=look.record.block in out_layers) for look in found.blocks
        ],
    )


def _image_section(found: Inspection, shares: Mapping[str, float], palette: Sequence[Sequence[int]]) -> Section:
    rows, columns = found.cut.filled_hw
    shown = np.full_like(found.prediction_HW, _NO_CLASS)
    shown[:rows, :columns] = found.prediction_HW[:rows, :columns]
    return Section(
        title="Image and prediction",
        figures=[
            _figure("image.png", enlarge_to_png(found.cut.pixels_HW3), "what the model saw"),
            _figure("prediction.png", enlarge_to_png(colour_map(shown, palette)), "predicted classes"),
        ],
        figure_width="medium",
        legend=[
            LegendEntry(label=name, colour=(colour[0], colour[1], colour[2]), note=f"{100 * share:.1f} %")
            for (name, share), colour in zip(shares.items(), palette, strict=True)
        ],
    )


def _features_section(found: Inspection) -> Section:
    """Return the features that the head gets from the last block: with the adapter, and without it if there is one."""
    last = found.blocks[-1]
    streams = {"without adapter": last.base_PD, "with adapter": last.record.after_PD}
    if found.adapter is None:
        streams = {"features": last.record.after_PD}
    pictures, share = _pca_pictures("final", streams, last.record.grid_hw)
    shared = ", of both pictures together" if len(pictures) > 1 else ""
    return Section(
        title=f"Features after the last block ({last.record.block})",
        text=[
            f"Red, green and blue are the first three principal components of the patch tokens{shared}: equal colours "
            f"are equal features. They hold {100 * share:.0f} % of the variance."
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
        "of a block. It holds all that has changed in the blocks before, too."
    )
    if between:
        text += " Step after the block: |after - before| / |before| of what the adapter does there alone."
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
        [str(block), *(_short(views[name].mean) if name in views else "-" for name in names)]
        for block, views in maps.items()
        if views
    ]
    return Section(
        title="Means of the adapter's maps",
        text=["Over the patches of the image; the maps themselves are with the blocks below."],
        tables=[text_table("", [["block", *map(_spoken, names)], *rows])],
    )


def _block_section(look: BlockLook, *, between: bool, to_head: bool) -> Section:
    record = look.record
    stem = f"block{record.block:02d}"
    streams = (
        {"before the adapter": record.before_PD, "after the adapter": record.after_PD}
        if between
        else {"without adapter": look.base_PD, "with adapter": record.after_PD}
    )
    pictures, share = _pca_pictures(stem, streams, record.grid_hw)
    text = [f"The three components hold {100 * share:.0f} % of the variance."]
    maps = {name: view for name, view in record.views.items() if view.ndim == 2}
    for name, view in maps.items():
        together = [other for key, other in maps.items() if _quantity(key) == _quantity(name)]
        low, high = float(np.min(together)), float(np.max(together))
        pictures.append(
            _figure(
                f"{stem}_{_file_part(name)}.png",
                enlarge_to_png(heat_colours(view, low, high)),
                _spoken(name),
                note=f"mean {_short(view.mean())}; colours {_short(low)} to {_short(high)}",
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
    listed = ", ".join(f"{_short(vector[index])} (no. {index})" for index in order)
    return f"{_spoken(name)}: largest of {len(vector)} are {listed}."


def _quantity(view: str) -> str:
    return view.partition("/")[0]


def _spoken(view: str) -> str:
    """Return a view's name as people read it: `router_weight/low` becomes "router weight, low"."""
    return view.replace("/", ", ").replace("_", " ")


def _file_part(name: str) -> str:
    return name.replace("/", "_").replace(" ", "_")


def _short(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"
