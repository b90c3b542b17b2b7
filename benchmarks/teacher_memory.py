"""Peak memory of adaptation: the teacher on the student's backbone beside a deep copy of the segmentor.

    python benchmarks/teacher_memory.py [--device cpu] [--threads 1] [--repeats 3] [--cases nano-128 b-512] [--batch 1]

Both take the same two steps (strategy `dacs` from its first iteration, Earth-Adapter, linear head, random weights,
noise for images), each form in a fresh process; in the second step there is optimizer state, and the teacher is no
longer the student. On a CPU the peak is that of the process (`ru_maxrss`), and "own" is what it adds to what the
process holds after its imports; with `--device cuda` both are the allocator's peak. Figures are medians over the
repeats; "equal" losses are equal in all digits in both steps and all repeats.
"""

from __future__ import annotations

import argparse
import copy
import json
import resource
import statistics
import subprocess
import sys
from typing import Any

import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import Tensor

from rs_adapt.config import compose, resolve_cell
from rs_adapt.engine.optim import OptimWrapper
from rs_adapt.registry import MODELS, load_libraries
from rs_adapt.strategies import PseudoLabels, SelfTraining
from rs_adapt.strategies.pseudo_labels import valid_pixels

CASES = {"nano-128": ("dinov2_nano", 128), "b-224": ("dinov2_b", 224), "b-512": ("dinov2_b", 512)}
CLASSES = 7
MIB = 2**20
STEPS = 2


class CopiedTeacher(SelfTraining):
    """The usual form: a deep copy of the whole segmentor, into which the averages are written in each step."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        # Past nn.Module, so that the copy is no part of the student.
        self.__dict__["teacher"] = copy.deepcopy(self.segmentor).eval()

    @torch.no_grad()
    def label_target(self, inputs: Tensor, data_samples: list[SegDataSample]) -> PseudoLabels:
        """Label the target by the copy."""
        teacher: Any = self.__dict__["teacher"].to(inputs.device)
        parameters = dict(teacher.named_parameters())
        for name, average in self.ema.weights().items():
            parameters[name].copy_(average)
        scores = teacher.encode_decode(inputs, [{"img_shape": inputs.shape[-2:]}] * len(inputs))
        valid = valid_pixels(data_samples, inputs.shape[-2], inputs.shape[-1], inputs.device)
        pseudo: PseudoLabels = self.labeler(scores, valid)
        return pseudo


def noise(size_px: int, batch: int) -> dict[str, Any]:
    """Source and target images of noise; blocks of 16 px have a class each."""
    generator = torch.Generator().manual_seed(0)
    data = {}
    for domain in ("source", "target"):
        images = torch.randint(0, 256, (batch, 3, size_px, size_px), generator=generator, dtype=torch.uint8)
        samples = [SegDataSample(metainfo={"img_shape": (size_px,) * 2, "ori_shape": (size_px,) * 2}) for _ in images]
        for sample in samples:
            blocks = torch.randint(0, CLASSES, (1, size_px // 16, size_px // 16), generator=generator)
            label = blocks.repeat_interleave(16, dim=1).repeat_interleave(16, dim=2)
            if domain == "source":
                sample.gt_sem_seg = PixelData(data=label)
        data[domain] = {"inputs": list(images), "data_samples": samples}
    return data


def peak_bytes(device: str) -> int:
    """Return the peak so far: of the allocator on a GPU, else of this process."""
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated()
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def measure(form: type[SelfTraining], args: argparse.Namespace) -> dict[str, Any]:
    """Train in this process; return the losses, the peak, and the peak before the model was built."""
    backbone, size_px = CASES[args.case]
    cell = resolve_cell("loveda-da", backbone=backbone, head="linear", strategy="dacs")
    cfg = compose(cell, weights="random", overrides=[f"bench.crop_px={size_px}", "strategy.warmup_iters=0"])
    load_libraries()
    before = peak_bytes(args.device)
    torch.manual_seed(0)
    # By hand: the registry knows one class of this kind only.
    settings = {name: value for name, value in cfg.model.items() if name not in ("type", "segmentor")}
    model = form(segmentor=MODELS.build(cfg.model.segmentor), **settings).to(args.device)
    weights = [value for value in model.parameters() if value.requires_grad]
    wrapper = OptimWrapper(torch.optim.AdamW(weights, lr=1e-4))
    losses = []
    for step in range(STEPS):
        torch.manual_seed(step)
        found = model.train_step(noise(size_px, args.batch), wrapper)
        losses.append({name: value.item().hex() for name, value in found.items()})
    return {"peak": peak_bytes(args.device), "before": before, "losses": losses}


def in_fresh_process(case: str, form: str, args: argparse.Namespace) -> dict[str, Any]:
    """Run `measure` in a process of its own."""
    options = ["--device", args.device, "--threads", str(args.threads), "--batch", str(args.batch)]
    command = [sys.executable, __file__, "--case", case, "--form", form, *options]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def row(case: str, args: argparse.Namespace) -> str:
    """Return one row of the table; the forms run in turns."""
    runs = [(form, in_fresh_process(case, form, args)) for _ in range(args.repeats) for form in ("copied", "shared")]

    def mib(form: str, *, own: bool) -> float:
        values: list[float] = [run["peak"] - own * run["before"] for name, run in runs if name == form]
        return statistics.median(values) / MIB

    peaks = [mib(form, own=False) for form in ("copied", "shared")]
    owned = [mib(form, own=True) for form in ("copied", "shared")]
    equal = all(run["losses"] == runs[0][1]["losses"] for _, run in runs)
    backbone, size_px = CASES[case]
    cells = [f"{copied:.0f}, {shared:.0f} | {shared / copied:.2f}" for copied, shared in (peaks, owned)]
    return f"| {backbone} | {size_px} | {' | '.join(cells)} | {'equal' if equal else 'DIFFERENT'} |"


def main() -> None:
    """Print the table, or the JSON of one process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=["nano-128", "b-512"])
    parser.add_argument("--case", choices=CASES, help=argparse.SUPPRESS)
    parser.add_argument("--form", choices=["shared", "copied"], help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.form is not None:
        print(json.dumps(measure(SelfTraining if args.form == "shared" else CopiedTeacher, args)))
        return
    print(f"torch {torch.__version__}, {args.device}, {args.threads} threads, batch {args.batch} + {args.batch}, fp32")
    print("| backbone | px | peak, MiB: copied, shared | ratio | own, MiB: copied, shared | ratio | losses |")
    print("|---|---|---|---|---|---|---|")
    for case in args.cases:
        print(row(case, args), flush=True)


if __name__ == "__main__":
    main()
