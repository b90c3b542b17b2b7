"""The inspection of a checkpoint: load, inspect one image, write the page, its pictures and the numbers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rs_adapt.backbones import Vit
from rs_adapt.errors import ConfigError, OutputExists
from rs_adapt.files import write_folder_atomically
from rs_adapt.inference.inspection.image import Inspection, cut_centre, inspect_image, read_image, smallest_side_px
from rs_adapt.inference.inspection.recording import Array
from rs_adapt.inference.inspection.sections import make_lead, make_sections
from rs_adapt.inference.predictor import Predictor
from rs_adapt.registry import quiet_libraries
from rs_adapt.render.document import iter_figures
from rs_adapt.render.html import render_html
from rs_adapt.runs.files import INSPECTION_FILE
from rs_adapt.runs.records import (
    CellNames,
    InspectedBlock,
    InspectedImage,
    InspectionRecord,
    MapSummary,
    write_record,
)

if TYPE_CHECKING:
    from rs_adapt.config.resolved import ResolvedConfig

PAGE_FILE = "index.html"
_DIGITS = 6


def inspect_checkpoint(
    cfg: ResolvedConfig,
    checkpoint: Path,
    image: Path,
    *,
    out_dir: Path,
    size_px: int | None = None,
    overwrite: bool = False,
    device: str = "auto",
) -> InspectionRecord:
    """Look inside a trained model at one image and write `index.html`, `inspect.json` and the page's pictures.

    Args:
        cfg: The checkpoint's configuration, from `recompose`.
        checkpoint: Folder of the pack.
        image: An 8-bit RGB PNG, JPEG or TIFF. The model processes its centre.
        out_dir: Folder for the files; it appears when all of them are written.
        size_px: Largest side of the model's input; None for the bench's crop.
        overwrite: Whether an inspection in `out_dir` may be replaced.
        device: "auto", "cpu", "cuda" or "cuda:N".

    Returns:
        The content of `inspect.json`.

    Raises:
        DataNotFound, DataError: See `read_image`.
        ConfigError: The backbone is no ViT; see `cut_centre`; or `out_dir` cannot be written to.
        OutputExists: `out_dir` contains other files, or an inspection that may not be replaced.
        CheckpointMismatch, WeightsError: See `load_model`.
    """
    if not cfg.backbone.get("takes_adapters", True):
        raise ConfigError(
            f"The backbone {cfg.backbone.name} has no blocks of a ViT and no adapter between them, so there is "
            "nothing to look into. Name a run with a ViT."
        )
    pixels_HW3 = read_image(image)
    _check_folder(out_dir, overwrite=overwrite)
    with quiet_libraries():
        predictor = Predictor.load(cfg, checkpoint, device=device)
        vit: Vit = predictor.model.backbone
        cut = cut_centre(
            pixels_HW3,
            size_px=cfg.bench.crop_px if size_px is None else size_px,
            patch_px=vit.patch_px,
            smallest_px=smallest_side_px(vit),
            mean=cfg.backbone.mean,
        )
        inspection = inspect_image(predictor, cut)
    record = _record(cfg, inspection, image_name=image.name)
    sections = list(make_sections(inspection, record, palette=cfg.bench.palette, out_layers=vit.out_layers))
    title = f"{cfg.bench.name.replace('_', '-')} / {cfg.cell.method} / {cfg.cell.backbone}: {image.name}"
    lead = make_lead(inspection, method=cfg.cell.method, frozen=vit.frozen, precision=cfg.runtime.precision)
    page = render_html(title, lead, sections, generator="rs-adapt inspect")
    pictures = {figure.file: figure.image for figure in iter_figures(sections)}
    _write_folder(out_dir, page=page, record=record, pictures=pictures)
    return record


def _record(cfg: ResolvedConfig, inspection: Inspection, *, image_name: str) -> InspectionRecord:
    """Return the content of `inspect.json`; without an adapter it has no blocks."""
    cut = inspection.cut
    rows, columns = cut.filled_hw
    classes = list(cfg.bench.classes)
    counts = np.bincount(inspection.prediction_HW[:rows, :columns].ravel(), minlength=len(classes))
    return InspectionRecord(
        cell=CellNames(**cfg.cell),
        precision=cfg.runtime.precision,
        adapter=inspection.adapter,
        image=InspectedImage(file=image_name, size_px=cut.image_wh, box_px=cut.box_px, seen_px=cut.size_wh),
        grid_hw=inspection.grid_hw,
        predicted_share={
            name: round(count / (rows * columns), _DIGITS) for name, count in zip(classes, counts.tolist(), strict=True)
        },
        blocks=[
            InspectedBlock(
                block=block.record.block,
                update_norm=round(block.update_norm, _DIGITS),
                own_step=round(block.own_step, _DIGITS),
                views={name: _summary(view) for name, view in block.record.views.items()},
            )
            for block in (inspection.blocks if inspection.adapter else ())
        ],
    )


def _summary(view: Array) -> MapSummary | list[float]:
    """Return a vector as a list; of a map its mean and range."""
    if view.ndim == 1:
        return [round(float(value), _DIGITS) for value in view]
    mean, low, high = (round(float(value), _DIGITS) for value in (view.mean(), view.min(), view.max()))
    return MapSummary(mean=mean, min=low, max=high)


def _check_folder(out_dir: Path, *, overwrite: bool) -> None:
    if out_dir.exists() and not out_dir.is_dir():
        raise OutputExists(f"{out_dir} is a file. Choose a folder with --out.")
    if not out_dir.exists() or not any(out_dir.iterdir()):
        return
    if not (out_dir / INSPECTION_FILE).is_file():
        raise OutputExists(f"{out_dir} is not empty and contains no inspection. Choose a different folder with --out.")
    if not overwrite:
        raise OutputExists(
            f"{out_dir} contains an inspection. Choose a different folder with --out, or add --overwrite."
        )


def _write_folder(out_dir: Path, *, page: str, record: InspectionRecord, pictures: Mapping[str, bytes]) -> None:
    def fill(folder: Path) -> None:
        for name, png in pictures.items():
            (folder / name).write_bytes(png)
        (folder / PAGE_FILE).write_text(page, encoding="utf-8")
        write_record(folder / INSPECTION_FILE, record)

    write_folder_atomically(out_dir, fill, overwrite=True, own=(PAGE_FILE, INSPECTION_FILE, "*.png"))
