"""Small models of super-resolution on disk: random weights, and the manifest that rebuilds them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from rs_adapt.engine.pack import write_manifest, write_tensors
from rs_adapt.runs.records import BaseWeights, CellNames, Manifest, NetworkFacts
from rs_adapt.superresolution.network import FlowNetwork

SIZES: dict[str, Any] = {"embed_dim": 8, "depths": [2], "num_heads": 2, "window_px": 4, "mlp_ratio": 1.0}
PARTS = {"quaternion": False, "flow_conv": False}
CELL = CellNames(
    bench="images",
    setting="sr",
    method="swin",
    backbone="swin_flow",
    head="subpixel",
    strategy="supervised",
    seed=0,
    protocol="snapshots",
)


def write_resolver(folder: Path, *, scale: int = 2, trains: bool = True, seed: int = 0, kind: str = "colour") -> Path:
    """Write a pack whose network adds noise to the interpolation, or none where it does not train."""
    folder.mkdir(parents=True, exist_ok=True)
    model = nn.Module()
    if trains:
        torch.manual_seed(seed)
        network = FlowNetwork(scale=scale, **SIZES, **PARTS)
        nn.init.normal_(network.last.weight, std=0.1)
        model.network = network
    write_tensors(folder, model)
    write_manifest(
        folder,
        Manifest(
            cell=CELL,
            overrides=[],
            base=BaseWeights(name="swin_flow", sha256="", weights="random"),
            classes=["red", "green", "blue"],
            network=NetworkFacts(
                kind=kind, scale=scale, trains=trains, **SIZES, **PARTS, mean=[90.0, 100.0, 80.0], deviation=40.0
            ),
        ),
    )
    return folder
