"""Peak memory of a training step, predicted from shapes: the plain formulation beside ours.

    python benchmarks/predicted_peaks.py [--backbones dinov2-b dinov2-l] [--settings dg da] [--head mask2former]

LoveDA at 512 px with its batch sizes (4 crops in generalization, 2 + 2 in adaptation), Earth-Adapter, `dacs`. The plain
step is that of `gpu_speed/plain.py`: FFT in Earth-Adapter, whole masks in the loss, a teacher with a backbone of its
own. Both run an iteration whose tensors have shapes and types but no values (`rs_adapt.cost.predict`), so neither a GPU
nor data or weights are needed. What is counted is every live tensor, and not the workspaces within operations.
"""

from __future__ import annotations

import argparse
import os
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from gpu_speed.plain import plain_model
from mmengine.model import BaseDataPreprocessor

from rs_adapt.api.configuration import compose
from rs_adapt.cost.cards import GIB
from rs_adapt.cost.predict import measure_iteration, predict_memory
from rs_adapt.cost.valueless import assume_values, drop_values
from rs_adapt.engine.parameters import build_on_meta
from rs_adapt.registry import load_libraries, quiet_libraries

# Precision of the step, and further settings of ours.
FORMS: dict[str, tuple[str, tuple[str, ...]]] = {
    "plain, fp32": ("fp32", ()),
    "plain, bf16": ("bf16", ()),
    "ours, fp32": ("fp32", ()),
    "ours, fp32, memory=low": ("fp32", ("runtime.memory=low",)),
    "ours, bf16": ("bf16", ()),
    "ours, bf16, base in bf16": ("bf16", ("runtime.base_precision=bf16",)),
    "ours, bf16, base in bf16, memory=low": ("bf16", ("runtime.base_precision=bf16", "runtime.memory=low")),
}


def peak_gib(form: str, setting: str, backbone: str, head: str) -> float:
    """Return the predicted peak of a form of a step in GiB."""
    precision, overrides = FORMS[form]
    cfg = compose(
        f"loveda-{setting}",
        backbone=backbone,
        head=head,
        method="earth-adapter",
        precision=precision,
        weights="random",
        overrides=overrides,
    )
    with quiet_libraries():
        load_libraries(cfg.default_scope)
        peak_bytes = _plain_peak(cfg) if form.startswith("plain") else predict_memory(cfg).peak_bytes
    return peak_bytes / GIB


def _plain_peak(cfg: Any) -> int:
    model = plain_model(build_on_meta(cfg).train(), cfg).train()
    for module in model.modules():
        if isinstance(module, BaseDataPreprocessor):
            # It was moved to the meta device with the model, and images would follow it there.
            module._device = torch.device("cpu")
    drop_values(model)
    with assume_values(model, num_classes=len(cfg.bench.classes)):
        return measure_iteration(cfg, model).peak_bytes


def main() -> None:
    """Print the table row by row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbones", nargs="+", default=("dinov2-b", "dinov2-l", "dinov2-g"))
    parser.add_argument("--settings", nargs="+", choices=("dg", "da"), default=("dg", "da"))
    parser.add_argument("--head", default="mask2former")
    args = parser.parse_args()
    print(f"| backbone | setting | {' | '.join(FORMS)} |")
    print(f"|---|---|{'---|' * len(FORMS)}")
    for backbone in args.backbones:
        for setting in args.settings:
            peaks = [peak_gib(form, setting, backbone, args.head) for form in FORMS]
            entries = [f"{peak:.1f} ({peak / peaks[0]:.2f})" for peak in peaks]
            print(f"| {backbone} | {setting} | {' | '.join(entries)} |", flush=True)


if __name__ == "__main__":
    main()
