"""mmengine's evaluation loops in the precision of the run."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.runner import TestLoop as MMTestLoop
from mmengine.runner import ValLoop as MMValLoop

from rs_adapt.engine.optim import Precision, autocast
from rs_adapt.registry import LOOPS


@LOOPS.register_module()
class ValLoop(MMValLoop):  # type: ignore[misc]
    """Validation under the run's precision.

    Args:
        runner: The runner.
        dataloader: Loader or its config.
        evaluator: Evaluator or its config.
        precision: "fp32" or "bf16".
    """

    def __init__(self, runner: Any, dataloader: Any, evaluator: Any, precision: Precision = "fp32") -> None:
        super().__init__(runner, dataloader, evaluator)
        self.precision: Precision = precision

    def run_iter(self, idx: int, data_batch: Any) -> None:
        """Predict one batch and hand it to the evaluator."""
        with autocast(self.precision, next(self.runner.model.parameters()).device.type):
            super().run_iter(idx, data_batch)


@LOOPS.register_module()
class TestLoop(MMTestLoop):  # type: ignore[misc]
    """Test under the run's precision; arguments as `ValLoop`."""

    __test__ = False  # not a pytest class, whatever its name says

    def __init__(self, runner: Any, dataloader: Any, evaluator: Any, precision: Precision = "fp32") -> None:
        super().__init__(runner, dataloader, evaluator)
        self.precision: Precision = precision

    def run_iter(self, idx: int, data_batch: Any) -> None:
        """Predict one batch and hand it to the evaluator."""
        with torch.no_grad(), autocast(self.precision, next(self.runner.model.parameters()).device.type):
            super().run_iter(idx, data_batch)
