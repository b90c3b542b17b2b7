"""What the processes that train one model together share: draws and sums over the global batch, and who goes first.

A batch of B images is dealt out like cards: with K processes, image `rank + K * j` of the global batch is image j of
process `rank`. Everything here is the plain thing with a single process.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from mmengine.dist import all_gather, all_reduce, get_dist_info
from torch import Tensor

from rs_adapt.errors import ConfigError, StoppedElsewhere

T = TypeVar("T")

LAUNCHED_BY = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
# Cutting tiles may take hours, and the other processes wait for it.
_PATIENCE = timedelta(days=2)

# The key of the draws that all processes make alike, and the generators that make them, by device.
_key = 0
_generators: dict[torch.device, torch.Generator] = {}
# On the CPU, so that asking the others never makes a GPU wait.
_talk: Any = None


def launched() -> bool:
    """Whether a launcher such as torchrun started this process as one of several."""
    return all(name in os.environ for name in LAUNCHED_BY) and int(os.environ["WORLD_SIZE"]) > 1


def place() -> tuple[int, int]:
    """Number of this process, from 0, and how many there are."""
    rank, count = get_dist_info()
    return int(rank), int(count)


@contextmanager
def together(*, on_gpu: bool) -> Iterator[None]:
    """Join the other processes that the launcher started, for the time of the context; nothing to do for a single one.

    Args:
        on_gpu: Whether tensors lie on a GPU: NCCL carries them then, Gloo otherwise.
    """
    global _talk
    if launched() and not dist.is_initialized():
        dist.init_process_group("nccl" if on_gpu else "gloo")
        _talk = dist.new_group(backend="gloo", timeout=_PATIENCE)
    try:
        yield
    finally:
        _leave()


def part() -> None:
    """Leave the others before the context ends, when all have come to this point; the process goes on alone."""
    if _talk is not None:
        dist.barrier(_talk)
        _leave()


def _leave() -> None:
    global _talk
    if _talk is not None:
        _talk = None
        dist.destroy_process_group()


def first_alone(work: Callable[[], T]) -> T:
    """Let the first process do something that is needed once, while the others wait; all get its result.

    Args:
        work: What to do; its result must be picklable.

    Raises:
        StoppedElsewhere: In the other processes, if the first one failed. It raises its own error.
    """
    if _talk is None:
        return work()
    told: list[Any] = [None]
    if dist.get_rank() == 0:
        try:
            told = [(work(), None)]
        except BaseException as error:
            told = [(None, getattr(error, "exit_code", 1))]
            raise
        finally:
            dist.broadcast_object_list(told, src=0, group=_talk)
    else:
        dist.broadcast_object_list(told, src=0, group=_talk)
    result, exit_code = told[0]
    if exit_code is not None:
        raise StoppedElsewhere(exit_code)
    return result  # type: ignore[no-any-return]


def any_of(mine: bool) -> bool:
    """Whether one of the processes says yes; every one of them must ask. No GPU is waited for."""
    if _talk is None:
        return mine
    flag = torch.tensor(int(mine))
    dist.all_reduce(flag, op=dist.ReduceOp.MAX, group=_talk)
    return bool(flag)


def local_batch(batch_size: int, processes: int) -> int:
    """Share of a process in a global batch.

    Raises:
        ConfigError: The batch cannot be dealt out evenly.
    """
    if batch_size % processes:
        below, above = batch_size // processes * processes, -(-batch_size // processes) * processes
        fitting = [str(count) for count in range(1, batch_size + 1) if batch_size % count == 0]
        raise ConfigError(
            f"A batch of {batch_size} images a domain cannot be dealt out evenly to {processes} processes. Take "
            f"--batch-size {f'{below} or {above}' if below else above}, or {' or '.join(fitting)} processes."
        )
    return batch_size // processes


def own_of(count: int) -> slice:
    """Where this process's `count` images stand in the global batch."""
    rank, processes = place()
    return slice(rank, count * processes, processes)


def in_batch(count: int) -> int:
    """Images in the global batch of which this process has `count`."""
    return count * place()[1]


def gathered(values: Sequence[int]) -> list[int]:
    """One whole number for each image of this process -> those of the whole batch, in its order."""
    if place()[1] == 1:
        return list(values)
    parts = torch.stack(all_gather(torch.tensor(values, dtype=torch.int64), group=_talk))
    return [int(value) for value in parts.T.flatten()]


def summed(value: Tensor) -> Tensor:
    """Add a tensor up over all processes, in place, and return it."""
    all_reduce(value)
    return value


def share_of_total(total: Tensor, least: float | None = None) -> Tensor:
    """What a process divides its sum by, so that the mean over the processes is a mean over the whole batch.

    Args:
        total: What one process would divide by, of this process's images: a number of pixels, a sum of weights.
        least: Lower bound of the total over all processes; None for none.
    """
    _, processes = place()
    whole = total if processes == 1 else summed(total.clone())
    whole = whole if least is None else whole.clamp_min(least)
    return whole if processes == 1 else whole / processes


def seed_draws(key: int) -> None:
    """Begin the draws that are made for the whole batch; `generator` continues with them.

    Args:
        key: The same in all processes.
    """
    global _key
    _key = key
    _generators.clear()


def generator(device: torch.device | str = "cpu") -> torch.Generator | None:
    """Of draws for the whole batch: every process must make the same ones. None is torch's own, for a single process.

    With several processes torch's own generator is seeded by the rank and serves what is drawn for local images only.
    """
    if place()[1] == 1:
        return None
    device = torch.device(device)
    if device not in _generators:
        _generators[device] = torch.Generator(device).manual_seed(_key)
    return _generators[device]


def rand(count: int, *shape: int, device: torch.device | str = "cpu") -> Tensor:
    """Uniform numbers in [0, 1), float32 (count, *shape): those that one process draws for the same images."""
    return torch.rand(in_batch(count), *shape, generator=generator(device), device=device)[own_of(count)]


def randn(count: int, *shape: int, device: torch.device | str = "cpu") -> Tensor:
    """Normal numbers as `rand`."""
    return torch.randn(in_batch(count), *shape, generator=generator(device), device=device)[own_of(count)]
