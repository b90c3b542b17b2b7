"""An optimizer wrapper for fp32 or bf16 autocast, which refuses to step on a loss that is not finite."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Literal

import torch
from mmengine.optim import OptimWrapper as MMOptimWrapper
from torch import Tensor, nn
from torch.optim import Optimizer

from rs_adapt.engine.held import held_still
from rs_adapt.errors import NonFiniteLoss
from rs_adapt.processes import sum_over_ranks
from rs_adapt.registry import OPTIM_WRAPPERS

Precision = Literal["fp32", "bf16"]


def autocast(precision: Precision, device_type: str) -> AbstractContextManager[Any]:
    """Return the context of a forward pass: autocast to bfloat16 for bf16 (needs no loss scaling), none for fp32."""
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(device_type, dtype=torch.bfloat16)


@contextmanager
def tf32_products(allowed: bool) -> Iterator[None]:
    """Round the factors of fp32 matrix products on a GPU to TF32 (10 bits of mantissa) while the context lasts.

    Args:
        allowed: Whether to; False leaves torch's setting, which is exact unless somebody changed it.
    """
    matmul = torch.backends.cuda.matmul
    before = matmul.allow_tf32
    matmul.allow_tf32 = before or allowed
    try:
        yield
    finally:
        matmul.allow_tf32 = before


@OPTIM_WRAPPERS.register_module()
class OptimWrapper(MMOptimWrapper):  # type: ignore[misc]
    """mmengine's wrapper with a precision and a check of the loss.

    mmengine's own mixed-precision wrapper refuses to run on a CPU and scales losses, which bf16 does not need.

    Args:
        optimizer: The optimizer; mmengine builds it from its config.
        precision: "fp32" or "bf16".
        accumulative_counts: Iterations whose gradients are added before a step.
        clip_grad: Arguments of `torch.nn.utils.clip_grad_norm_`, or None.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        precision: Precision = "fp32",
        accumulative_counts: int = 1,
        clip_grad: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(optimizer, accumulative_counts=accumulative_counts, clip_grad=clip_grad)
        self.precision: Precision = precision
        # Its hooks are called around every step; `ParamGroups` sets it.
        self.adapter: Any = None
        # A head that counts the steps, or None; set as well.
        self.head: Any = None

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Run the forward pass in the wrapper's precision."""
        device = next(model.parameters()).device
        with super().optim_context(model), autocast(self.precision, device.type):
            yield

    def step(self, **kwargs: Any) -> None:
        """Make an optimizer step, and call the hooks of adapter and head around it."""
        if self.adapter is None:
            super().step(**kwargs)
        else:
            self.adapter.before_step()
            with held_still(self.optimizer, self.adapter.held_still()):
                super().step(**kwargs)
            self.adapter.after_step()
        if self.head is not None:
            self.head.after_step()

    def update_params(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
        """Update the weights by a finite loss.

        Raises:
            NonFiniteLoss: The loss is NaN or infinite; the weights are still those before the step.
        """
        # Summed over all processes: if one alone stopped, the others would wait for its gradients.
        total = sum_over_ranks(loss.detach().clone())
        if not bool(torch.isfinite(total)):
            raise NonFiniteLoss(f"the loss is {total.item()}")
        if not loss.requires_grad:
            # Nothing of the model trains, as of zero-shot classification.
            return
        super().update_params(loss, *args, **kwargs)
