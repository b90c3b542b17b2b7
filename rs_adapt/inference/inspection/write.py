"""`rs-adapt inspect` as one function: load, look at one image, write the page, its pictures and the numbers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rs_adapt.backbones import Vit
from rs_adapt.errors import OutputExists
from rs_adapt.files import write_folder_atomically, write_json
from rs_adapt.inference.inspection.look import Inspection, cut_out, inspect_image, least_side_px, read_image
from rs_adapt.inference.inspection.recording import Array
from rs_adapt.inference.inspection.sections import lead, sections
from rs_adapt.inference.predictor import Predictor
from rs_adapt.registry import quiet_libraries
from rs_adapt.render.document import iter_figures
from rs_adapt.render.html import render_html

if TYPE_CHECKING:
    from rs_adapt.config.resolved import ResolvedConfig

PAGE_FILE = "index.html"
NUMBERS_FILE = "inspect.json"
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
) -> dict[str, Any]:
    """Look inside a trained model at one image and write `index.html`, `inspect.json` and the page's pictures.

    Args:
        cfg: The checkpoint's configuration, from `recompose`.
        checkpoint: Folder of the pack.
        image: PNG, JPEG or TIFF; RGB, 8 bit. The model sees its middle.
        out_dir: Where the files go; it appears when all of them are written.
        size_px: Largest side of what the model sees; None for the bench's crop.
        overwrite: An inspection in `out_dir` may be replaced.
        device: "auto", "cpu", "cuda" or "cuda:N".

    Returns:
        The content of `inspect.json`.

    Raises:
        DataNotFound, DataError: See `read_image`.
        ConfigError: See `cut_out`; or `out_dir` cannot be written to.
        OutputExists: `out_dir` holds other files, or an inspection that may not be replaced.
        CheckpointMismatch, WeightsError: See `load_model`.
    """
    pixels_HW3 = read_image(image)
    _check_folder(out_dir, overwrite=overwrite)
    with quiet_libraries():
        predictor = Predictor.load(cfg, checkpoint, device=device)
        vit: Vit = predictor.model.backbone
        cut = cut_out(
            pixels_HW3,
            size_px=cfg.bench.crop_px if size_px is None else size_px,
            patch_px=vit.patch_px,
            least_px=least_side_px(vit),
            mean=cfg.backbone.mean,
        )
        inspection = inspect_image(predictor, cut)
    numbers = _numbers(cfg, inspection, image_name=image.name)
    shown = list(sections(inspection, numbers, palette=cfg.bench.palette, out_layers=vit.out_layers))
    title = f"{cfg.bench.name.replace('_', '-')} / {cfg.cell.method} / {cfg.cell.backbone}: {image.name}"
    above = lead(inspection, method=cfg.cell.method, frozen=vit.frozen)
    page = render_html(title, above, shown, generator="rs-adapt inspect")
    pictures = {figure.file: figure.image for figure in iter_figures(shown)}
    _write_folder(out_dir, page=page, numbers=numbers, pictures=pictures)
    return numbers


def _numbers(cfg: ResolvedConfig, found: Inspection, *, image_name: str) -> dict[str, Any]:
    """Content of `inspect.json`; without an adapter there is nothing to say of the blocks."""
    rows, columns = found.cut.filled_hw
    classes = list(cfg.bench.classes)
    counts = np.bincount(found.prediction_HW[:rows, :columns].ravel(), minlength=len(classes))
    return {
        "cell": dict(cfg.cell),
        "adapter": found.adapter,
        "image": {
            "file": image_name,
            "size_px": list(found.cut.image_wh),
            "box_px": list(found.cut.box_px),
            "seen_px": list(found.cut.size_wh),
        },
        "grid_hw": list(found.grid_hw),
        "predicted_share": {
            name: round(count / (rows * columns), _DIGITS) for name, count in zip(classes, counts.tolist(), strict=True)
        },
        "blocks": [
            {
                "block": look.record.block,
                "update_norm": round(look.update_norm, _DIGITS),
                "own_step": round(look.own_step, _DIGITS),
                "views": {name: _plain(view) for name, view in look.record.views.items()},
            }
            for look in (found.blocks if found.adapter else ())
        ],
    }


def _plain(view: Array) -> Any:
    """Return a vector as a list; of a map its mean and range."""
    if view.ndim == 1:
        return [round(float(value), _DIGITS) for value in view]
    named = {"mean": view.mean(), "min": view.min(), "max": view.max()}
    return {name: round(float(value), _DIGITS) for name, value in named.items()}


def _check_folder(out_dir: Path, *, overwrite: bool) -> None:
    if out_dir.exists() and not out_dir.is_dir():
        raise OutputExists(f"{out_dir} is a file. Choose a folder with --out.")
    if not out_dir.exists() or not any(out_dir.iterdir()):
        return
    if not (out_dir / NUMBERS_FILE).is_file():
        raise OutputExists(f"{out_dir} is not empty and holds no inspection. Choose a different folder with --out.")
    if not overwrite:
        raise OutputExists(f"{out_dir} holds an inspection. Choose a different folder with --out, or add --overwrite.")


def _write_folder(out_dir: Path, *, page: str, numbers: dict[str, Any], pictures: Mapping[str, bytes]) -> None:
    def fill(folder: Path) -> None:
        for name, png in pictures.items():
            (folder / name).write_bytes(png)
        (folder / PAGE_FILE).write_text(page, encoding="utf-8")
        write_json(folder / NUMBERS_FILE, numbers)

    write_folder_atomically(out_dir, fill, overwrite=True)
