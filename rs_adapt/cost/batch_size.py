"""The largest batch that fits in the free memory of the device, by prediction."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from rs_adapt.cost.cards import describe_bytes, needed_bytes
from rs_adapt.cost.predict import predict_memory
from rs_adapt.engine.build import choose_device
from rs_adapt.errors import ConfigError
from rs_adapt.registry import load_libraries, quiet_libraries

if TYPE_CHECKING:
    from rs_adapt.config.resolved import ResolvedConfig

_MEMINFO = Path("/proc/meminfo")
# Of a container or a job of Slurm: the limit, and what is in use.
_CGROUP = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current"))


@dataclass(frozen=True, kw_only=True)
class BatchChoice:
    """A chosen batch.

    Attributes:
        batch_size: Crops per domain and iteration.
        most: The number of the configuration, which is never exceeded.
        needed_bytes: Memory that training needs with it, margins included.
        free_bytes: Free memory of the device.
    """

    batch_size: int
    most: int
    needed_bytes: int
    free_bytes: int

    def describe(self) -> str:
        """Return the choice in one line."""
        memory = f"needs about {describe_bytes(self.needed_bytes)} of {describe_bytes(self.free_bytes)} free"
        if self.batch_size == self.most:
            return f"batch size auto: {self.most}, as configured; {memory}"
        return (
            f"batch size auto: {self.batch_size} in place of {self.most}, which does not fit; {memory}. Scores are not "
            f"comparable with those of batch {self.most}."
        )


def choose_batch_size(cfg: ResolvedConfig, *, device: str) -> BatchChoice:
    """Choose the largest batch up to the configuration's that fits in the free memory of the device.

    Any whole number may be chosen: batches of segmentation are small, and a power of two would leave up to half of the
    memory unused. A larger batch than the configuration's is not, because it would change the results without need.

    Args:
        cfg: The resolved configuration.
        device: "auto", "cpu", "cuda" or "cuda:N".

    Raises:
        ConfigError: Not even one crop fits, or the memory of the cell cannot be predicted.
        DeviceUnavailable: There is no such device.
    """
    with quiet_libraries():
        choose_device(device)
        load_libraries(cfg.default_scope)
    on_gpu = device != "cpu" and torch.cuda.is_available()
    free_bytes = free_memory(on_gpu=on_gpu)

    def predict(batch_size: int) -> int:
        predicted = predict_memory(cfg, batch_size=batch_size, device_type="cuda" if on_gpu else "cpu")
        return needed_bytes(predicted.peak_bytes, on_gpu=on_gpu)

    return largest_batch(predict, most=cfg.train_dataloader.batch_size, free_bytes=free_bytes)


def largest_batch(predict: Callable[[int], int], *, most: int, free_bytes: int) -> BatchChoice:
    """Return the largest batch from 1 to `most` that fits, by bisection.

    Args:
        predict: Returns the bytes that a batch needs; they grow with it.
        most: The largest batch that is allowed, which is tried first.
        free_bytes: Bytes that are free.

    Raises:
        ConfigError: Not even a batch of 1 fits.
    """
    needs = {most: predict(most)}
    if needs[most] > free_bytes and most > 1:
        needs[1] = predict(1)
    smallest = min(needs)
    if needs[smallest] > free_bytes:
        raise ConfigError(
            f"--batch-size auto: a batch of 1 needs about {describe_bytes(needs[smallest])}, and "
            f"{describe_bytes(free_bytes)} are free. Try --set runtime.memory=low, --precision bf16, a smaller "
            "--backbone or a smaller bench.crop_px; `rs-adapt plan --memory` predicts what they need."
        )
    fits, too_large = (most, most + 1) if needs[most] <= free_bytes else (1, most)
    while too_large - fits > 1:
        middle = (fits + too_large) // 2
        needs[middle] = predict(middle)
        fits, too_large = (middle, too_large) if needs[middle] <= free_bytes else (fits, middle)
    return BatchChoice(batch_size=fits, most=most, needed_bytes=needs[fits], free_bytes=free_bytes)


def free_memory(*, on_gpu: bool) -> int:
    """Return the free bytes of the current GPU, or of the main memory within the limit of a container."""
    if on_gpu:
        return int(torch.cuda.mem_get_info()[0])
    # Not every system states what is available; then all pages count.
    free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if _MEMINFO.is_file():
        lines = dict(line.split(":", 1) for line in _MEMINFO.read_text().splitlines() if ":" in line)
        free = 1024 * int(lines["MemAvailable"].split()[0])
    limit, used = _CGROUP
    if limit.is_file() and (text := limit.read_text().strip()).isdigit():
        free = min(free, max(0, int(text) - int(used.read_text())))
    return free
