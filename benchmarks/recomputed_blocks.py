"""Memory and time of training with `runtime.memory=low`, beside the usual form.

    python benchmarks/recomputed_blocks.py --cases nano-128 s-224 b-224 --repeats 5 [--head mask2former]

A step is forward pass, loss, backward pass and AdamW of Earth-Adapter, source only. Peaks are
those of resident memory, of a process of its own for each form, above what imports take; times are CPU seconds of both
forms in turns in one process. Losses and trained weights of both forms are compared bit for bit.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from mmengine.optim import OptimWrapper
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from rs_adapt.api.configuration import compose
from rs_adapt.config.execution import LOW, NORMAL
from rs_adapt.engine.build import build_model
from rs_adapt.engine.recomputing import recompute_blocks
from rs_adapt.registry import load_libraries, quiet_libraries

CASES = {
    "nano-128": ("dinov2_nano", 128),
    "s-224": ("dinov2_s", 224),
    "b-224": ("dinov2_b", 224),
    "b-512": ("dinov2_b", 512),
}
STEPS = 2
MIB = 2**20


class Step:
    """A model with its optimizer and one batch of noise."""

    def __init__(self, case: str, memory: str, batch: int, head: str) -> None:
        backbone, size_px = CASES[case]
        cfg = compose(
            "loveda-dg",
            backbone=backbone,
            head=head,
            method="earth-adapter",
            weights="random",
            overrides=[f"bench.crop_px={size_px}", f"runtime.memory={memory}"],
        )
        with quiet_libraries():
            load_libraries(cfg.default_scope)
            self.before = _peak_bytes()
            torch.manual_seed(0)
            self.model = build_model(cfg).train()
        recompute_blocks(cfg, self.model)
        weights = [value for value in self.model.parameters() if value.requires_grad]
        self.wrapper = OptimWrapper(torch.optim.AdamW(weights, lr=1e-4))
        generator = torch.Generator().manual_seed(0)
        images = torch.randint(0, 256, (batch, 3, size_px, size_px), generator=generator, dtype=torch.uint8)
        samples = [SegDataSample(metainfo={"img_shape": (size_px,) * 2, "ori_shape": (size_px,) * 2}) for _ in images]
        for sample in samples:
            blocks = torch.randint(0, 7, (1, size_px // 16, size_px // 16), generator=generator)
            sample.gt_sem_seg = PixelData(data=blocks.repeat_interleave(16, dim=1).repeat_interleave(16, dim=2))
        self.data = {"inputs": list(images), "data_samples": samples}

    def run(self, number: int) -> dict[str, str]:
        """Train one step with the draws of its number; return the losses in all digits."""
        torch.manual_seed(number)
        losses = self.model.train_step(self.data, self.wrapper)
        return {name: value.item().hex() for name, value in losses.items()}

    def digest(self) -> str:
        """Return a hash of what trains."""
        trained = [value.detach().numpy().tobytes() for value in self.model.parameters() if value.requires_grad]
        return hashlib.sha256(b"".join(trained)).hexdigest()


def _peak_bytes() -> int:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _peak(case: str, memory: str, batch: int, head: str) -> dict[str, Any]:
    """Measure a form in a process of its own."""
    command = [sys.executable, __file__, "--case", case, "--form", memory, "--batch", str(batch), "--head", head]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def _row(case: str, peaks: dict[str, dict[str, Any]], repeats: int, batch: int, head: str) -> str:
    own = {memory: (peak["peak"] - peak["before"]) / MIB for memory, peak in peaks.items()}
    steps = {memory: Step(case, memory, batch, head) for memory in (NORMAL, LOW)}
    seconds: dict[str, list[float]] = {NORMAL: [], LOW: []}
    for number in range(repeats + 1):
        for memory, step in steps.items():
            began_s = time.process_time()
            step.run(number)
            if number:
                seconds[memory].append(time.process_time() - began_s)
    ratios = [low / normal for normal, low in zip(seconds[NORMAL], seconds[LOW], strict=True)]
    equal = all(peaks[NORMAL][key] == peaks[LOW][key] for key in ("losses", "digest"))
    equal &= steps[NORMAL].digest() == steps[LOW].digest()
    time_words = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
    return (
        f"| {case} | {own[NORMAL]:.0f}, {own[LOW]:.0f} | {own[LOW] / own[NORMAL]:.2f} | "
        f"{statistics.median(seconds[NORMAL]):.3f}, {statistics.median(seconds[LOW]):.3f} | "
        f"{time_words} | {'equal' if equal else 'DIFFERENT'} |"
    )


def main() -> None:
    """Print the table, or the JSON of one process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=["nano-128", "s-224", "b-224"])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--head", default="linear")
    parser.add_argument("--case", choices=CASES, help=argparse.SUPPRESS)
    parser.add_argument("--form", choices=[NORMAL, LOW], help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.form is not None:
        step = Step(args.case, args.form, args.batch, args.head)
        losses = [step.run(number) for number in range(STEPS)]
        facts = {"peak": _peak_bytes(), "before": step.before, "losses": losses, "digest": step.digest()}
        print(json.dumps(facts))
        return
    print("| case | own peak, MiB: normal, low | ratio | CPU s a step: normal, low | ratio (range) | numbers |")
    print("|---|---|---|---|---|---|")
    # All peaks first: a process begins with that of the one that starts it.
    peaks = {
        case: {memory: _peak(case, memory, args.batch, args.head) for memory in (NORMAL, LOW)} for case in args.cases
    }
    for case in args.cases:
        print(_row(case, peaks[case], args.repeats, args.batch, args.head), flush=True)


if __name__ == "__main__":
    main()
