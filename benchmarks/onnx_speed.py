"""A run in torch beside its ONNX model in onnxruntime: differences on tiles, and throughput in one process, in turns.

    python benchmarks/onnx_speed.py RUN [--tile-px 128] [--batch-size 8] [--tiles 16] [--repeats 7] [--dynamic]

The run is exported into a temporary folder. Both predictors see the same batches of tiles, drawn as patches of even
colour with noise, with as many threads as torch has (OMP_NUM_THREADS).
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from numpy.typing import NDArray

from rs_adapt.exchange.onnx_model import export_onnx
from rs_adapt.inference.checkpoint import recompose
from rs_adapt.inference.ensemble import TilePredictor
from rs_adapt.inference.onnx_predictor import OnnxPredictor
from rs_adapt.inference.predictor import Predictor
from rs_adapt.runs.onnx_files import read_onnx_facts


def main() -> None:
    """Print the differences, a row a repetition, and the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--tile-px", type=int)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--tiles", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--dynamic", action="store_true")
    args = parser.parse_args()
    cfg = recompose(args.run)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "onnx"
        export_onnx(cfg, args.run, out, tile_px=args.tile_px, dynamic=args.dynamic)
        facts = read_onnx_facts(out / "model.onnx")
        given = OnnxPredictor.load(out / "model.onnx", facts, device="cpu")
        expected = Predictor.load(cfg, args.run, device="cpu")
        tiles = draw(args.tiles, facts.tile_px)
        batches = [tiles[first : first + args.batch_size] for first in range(0, len(tiles), args.batch_size)]
        pairs = [(given.predict_tiles(batch), expected.predict_tiles(batch)) for batch in batches]
        largest = max(float(np.abs(one - other).max()) for one, other in pairs)
        differing = sum(int((one.argmax(1) != other.argmax(1)).sum()) for one, other in pairs)
        print(f"largest difference of a probability {largest:.1e}; {differing} of {tiles[..., 0].size} pixels differ")
        marks = []
        for _ in range(args.repeats):
            marks.append((seconds(expected, batches), seconds(given, batches)))
            print("torch {:.2f} s, onnxruntime {:.2f} s".format(*marks[-1]), flush=True)
    torch_s, onnx_s = (statistics.median(column) for column in zip(*marks, strict=True))
    mpx = tiles[..., 0].size / 1e6
    ratios = sorted(of_torch / of_onnx for of_torch, of_onnx in marks)
    print(f"{len(tiles)} tiles of {facts.tile_px} px, {torch.get_num_threads()} threads, medians of {args.repeats}:")
    print(f"torch {mpx / torch_s:.3f} Mpx/s, onnxruntime {mpx / onnx_s:.3f} Mpx/s, ", end="")
    print(f"{statistics.median(ratios):.2f} times as fast ({ratios[0]:.2f} to {ratios[-1]:.2f})")


def draw(number: int, side_px: int) -> NDArray[np.uint8]:
    """Return tiles of patches of even colour with noise, RGB, uint8 (N, H, W, 3)."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (number, -(-side_px // 32), -(-side_px // 32), 3))
    even = coarse.repeat(32, axis=1).repeat(32, axis=2)[:, :side_px, :side_px]
    return np.clip(even + rng.integers(-9, 10, even.shape), 0, 255).astype(np.uint8)


def seconds(predictor: TilePredictor, batches: list[NDArray[np.uint8]]) -> float:
    """Return the seconds that a predictor takes for batches of tiles."""
    begun_s = time.perf_counter()
    for batch in batches:
        predictor.predict_tiles(batch)
    return time.perf_counter() - begun_s


if __name__ == "__main__":
    main()
