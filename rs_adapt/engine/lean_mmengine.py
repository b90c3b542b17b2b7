"""Imports mmengine's optimizers without the libraries that it searches for further optimizers.

mmengine imports transformers' trainer and with it peft for a single optimizer, Adafactor, which takes longer than all
other imports of a training run together. Importing this module before any other part of mmengine avoids that;
`register_adafactor` makes up for it where a configuration asks for the optimizer.
"""

from __future__ import annotations

import sys

_HIDDEN = "transformers"


def _import_optimizers() -> None:
    if "mmengine.optim" in sys.modules or _HIDDEN in sys.modules:
        return
    # An entry of None makes the import fail, which mmengine takes for a library that is not installed.
    sys.modules[_HIDDEN] = None  # type: ignore[assignment]
    try:
        import mmengine.optim  # noqa: F401
    finally:
        del sys.modules[_HIDDEN]


def register_adafactor() -> None:
    """Register Adafactor of transformers as an optimizer, unless it is registered."""
    from mmengine.optim.optimizer.builder import register_transformers_optimizers
    from mmengine.registry import OPTIMIZERS

    if "Adafactor" not in OPTIMIZERS:
        register_transformers_optimizers()


_import_optimizers()
