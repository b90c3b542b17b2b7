"""Blocks of a ViT that run as generated code while a model trains: one graph serves all of them.

`torch.compile` traces a block into a graph and lets its backend, inductor, generate C++ for a CPU or Triton for a GPU.
Blocks differ in their tensors alone, which are inputs of the graph, so the graph of one is that of all. What an adapter
does between blocks, the head and the losses run as before.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import torch
from mmengine.device import get_device
from torch import nn

from rs_adapt.backbones.vit import Vit
from rs_adapt.config.execution import BLOCKS, FSDP, NOT_COMPILED
from rs_adapt.engine.parts import segmentor_of
from rs_adapt.errors import DeviceUnavailable, IncompatibleCell

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from rs_adapt.config.resolved import ResolvedConfig

BACKEND = "inductor"
# Graphs for one piece of code: for student and teacher, blocks before the first trained one and after it, and sizes of
# images. Torch runs what comes after them without a graph.
MAX_GRAPHS = 128
_KEY = f"runtime.compile={BLOCKS}"
_REMEDY = f"Leave it out, or set it to {NOT_COMPILED}"


def compiles_blocks(cfg: ResolvedConfig) -> bool:
    """Return whether a run compiles the blocks of its ViT: whether `runtime.compile` is "blocks"."""
    # Stored configurations may be older than the key.
    return bool((cfg.get("runtime") or {}).get("compile") == BLOCKS)


def check_compiled_blocks(cfg: ResolvedConfig, model: nn.Module) -> None:
    """Check that the blocks of a model can be compiled on this machine, if `runtime.compile` is "blocks".

    A small function is compiled for the device in use, because a missing compiler would otherwise be met in the first
    iteration.

    Args:
        cfg: The run.
        model: Its model, as built; on the meta device it is only looked at.

    Raises:
        IncompatibleCell: The backbone is no ViT, or its base is sharded.
        DeviceUnavailable: Torch cannot generate code for the device on this machine.
    """
    if not compiles_blocks(cfg):
        return
    if not isinstance(segmentor_of(model).backbone, Vit):
        raise IncompatibleCell(f"{_KEY} compiles the blocks of a ViT, and {cfg.cell.backbone} is none. {_REMEDY}.")
    if cfg.runtime.get("sharding") == FSDP:
        raise IncompatibleCell(
            f"{_KEY} and runtime.sharding={FSDP} do not go together: hooks gather a sharded block before it runs, and "
            "blocks with such hooks have not been compiled yet. Leave one of them out."
        )
    _compile_something(get_device())


def compile_blocks(vit: Vit, *, backend: str | None = None, cuda_graphs: bool = False) -> None:
    """Compile the blocks of a ViT in place; names of its tensors stay the same, and copies of it are not compiled.

    Random numbers are drawn as torch's operators draw them, and kernels are chosen by rule instead of by the clock, so
    that equal runs give equal numbers.

    Args:
        vit: The ViT; where code of other libraries acts inside the blocks, they are compiled in pieces.
        backend: Backend of `torch.compile`; `BACKEND` by default.
        cuda_graphs: Whether inductor records CUDA graphs, which no run does: `benchmarks/gpu.py` tries it.
    """
    backend = backend or BACKEND
    settings: dict[str, Any] = {}
    if backend == "inductor":
        settings["options"] = _options() | ({"triton.cudagraphs": True} if cuda_graphs else {})
    for block in vit.layers:
        block.compile(backend=backend, dynamic=False, **settings)


def compiler_settings() -> AbstractContextManager[None]:
    """Return a context with the settings of torch's compiler that compiled blocks need; they are global."""
    import torch._dynamo.config

    settings: AbstractContextManager[None] = torch._dynamo.config.patch(
        recompile_limit=MAX_GRAPHS,
        accumulated_recompile_limit=8 * MAX_GRAPHS,
        # Torch would cut the graph of a block at the borders of the buckets in which gradients are averaged.
        optimize_ddp=False,
    )
    return settings


@contextmanager
def compiled_blocks(cfg: ResolvedConfig, model: nn.Module) -> Iterator[CompileClock | None]:
    """Hold the blocks of a model's ViT compiled while it trains, if `runtime.compile` is "blocks".

    Args:
        cfg: The run.
        model: Its model, on its device, and in its wrapper for several processes.

    Yields:
        What counts the graphs and the time that they took; None where nothing is compiled.
    """
    if not compiles_blocks(cfg):
        yield None
        return
    # Imported here: it takes seconds, and few runs need it.
    from torch._dynamo.callback import callback_handler

    vit: Vit = segmentor_of(model).backbone
    clock = CompileClock()
    # Graphs of an earlier run in this process would be taken again, and count towards the limit.
    torch._dynamo.reset()
    callback_handler.register_start_callback(clock.start)
    callback_handler.register_end_callback(clock.stop)
    try:
        with compiler_settings():
            compile_blocks(vit)
            vit.compiled = True
            yield clock
    finally:
        vit.compiled = False
        for block in vit.layers:
            block._compiled_call_impl = None
        callback_handler.remove_start_callback(clock.start)
        callback_handler.remove_end_callback(clock.stop)
        torch._dynamo.reset()


def eager_blocks(backbone: nn.Module) -> AbstractContextManager[None]:
    """Return a context in which the blocks run without a graph, for evaluations.

    Their images have other sizes than the crops of training, and each size would need a graph of its own.

    Args:
        backbone: A backbone, compiled or not.
    """
    if not getattr(backbone, "compiled", False):
        return nullcontext()
    stance: AbstractContextManager[None] = torch.compiler.set_stance("force_eager")
    return stance


class CompileClock:
    """Counts the graphs that torch compiles, and the time that it takes.

    Attributes:
        graphs: Graphs so far, each with its backward pass.
        seconds: Time that they took.
    """

    def __init__(self) -> None:
        self.graphs, self.seconds = 0, 0.0
        self._begun_s = 0.0
        # Graphs when `take_note` was last called, and when it last returned a note.
        self._seen = self._noted = 0

    def start(self, _: object = None) -> None:
        """Begin with a graph."""
        self._begun_s = time.perf_counter()

    def stop(self, reason: object = None) -> None:
        """End with a graph, or with a backward pass that was put off, as `reason.callback_trigger` says."""
        self.graphs += getattr(getattr(reason, "callback_trigger", None), "name", "DYNAMO") == "DYNAMO"
        self.seconds += time.perf_counter() - self._begun_s

    def take_note(self, *, at_end: bool = False) -> str | None:
        """Return what was compiled, after the first iteration that compiled nothing more; None where nothing is new.

        Args:
            at_end: Whether this was the last iteration.
        """
        settled, self._seen = self.graphs == self._seen, self.graphs
        if self.graphs == self._noted or not (settled or at_end):
            return None
        self._noted = self.graphs
        return f"{_KEY}: {self.graphs} graphs compiled in {self.seconds:.0f} s"


def _options() -> dict[str, Any]:
    import torch._inductor.config as inductor

    # Drop-out draws what it draws without a compiler. Torch before 2.9 has no `deterministic`.
    return {"fallback_random": True} | ({"deterministic": True} if hasattr(inductor, "deterministic") else {})


def _compile_something(device: str) -> None:
    """Compile a function for a device.

    Raises:
        DeviceUnavailable: There is no compiler, or what it makes cannot be used.
    """
    if BACKEND != "inductor":
        return
    from torch._inductor.cpp_builder import get_cpp_compiler

    try:
        if device == "cpu":
            # The function itself may have been compiled by an earlier run, with a compiler that is gone.
            get_cpp_compiler()
        torch.compile(_double, dynamic=False, options=_options())(torch.ones(8, device=device))
    # Whatever goes wrong on the way from a graph to machine code: torch wraps a few of these errors only.
    except Exception as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise DeviceUnavailable(
            f"{_KEY}: torch cannot generate code for {device} on this machine "
            f"({(lines or [type(error).__name__])[0].rstrip('.')[:300]}). {_needs(device)} {_REMEDY}."
        ) from error


def _needs(device: str) -> str:
    if device == "cpu":
        return "It needs a C++ compiler: install g++ (Debian and Ubuntu: build-essential), or name one by CXX."
    return (
        "It needs Triton, which CUDA builds of torch for Linux bring along, and a C compiler (gcc, or one named by CC)."
    )


def _double(x: torch.Tensor) -> torch.Tensor:
    return torch.relu(x) * 2
