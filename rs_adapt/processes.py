"""Data-parallel training: the process group, and random draws and sums over the global batch.

The global batch is interleaved over the ranks: with K processes, image `rank + K * j` of the global batch is image j of
process `rank`. With a single process every function reduces to its local meaning.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from mmengine.dist import all_gather, all_reduce, broadcast, get_dist_info
from torch import Tensor

from rs_adapt.errors import ConfigError, StoppedElsewhere

T = TypeVar("T")

LAUNCHED_BY = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
# Rank 0 may cut tiles for hours while the other ranks wait.
_CONTROL_TIMEOUT = timedelta(days=2)

# Seed of the draws that all ranks share, and their generators by device.
_shared_seed = 0
_generators: dict[torch.device, torch.Generator] = {}
# A Gloo group on the CPU, so that control messages never synchronise a GPU.
_control_group: dist.ProcessGroup | None = None


def launched_as_group() -> bool:
    """Return whether a launcher such as torchrun started this process as one of several."""
    return all(name in os.environ for name in LAUNCHED_BY) and int(os.environ["WORLD_SIZE"]) > 1


def rank_and_world_size() -> tuple[int, int]:
    """Return the rank of this process, from 0, and the number of processes."""
    rank, count = get_dist_info()
    return int(rank), int(count)


@contextmanager
def process_group(*, on_gpu: bool) -> Iterator[None]:
    """Join the launcher's process group within the block; do nothing in a single process.

    Args:
        on_gpu: Use NCCL for tensors on GPUs; otherwise Gloo.
    """
    global _control_group
    if launched_as_group() and not dist.is_initialized():
        dist.init_process_group("nccl" if on_gpu else "gloo")
        _control_group = dist.new_group(backend="gloo", timeout=_CONTROL_TIMEOUT)
    try:
        yield
    finally:
        _leave()


def leave_process_group() -> None:
    """Wait for all ranks, then leave the group before the block ends; the process continues alone."""
    if _control_group is not None:
        dist.barrier(_control_group)
        _leave()


def _leave() -> None:
    global _control_group
    if _control_group is not None:
        _control_group = None
        dist.destroy_process_group()


def on_rank_zero(work: Callable[[], T]) -> T:
    """Call a function on rank 0 while the other ranks wait, and return its result on every rank.

    Args:
        work: The function; its result must be picklable.

    Raises:
        StoppedElsewhere: On the other ranks, if the call failed on rank 0, which raises the original error.
    """
    if _control_group is None:
        return work()
    message: list[Any] = [None]
    if dist.get_rank() == 0:
        try:
            message = [(work(), None)]
        except BaseException as error:
            message = [(None, getattr(error, "exit_code", 1))]
            raise
        finally:
            dist.broadcast_object_list(message, src=0, group=_control_group)
    else:
        dist.broadcast_object_list(message, src=0, group=_control_group)
    result, exit_code = message[0]
    if exit_code is not None:
        raise StoppedElsewhere(exit_code)
    return result  # type: ignore[no-any-return]


def any_rank(flag: bool) -> bool:
    """Return whether the flag is set on any rank. Every rank must call this; no GPU is synchronised."""
    if _control_group is None:
        return flag
    flags = torch.tensor(int(flag))
    dist.all_reduce(flags, op=dist.ReduceOp.MAX, group=_control_group)
    return bool(flags)


def local_batch_size(batch_size: int, processes: int) -> int:
    """Return the images of each process in a global batch.

    Raises:
        ConfigError: The batch cannot be divided evenly.
    """
    if batch_size % processes:
        below, above = batch_size // processes * processes, -(-batch_size // processes) * processes
        fitting = [str(count) for count in range(1, batch_size + 1) if batch_size % count == 0]
        raise ConfigError(
            f"A batch of {batch_size} images per domain cannot be divided evenly among {processes} processes. Use "
            f"--batch-size {f'{below} or {above}' if below else above}, or {' or '.join(fitting)} processes."
        )
    return batch_size // processes


def check_processes(processes: int, *, batch_size: int) -> None:
    """Check that so many processes can train together.

    Args:
        processes: Number of processes that the user asks for.
        batch_size: Images per domain in the global batch.

    Raises:
        ConfigError: The batch cannot be divided among them, or a launcher started a different number.
    """
    local_batch_size(batch_size, processes)
    if launched_as_group() and int(os.environ["WORLD_SIZE"]) != processes:
        raise ConfigError(
            f"--processes is {processes}, but a launcher has started {os.environ['WORLD_SIZE']} processes already. "
            "Leave the option out: the launcher sets the number."
        )


def local_slice(count: int) -> slice:
    """Return the positions of this process's `count` images in the global batch."""
    rank, processes = rank_and_world_size()
    return slice(rank, count * processes, processes)


def global_batch_size(count: int) -> int:
    """Return the size of the global batch, of which this process holds `count` images."""
    return count * rank_and_world_size()[1]


def gather_in_batch_order(values: Sequence[int]) -> list[int]:
    """Gather one integer per image from every rank, in the order of the global batch."""
    if rank_and_world_size()[1] == 1:
        return list(values)
    parts = torch.stack(all_gather(torch.tensor(values, dtype=torch.int64), group=_control_group))
    return [int(value) for value in parts.T.flatten()]


def gather_images(images_BDHW: Tensor) -> Tensor:
    """Return the images of the global batch (K B, D, H, W), in its order, of which this process holds B."""
    if rank_and_world_size()[1] == 1:
        return images_BDHW
    parts = torch.stack(all_gather(images_BDHW.contiguous()), dim=1)
    return parts.flatten(0, 1)


def take_from_rank_zero(tensors: Iterable[Tensor]) -> None:
    """Give tensors on every rank the values that they have on rank 0, in place."""
    for tensor in tensors:
        broadcast(tensor.data, src=0)


def sum_over_ranks(value: Tensor) -> Tensor:
    """Sum a tensor over all ranks in place, and return it."""
    all_reduce(value)
    return value


def global_mean_denominator(total: Tensor, least: float | None = None) -> Tensor:
    """Return the local denominator for which the mean over ranks equals the mean over the global batch.

    Args:
        total: The denominator over this process's images: a number of pixels or a sum of weights.
        least: Lower bound of the total over all ranks; None for no bound.
    """
    _, processes = rank_and_world_size()
    whole = total if processes == 1 else sum_over_ranks(total.clone())
    whole = whole if least is None else whole.clamp_min(least)
    return whole if processes == 1 else whole / processes


def seed_draws(seed: int) -> None:
    """Seed the draws for the global batch, which `generator` makes.

    Args:
        seed: The same on all ranks.
    """
    global _shared_seed
    _shared_seed = seed
    _generators.clear()


def generator(device: torch.device | str = "cpu") -> torch.Generator | None:
    """Return the generator of draws for the global batch, which every rank must make alike.

    None, for a single process, stands for torch's default generator. With several processes the default generator is
    seeded by the rank, and is for draws that concern local images only.
    """
    if rank_and_world_size()[1] == 1:
        return None
    device = torch.device(device)
    if device not in _generators:
        _generators[device] = torch.Generator(device).manual_seed(_shared_seed)
    return _generators[device]


def rand(count: int, *shape: int, device: torch.device | str = "cpu") -> Tensor:
    """Draw uniform numbers in [0, 1), float32 (count, *shape): the values a single process draws for these images."""
    return torch.rand(global_batch_size(count), *shape, generator=generator(device), device=device)[local_slice(count)]


def randn(count: int, *shape: int, device: torch.device | str = "cpu") -> Tensor:
    """Draw standard normal numbers, float32 (count, *shape), in the same way as `rand`."""
    return torch.randn(global_batch_size(count), *shape, generator=generator(device), device=device)[local_slice(count)]
