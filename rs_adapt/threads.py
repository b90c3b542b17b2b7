"""How many threads torch computes with on a CPU, and how they wait for each other. Loads no torch.

Sums are split among threads, so their last digits depend on the number of threads, and not on how the threads wait.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rs_adapt.errors import ConfigError

AUTO = "auto"
# Width of tokens up to which a model has one thread (benchmarks/RESULTS.md, "Threads").
SMALL_WIDTH = 192
MOST_THREADS = 1024
VARIABLE = "OMP_NUM_THREADS"
# Each of them says how threads of an OpenMP library wait.
_WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")


def wait_passively() -> None:
    """Let the threads of torch sleep while they wait for each other; has an effect until torch is loaded.

    By default they spin, and where two processes together have more threads than there are cores, each spins for a
    thread that the other one keeps from running. What the user set in the environment stays.
    """
    if not any(name in os.environ for name in _WAITING):
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"


def set_threads(text: str) -> None:
    """Set the number of threads of this process and of those that it starts, as `--threads` states it.

    Args:
        text: A number, or "auto", which leaves the choice to `OMP_NUM_THREADS` or `automatic_threads`.

    Raises:
        ConfigError: It is neither.
    """
    if text == AUTO:
        return
    if not (text.isascii() and text.isdecimal() and len(text) < 5 and 1 <= int(text) <= MOST_THREADS):
        raise ConfigError(f"--threads is {text!r}. Allowed: {AUTO}, or a number from 1 to {MOST_THREADS}.")
    os.environ[VARIABLE] = str(int(text))
    if "torch" in sys.modules:
        # The environment is read when torch is loaded.
        import torch

        torch.set_num_threads(int(text))


def is_small(width: object) -> bool:
    """Return whether a backbone whose tokens have this width computes with one thread; False if it has no width."""
    return isinstance(width, int) and width <= SMALL_WIDTH


def threads_per_process(cores: int, processes: int) -> int:
    """Return the threads of each of several processes: `OMP_NUM_THREADS` where it is set, else a share of the cores."""
    given = os.environ.get(VARIABLE, "")
    return int(given) if given.isdecimal() and int(given) > 0 else max(1, cores // processes)


@contextmanager
def automatic_threads(*, width: object, on_gpu: bool, recorded: int | None = None) -> Iterator[None]:
    """Compute with the threads that suit a model while the context lasts, unless the user set `OMP_NUM_THREADS`.

    A run that is resumed has the threads that it began with. On a CPU, a model with a small backbone has one. All
    others have what torch chooses, which is one a core.

    Args:
        width: Width of the tokens of the backbone; None where it has none.
        on_gpu: Whether the model computes on a GPU.
        recorded: Threads that a resumed run began with; None for a new one.
    """
    import torch

    wanted = recorded or (1 if is_small(width) and not on_gpu else None)
    if wanted is None or os.environ.get(VARIABLE):
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(wanted)
    try:
        yield
    finally:
        torch.set_num_threads(before)
