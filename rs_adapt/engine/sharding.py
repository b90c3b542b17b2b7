"""Sharding of a run's frozen base over its processes, with FSDP2 (`torch.distributed.fsdp.fully_shard`).

Each process holds one shard of every tensor of the base, and gathers a block for as long as it computes with it,
forward and backward. Adapter and head are replicated, so optimizer, averaged teacher, gradients, training state and
packs are those of a run without sharding, bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from rs_adapt.backbones.vit import Vit
from rs_adapt.config.execution import FSDP, NOT_SHARDED
from rs_adapt.engine.parts import segmentor_of
from rs_adapt.errors import ConfigError, DeviceUnavailable, IncompatibleCell, WeightsError
from rs_adapt.processes import any_rank, on_rank_zero, rank_and_world_size

if TYPE_CHECKING:
    from rs_adapt.config.resolved import ResolvedConfig

_KEY = f"runtime.sharding={FSDP}"
_REMEDY = f"Leave it out, or set it to {NOT_SHARDED}"
_GIB = 2**30


def shards_base(cfg: ResolvedConfig) -> bool:
    """Return whether a run shards its base: whether `runtime.sharding` is "fsdp"."""
    # Stored configurations may be older than the key.
    return bool((cfg.get("runtime") or {}).get("sharding") == FSDP)


def check_sharding(cfg: ResolvedConfig, model: nn.Module) -> None:
    """Check that a model has a base that can be sharded, if `runtime.sharding` is "fsdp".

    The number of processes is checked by `rs_adapt.config.execution.require_processes`.

    Args:
        cfg: The run.
        model: Its model, on the meta device.

    Raises:
        IncompatibleCell: The backbone is no ViT, or the method trains it.
        DeviceUnavailable: The whole base does not fit the GPU, which validation and final scores need.
    """
    if not shards_base(cfg):
        return
    backbone: Any = segmentor_of(model).backbone
    if not isinstance(backbone, Vit):
        raise IncompatibleCell(f"{_KEY} shards the blocks of a ViT, and {cfg.cell.backbone} is none. {_REMEDY}.")
    if not backbone.frozen:
        raise IncompatibleCell(
            f"{_KEY} shards a frozen base, and method {cfg.cell.method} trains all of it. Choose a method with an "
            f"adapter (rs-adapt list methods). {_REMEDY}; runtime.memory=low saves memory with every method."
        )
    needed, present = _num_bytes(backbone.base_parameters().values()), _gpu_bytes()
    if present is not None and needed > present:
        raise DeviceUnavailable(
            f"{_KEY}: the base {cfg.cell.backbone} has {needed / _GIB:.1f} GiB in fp32, and this GPU has "
            f"{present / _GIB:.1f} GiB. Training needs a shard and a block at a time, but validation and final scores "
            "gather the whole base on one GPU. Use GPUs with more memory, or a smaller backbone."
        )


def shard_base(vit: Vit, device: torch.device) -> None:
    """Shard the base of a frozen ViT over all processes, each shard on the device of its process.

    A block is moved to the device, sharded and freed before the next one, so that the device never holds all of them.

    Args:
        vit: The ViT with its adapter.
        device: Device of this process.

    Raises:
        ConfigError: The processes cannot form a device mesh.
        WeightsError: They have read different base weights, of which a base would be put together.
    """
    digest = vit.base_sha256()
    if any_rank(digest != on_rank_zero(lambda: digest)):
        raise WeightsError(
            f"{_KEY}: the processes have read different base weights (SHA-256 {digest[:16]}... in process "
            f"{rank_and_world_size()[0]}), and each is to hold a shard of the same. Give all machines the same file "
            "(--weights), on a disk that they share for instance."
        )
    # Imported here: it takes seconds, and few runs need it.
    from torch.distributed.fsdp import fully_shard

    mesh = make_mesh(device)
    names = {id(parameter): name for name, parameter in vit.named_parameters()}
    places = {name: names[id(parameter)] for name, parameter in vit.base_parameters().items()}
    trained = {parameter for parameter in vit.parameters() if parameter.requires_grad}
    for part in _parts(vit):
        fully_shard(part, mesh=mesh, reshard_after_forward=True, ignored_params=trained)
        # After each, so that nothing holds the part's whole tensors, which are on the device by now.
        vit.take_base_parameters({name: vit.get_parameter(place) for name, place in places.items()})
    # Has no shards of its own. As root of the others it gives them common streams, so that a block can be gathered
    # while the one before it computes.
    replicated = {parameter for parameter in vit.parameters() if not is_shard(parameter)}
    fully_shard(vit, mesh=mesh, ignored_params=replicated)


def make_mesh(device: torch.device) -> Any:
    """Return the device mesh of all processes, with a process group of its own.

    In the default group, gradients are averaged as soon as a bucket of them is complete, which depends on the tensors
    that a process used. Collectives of one group must come in the same order in every process.

    Args:
        device: Device of this process.

    Raises:
        ConfigError: There is no process group, or its backend does not serve the device.
    """
    from torch.distributed.device_mesh import DeviceMesh

    count = rank_and_world_size()[1]
    try:
        return DeviceMesh.from_group(dist.new_group(), device.type)
    except (RuntimeError, ValueError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise ConfigError(
            f"{_KEY}: {count} processes cannot form a device mesh on {device.type} ({reason}). Give every process a "
            f"GPU of its own, or all of them --device cpu. {_REMEDY} to train without a mesh."
        ) from error


def is_shard(value: Tensor) -> bool:
    """Return whether a tensor is sharded, so that this process holds a part of it."""
    return hasattr(value, "to_local")


def shard_names(model: nn.Module) -> list[str]:
    """Return the names of a model's sharded parameters."""
    return [name for name, parameter in model.named_parameters() if is_shard(parameter)]


@contextmanager
def whole_base(backbone: nn.Module) -> Iterator[None]:
    """Hold the whole base in every process while the context lasts; do nothing where it is not sharded.

    For evaluations: images of different sizes take different numbers of forward passes, in which the processes could
    not gather together. All processes must enter the context.
    """
    parts: list[Any] = _parts(backbone) if shard_names(backbone) else []
    for part in parts:
        part.set_reshard_after_forward(False, recurse=False)
        part.unshard()
    try:
        yield
    finally:
        for part in parts:
            part.set_reshard_after_forward(True, recurse=False)
            part.reshard()


def _parts(vit: Any) -> list[nn.Module]:
    """Return the modules of a ViT that are sharded and gathered one by one: its embeddings, norms and blocks.

    Together they hold all of the base.
    """
    children = [child for child in vit.children() if child is not vit.adapter and child is not vit.layers]
    return [part for part in (*children, *vit.layers) if any(True for _ in part.parameters())]


def _num_bytes(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def _gpu_bytes() -> int | None:
    """Return the memory of this process's GPU, or None on a CPU."""
    return torch.cuda.mem_get_info()[1] if torch.cuda.is_available() else None
