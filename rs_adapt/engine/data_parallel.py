"""Data-parallel wrapper of the model: gradients and reported losses are averaged over the processes."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.model import MMDistributedDataParallel
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from rs_adapt.engine.sharding import shard_names
from rs_adapt.errors import ConfigError
from rs_adapt.processes import sum_over_ranks


class DataParallel(MMDistributedDataParallel):  # type: ignore[misc]
    """mmengine's `MMDistributedDataParallel` that reports losses averaged over all processes, not the local ones.

    Losses are divided by global denominators (`rs_adapt.processes.global_mean_denominator`), so the mean losses and
    gradients equal those of a single process with the whole batch.
    """

    @classmethod
    def wrap(cls, model: nn.Module) -> DataParallel:
        """Wrap a model on its device.

        Raises:
            ConfigError: The model has batch norms, whose statistics would cover the local images only.
        """
        for name, module in model.named_modules():
            if isinstance(module, _BatchNorm):
                raise ConfigError(
                    f"{name} is a batch norm, which would see the images of one process only. Train with one process, "
                    "or use a norm that treats each image separately (layer or group norm)."
                )
        # Shards differ between processes, and have no gradients to average.
        cls._set_params_and_buffers_to_ignore_for_model(model, shard_names(model))
        on_gpu = next(model.parameters()).is_cuda
        return cls(
            module=model,
            device_ids=[torch.cuda.current_device()] if on_gpu else None,
            # All buffers are computed from sums over all processes.
            broadcast_buffers=False,
            # For example the queries that an adapter provides and a linear head does not use.
            find_unused_parameters=True,
        )

    def train_step(self, data: Any, optim_wrapper: Any) -> dict[str, Tensor]:
        """Run one step, and return the losses averaged over all processes."""
        losses: dict[str, Tensor] = super().train_step(data, optim_wrapper)
        mean = (
            sum_over_ranks(torch.stack([value.detach().float() for value in losses.values()]))
            / self.process_group.size()
        )
        return dict(zip(losses, mean, strict=True))
