"""One of two processes that train together: `python two_processes.py RANK FOLDER` writes FOLDER/RANK.pt."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from mmengine.model import MMDistributedDataParallel
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from rs_adapt.config import compose, resolve_cell
from rs_adapt.engine.optim import OptimWrapper
from rs_adapt.registry import MODELS, load_libraries

SIZE, STEPS = 32, 3
OVERRIDES = (
    f"bench.crop_px={SIZE}",
    "bench.inference.mode='whole'",
    "strategy.warmup_iters=1",
    "strategy.ema_decay=0.6",
    "strategy.mask_weight=1.0",
    "strategy.feature_weight=0.1",
)


def batch(seed: int) -> dict[str, Any]:
    """One source and one target image of noise; blocks of 8 px have a class each."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (2, 3, SIZE, SIZE), generator=generator, dtype=torch.uint8)
    labels = torch.randint(0, 4, (1, SIZE // 8, SIZE // 8), generator=generator)
    samples = [SegDataSample(metainfo={"img_shape": (SIZE, SIZE), "ori_shape": (SIZE, SIZE)}) for _ in range(2)]
    samples[0].gt_sem_seg = PixelData(data=labels.repeat_interleave(8, dim=1).repeat_interleave(8, dim=2))
    return {
        domain: {"inputs": [image], "data_samples": [sample]}
        for domain, image, sample in zip(("source", "target"), images, samples, strict=True)
    }


def main(rank: int, folder: Path) -> None:
    """Train and write losses, the weights before each step and after the last, and the averages."""
    dist.init_process_group("gloo", init_method=f"file://{folder / 'meeting'}", rank=rank, world_size=2)
    load_libraries()
    torch.manual_seed(0)
    cell = resolve_cell("synthetic-da", backbone="dinov2-nano", head="linear")
    model = MODELS.build(compose(cell, overrides=OVERRIDES).model)
    # As mmengine's Runner wraps it.
    wrapped = MMDistributedDataParallel(module=model, broadcast_buffers=False)
    trainable = {name: value for name, value in model.segmentor.named_parameters() if value.requires_grad}
    wrapper = OptimWrapper(torch.optim.AdamW(trainable.values(), lr=0.01))
    history, losses = [], []
    for step in range(STEPS + 1):
        history.append({name: value.detach().clone() for name, value in trainable.items()})
        if step < STEPS:
            torch.manual_seed(2 * step + rank)
            losses.append(float(wrapped.train_step(batch(2 * step + rank), wrapper)["loss"]))
    torch.save({"history": history, "losses": losses, "ema": model.ema.weights()}, folder / f"{rank}.pt")
    dist.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
