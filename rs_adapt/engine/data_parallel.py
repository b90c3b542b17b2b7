"""The model of one of several processes: gradients are averaged over them, and so are the losses that are told."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.model import MMDistributedDataParallel
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from rs_adapt.errors import ConfigError
from rs_adapt.processes import summed


class DataParallel(MMDistributedDataParallel):  # type: ignore[misc]
    """mmengine's wrapper that returns the mean losses of all processes, not this one's.

    Losses divide by what the whole batch holds (`rs_adapt.processes.share_of_total`), so mean losses and mean gradients
    are those of one process with the whole batch.
    """

    @classmethod
    def around(cls, model: nn.Module) -> DataParallel:
        """Wrap a model on its device.

        Raises:
            ConfigError: The model has batch norms, whose statistics would be of one process's images.
        """
        for name, module in model.named_modules():
            if isinstance(module, _BatchNorm):
                raise ConfigError(
                    f"{name} is a batch norm, which would see the images of one process only. Train with one process, "
                    "or use a norm that looks at single images."
                )
        on_gpu = next(model.parameters()).is_cuda
        return cls(
            module=model,
            device_ids=[torch.cuda.current_device()] if on_gpu else None,
            # All buffers follow from sums over all processes.
            broadcast_buffers=False,
            # Such as queries that an adapter offers and a linear head does not take.
            find_unused_parameters=True,
        )

    def train_step(self, data: Any, optim_wrapper: Any) -> dict[str, Tensor]:
        """One step; the losses are means over all processes."""
        losses: dict[str, Tensor] = super().train_step(data, optim_wrapper)
        mean = summed(torch.stack([value.detach().float() for value in losses.values()])) / self.process_group.size()
        return dict(zip(losses, mean, strict=True))
