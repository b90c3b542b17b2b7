"""Time of a training sample from its files: mmsegmentation's steps one after the other beside ours, in turns.

    OMP_NUM_THREADS=1 python benchmarks/input_pipeline.py --samples 60
    OMP_NUM_THREADS=1 python benchmarks/input_pipeline.py --images FOLDER --labels FOLDER --crop-px 512

Without folders, tiles are drawn: noise over smooth colours, which compresses about as badly as an aerial image. Both
forms get the same seeds, and their samples are compared bit by bit. "Small set" is ours where all tiles fit into memory
(`DecodedTiles`), from the second round on. CPU milliseconds, medians over the samples, in one process and one thread.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.dataset import Compose
from mmseg.utils import register_all_modules
from PIL import Image

from rs_adapt.datasets.steps.quicken import quicken
from rs_adapt.datasets.stream import seeded

_Files = list[tuple[Path, Path]]
_Steps = list[Callable[[Any], Any]]


def draw_tiles(folder: Path, side_px: int, count: int = 8) -> _Files:
    """Write tiles and labels with 7 classes, and return their paths."""
    rng, files = np.random.default_rng(0), []
    for number in range(count):
        coarse = rng.integers(0, 256, (side_px // 16, side_px // 16, 3), dtype=np.uint8)
        smooth = np.asarray(cv2.resize(coarse, (side_px, side_px), interpolation=cv2.INTER_CUBIC))
        image = np.clip(smooth + rng.normal(0, 6, smooth.shape), 0, 255).astype(np.uint8)
        label = rng.integers(0, 8, (8, 8), dtype=np.uint8).repeat(side_px // 8, 0).repeat(side_px // 8, 1)
        paths = folder / f"{side_px}_{number}.png", folder / f"{side_px}_{number}_label.png"
        for path, pixels in zip(paths, (image, label), strict=True):
            Image.fromarray(pixels).save(path)
        files.append(paths)
    return files


def steps(*, tile_px: int, crop_px: int, ratios: tuple[float, float], distorted: bool) -> _Steps:
    """Return the steps of a bench for labelled tiles, as mmsegmentation has them."""
    plain: _Steps = Compose(
        [
            {"type": "LoadImageFromFile", "imdecode_backend": "pillow"},
            {"type": "LoadAnnotations", "imdecode_backend": "pillow"},
            {"type": "RandomResize", "scale": (tile_px, tile_px), "ratio_range": ratios, "keep_ratio": True},
            {"type": "RandomCrop", "crop_size": (crop_px, crop_px), "cat_max_ratio": 0.75},
            {"type": "RandomFlip", "prob": 0.5},
            *([{"type": "PhotoMetricDistortion"}] if distorted else []),
            {"type": "PackSegInputs"},
        ]
    ).transforms
    return plain


def run(chain: _Steps, files: tuple[Path, Path], seed: int) -> tuple[dict[str, Any], dict[str, float]]:
    """Return a sample, and the CPU milliseconds of each step and of all."""
    info: Any = {"img_path": str(files[0]), "seg_map_path": str(files[1]), "seg_fields": [], "label_map": None}
    info["reduce_zero_label"] = True
    spent: dict[str, float] = {}
    with seeded(seed):
        for step in chain:
            start = time.process_time()
            info = step(info)
            spent[type(step).__name__] = 1e3 * (time.process_time() - start)
    return info, {**spent, "all": sum(spent.values())}


def same(ours: dict[str, Any], plain: dict[str, Any]) -> bool:
    """Return whether two samples are equal bit for bit."""
    labels = (sample["data_samples"].gt_sem_seg.data for sample in (ours, plain))
    return torch.equal(ours["inputs"], plain["inputs"]) and torch.equal(*labels)


def measure(name: str, files: _Files, samples: int, **settings: Any) -> None:
    """Print medians of all forms, and their ratios to the plain one."""
    forms = {
        "plain": steps(**settings),
        "ours": quicken(steps(**settings), num_tiles=10**6),
        "ours, small set": quicken(steps(**settings), num_tiles=1),
    }
    spent: dict[str, dict[str, list[float]]] = {form: {} for form in forms}
    equal = True
    # The first round over the files warms up, and decodes a small set.
    for number in range(samples + len(files)):
        plain: dict[str, Any] = {}
        for form, chain in forms.items():
            sample, times = run(chain, files[number % len(files)], number)
            plain = plain or sample
            equal &= same(sample, plain)
            for step, milliseconds in times.items() if number >= len(files) else ():
                spent[form].setdefault(step, []).append(milliseconds)
    print(f"{name}: {len(files)} tiles, {samples} samples, equal bit for bit: {equal}")
    for form, times_of in spent.items():
        each = ", ".join(f"{step} {statistics.median(values):.2f}" for step, values in times_of.items())
        ratios = _ratios(spent["plain"]["all"], times_of["all"])
        print(f"  {form:16s}{each}; plain / this {ratios}", flush=True)


def _ratios(plain: Iterable[float], other: Iterable[float]) -> str:
    """Return the ratio of medians, and the middle half of the ratios by sample."""
    plain, other = list(plain), list(other)
    low, _, high = statistics.quantiles([a / b for a, b in zip(plain, other, strict=True)], n=4)
    return f"{statistics.median(plain) / statistics.median(other):.2f} ({low:.2f} to {high:.2f})"


def main() -> None:
    """Measure the cases of the benches, or the tiles of folders."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=60)
    parser.add_argument("--images", type=Path, help="folder of tiles, PNG")
    parser.add_argument("--labels", type=Path, help="folder of their labels, with the same names")
    parser.add_argument("--crop-px", type=int, default=512)
    args = parser.parse_args()
    register_all_modules()
    cv2.setNumThreads(0)
    if args.images:
        files = [(path, args.labels / path.name) for path in sorted(args.images.glob("*.png"))]
        with Image.open(files[0][0]) as image:
            side_px = image.size[0]
        settings = {"tile_px": side_px, "crop_px": args.crop_px, "ratios": (0.5, 2.0), "distorted": True}
        measure(f"{side_px} px", files, args.samples, **settings)
        return
    with tempfile.TemporaryDirectory() as folder:
        for side_px, crop_px, ratios, distorted in (
            (1024, 512, (0.5, 2.0), True),
            (512, 512, (0.5, 2.0), True),
            (128, 128, (0.75, 1.5), False),
        ):
            files = draw_tiles(Path(folder), side_px)
            settings = {"tile_px": side_px, "crop_px": crop_px, "ratios": ratios, "distorted": distorted}
            measure(f"{side_px} px, crops of {crop_px} px", files, args.samples, **settings)


if __name__ == "__main__":
    main()
