"""Memory of training by size of backbone, predicted from shapes: the table of docs/guides/training-speed.md.

    python benchmarks/memory_table.py [--backbones dinov2-s dinov2-b] [--head linear] [--method earth-adapter]

LoveDA at 512 px with its batch sizes (4 crops in generalization, 2 + 2 in adaptation). Needs no GPU, data or weights;
DINOv3-7B takes some 5 to 10 CPU seconds a number. A cell of the table is the peak of all tensors in GiB and the
smallest card that fits it with the margins of `rs_adapt.cost.cards`.
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

from rs_adapt.api.configuration import compose
from rs_adapt.config.execution import BF16, FP32, LOW, NORMAL
from rs_adapt.cost.cards import GIB, fitting_cards
from rs_adapt.cost.predict import predict_memory
from rs_adapt.registry import load_libraries, quiet_libraries

BACKBONES = ("dinov2-s", "dinov2-b", "dinov2-l", "dinov2-g", "dinov3-7b")
SETTINGS = ("dg", "da")
# Precision of the forward pass, and of the base.
COLUMNS = {"fp32": (FP32, FP32), "bf16": (BF16, FP32), "bf16, base": (BF16, BF16)}


def entry(setting: str, backbone: str, column: str, memory: str, args: argparse.Namespace) -> str:
    """Return the predicted peak and the smallest card that fits it."""
    precision, base = COLUMNS[column]
    cfg = compose(
        f"loveda-{setting}",
        backbone=backbone,
        head=args.head,
        method=args.method,
        precision=precision,
        weights="random",
        overrides=[f"runtime.memory={memory}", f"runtime.base_precision={base}"],
    )
    with quiet_libraries():
        load_libraries(cfg.default_scope)
    peak_bytes = predict_memory(cfg).peak_bytes
    cards = fitting_cards(peak_bytes)
    return f"{peak_bytes / GIB:.1f} ({cards[0] if cards else 'none'})"


def main() -> None:
    """Print the table row by row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbones", nargs="+", default=BACKBONES)
    parser.add_argument("--settings", nargs="+", choices=SETTINGS, default=SETTINGS)
    parser.add_argument("--head", default="linear")
    parser.add_argument("--method", default="earth-adapter")
    args = parser.parse_args()
    titles = [title for name in COLUMNS for title in (name, f"{name}, low")]
    print(f"| backbone | setting | {' | '.join(titles)} |")
    print(f"|---|---|{'---|' * len(titles)}")
    for backbone in args.backbones:
        for setting in args.settings:
            entries = [entry(setting, backbone, column, m, args) for column in COLUMNS for m in (NORMAL, LOW)]
            print(f"| {backbone} | {setting} | {' | '.join(entries)} |", flush=True)


if __name__ == "__main__":
    main()
