"""What chose the nano's shipped weights: random, masked-image and supervised pre-training, frozen under a linear head.

    python benchmarks/nano_weights.py --data-root FOLDER    # with dubai/ in it; without, only the synthetic bench

Pre-trains with each objective for the same number of steps on the same crops, then trains a linear head on the frozen
features of each, and of the shipped weights, with `rs-adapt train --method frozen`, and prints mIoU of the last
checkpoint on the target: `dg` trained on the source (across), `ss` on the target (in-domain).
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import mean

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rs_adapt.backbones import Dinov2
from rs_adapt.config import axes, paths
from rs_adapt.pretraining import NANO, MaterialObjective, build_nano, write_weights

MASKED_SHARE = 0.6
ROWS = ("random", "masked image", "supervised", "shipped")


class MaskedObjective(nn.Module):
    """Self-supervised: the colours of hidden patches from the rest (SimMIM, arXiv 2111.09886, patches normalised)."""

    def __init__(self, vit: Dinov2) -> None:
        super().__init__()
        self.vit = vit
        self.token = nn.Parameter(torch.zeros(vit.embed_dim))
        self.norm = nn.LayerNorm(vit.embed_dim)
        self.decode = nn.Linear(vit.embed_dim, 3 * vit.patch_px**2)

    def forward(self, image_B3HW: Tensor, material_BHW: Tensor) -> Tensor:
        """Smooth L1 over the hidden patches; the materials are not looked at."""
        del material_BHW
        patches_BNP = F.unfold(image_B3HW, self.vit.patch_px, stride=self.vit.patch_px).transpose(1, 2)
        spread_BN1 = (patches_BNP.var(dim=-1, keepdim=True) + 1e-2).sqrt()
        goal_BNP = (patches_BNP - patches_BNP.mean(dim=-1, keepdim=True)) / spread_BN1
        x_BND = self.vit.embeddings(image_B3HW)
        hidden_BN = torch.rand(goal_BNP.shape[:2], device=x_BND.device) < MASKED_SHARE
        blank_ND = self.token + self.vit.embeddings.position_embeddings[0, 1:].detach()
        x_BND = torch.cat([x_BND[:, :1], torch.where(hidden_BN[..., None], blank_ND, x_BND[:, 1:])], dim=1)
        for layer in self.vit.layers:
            x_BND = layer(x_BND)
        return F.smooth_l1_loss(self.decode(self.norm(x_BND[:, 1:]))[hidden_BN], goal_BNP[hidden_BN])


def main() -> None:
    """Build, probe, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--data-root", type=Path, default=None)
    parser.add_argument("--work-dir", type=Path, default=Path("work_dirs/nano_weights"))
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS), help="which weights to compare")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    config = axes.load("backbone", "dinov2_nano")
    weights = {"random": "random"} if "random" in args.rows else {}
    every: dict[str, Callable[[Dinov2], nn.Module]] = {"masked image": MaskedObjective, "supervised": MaterialObjective}
    objectives = {f"{row}, {args.steps} steps": make for row, make in every.items() if row in args.rows}
    recipe = dataclasses.replace(NANO, steps=args.steps)
    for name, objective in objectives.items():
        file = args.work_dir / f"{objective.__name__}-{args.steps}.safetensors"
        if not file.exists():
            began_s = time.perf_counter()
            vit = build_nano(config["backbone"], config["model"]["backbone"], recipe=recipe, objective=objective)
            write_weights(file, vit, recipe=recipe)
            print(f"{name}: {(time.perf_counter() - began_s) / 60:.1f} minutes", file=sys.stderr, flush=True)
        weights[name] = str(file)
    if "shipped" in args.rows:
        weights[f"shipped: supervised, {NANO.steps} steps"] = str(paths.weights_file(config["backbone"]["weights"]))
    benches = ["synthetic-dg", "synthetic-ss", *(["dubai-dg", "dubai-ss"] if args.data_root else [])]
    cells = [(name, bench, seed) for name in weights for bench in benches for seed in args.seeds]
    with ThreadPoolExecutor(max_workers=args.jobs) as pool:
        scores = list(pool.map(lambda cell: probe(*cell, weights[cell[0]], args.work_dir, args.data_root), cells))
    print(f"| frozen + linear head, seeds {args.seeds} | {' | '.join(benches)} |")
    print("|---" * (len(benches) + 1) + "|")
    for name in weights:
        told = []
        for bench in benches:
            own = [score for cell, score in zip(cells, scores, strict=True) if cell[:2] == (name, bench)]
            told.append(f"{mean(own):.1f} [{min(own):.1f}, {max(own):.1f}]")
        print(f"| {name} | {' | '.join(told)} |")


def probe(name: str, bench: str, seed: int, weights: str, work_dir: Path, data_root: Path | None) -> float:
    """MIoU in percent of a linear head on frozen features; a finished run is read again."""
    folder = work_dir / name.replace(" ", "-").replace(",", "").replace(":", "") / bench / f"seed{seed}"
    if not (folder / "result.json").is_file():
        call = [sys.executable, "-m", "rs_adapt", "train", "--bench", bench, "--method", "frozen", "--weights", weights]
        call += ["--seed", str(seed), "--work-dir", str(folder), "--overwrite"]
        call += ["--data-root", str(data_root)] if data_root else []
        subprocess.run(call, env=os.environ | {"OMP_NUM_THREADS": "1"}, check=True, capture_output=True)
    return float(json.loads((folder / "result.json").read_text(encoding="utf-8"))["miou_pct"])


if __name__ == "__main__":
    main()
