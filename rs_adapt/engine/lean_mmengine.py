"""Imports mmengine's optimizers without the libraries that it searches for further optimizers.

mmengine imports transformers' trainer and peft for a single optimizer, Adafactor, and all of torch's distributed
optimizers for another, ZeroRedundancyOptimizer; both together take longer than all other imports of a training run.
Importing this module before any other part of mmengine avoids that; `register_optimizer` makes up for it where a
configuration asks for one of them.
"""

from __future__ import annotations

import importlib
import sys

_HIDDEN = ("transformers", "torch.distributed.optim")


def _import_optimizers() -> None:
    if "mmengine.optim" in sys.modules:
        return
    hidden = [name for name in _HIDDEN if name not in sys.modules]
    for name in hidden:
        # An entry of None makes the import fail, which mmengine takes for a library that is not installed.
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        import mmengine.optim  # noqa: F401
    finally:
        for name in hidden:
            del sys.modules[name]


def register_optimizer(name: str) -> None:
    """Register an optimizer that was left out; any other name is left alone.

    Args:
        name: The name that a configuration gives, such as "Adafactor".
    """
    from mmengine.optim.optimizer import zero_optimizer
    from mmengine.optim.optimizer.builder import register_transformers_optimizers
    from mmengine.registry import OPTIMIZERS
    from torch.optim import Optimizer

    if name == "Adafactor" and name not in OPTIMIZERS:
        register_transformers_optimizers()
    # Without its base class mmengine registers one that cannot be built.
    if name == "ZeroRedundancyOptimizer" and not issubclass(zero_optimizer.ZeroRedundancyOptimizer, Optimizer):
        del OPTIMIZERS.module_dict[name]
        importlib.reload(zero_optimizer)


_import_optimizers()
