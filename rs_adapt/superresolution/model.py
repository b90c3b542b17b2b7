"""Super-resolution as a model of mmengine: coarse velocity images to fine ones (B batch, h/w coarse, H/W fine)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from mmengine.model import BaseModel
from numpy.typing import NDArray
from torch import Tensor, nn

from rs_adapt.config.facts import ConfigNode
from rs_adapt.registry import MODELS
from rs_adapt.superresolution.network import FlowNetwork, check_scale, interpolate, reconstruction_loss


@dataclass(frozen=True, kw_only=True)
class Reconstruction:
    """A reconstructed image beside the true one, normalised, (3, H, W) float32."""

    image_3HW: NDArray[np.float32]
    truth_3HW: NDArray[np.float32]
    name: str
    snapshot: str


@MODELS.register_module()
class FlowSuperResolution(BaseModel):  # type: ignore[misc]
    """A `FlowNetwork` with the mean absolute error as its loss, or bicubic interpolation, which has no parameters.

    Args:
        scale: Factor of super-resolution.
        backbone: Arguments of `FlowNetwork` for its Swin layers; `adapter`, those for the parts of FISR, or None;
            `frozen`, True for interpolation alone; and `weights`, which are random.
        decode_head: Empty; accepted because segmentors have one.
        data_preprocessor: Settings of mmengine's preprocessor; the default moves batches to the model's device.
    """

    def __init__(
        self,
        *,
        scale: int,
        backbone: ConfigNode,
        decode_head: ConfigNode | None = None,
        data_preprocessor: ConfigNode | None = None,
    ) -> None:
        super().__init__(data_preprocessor=data_preprocessor)
        check_scale(scale)
        self.scale = scale
        self.network: nn.Module | None = None
        if not backbone["frozen"]:
            layers = {key: value for key, value in backbone.items() if key not in ("adapter", "frozen", "weights")}
            parts = {"quaternion": False, "flow_conv": False, **(backbone.get("adapter") or {})}
            self.network = FlowNetwork(scale=scale, **layers, **parts)

    def forward(
        self,
        coarse: Tensor,
        fine: Tensor,
        name: Sequence[str] = (),
        snapshot: Sequence[str] = (),
        mode: str = "tensor",
    ) -> dict[str, Tensor] | list[Reconstruction] | Tensor:
        """Return the loss, reconstructions, or fine images (B, 3, H, W).

        Args:
            coarse: Normalised coarse images (B, 3, h, w).
            fine: Normalised fine images (B, 3, H, W).
            name: Names of the images.
            snapshot: Names of their snapshots.
            mode: "loss", "predict" or "tensor".
        """
        image_B3HW: Tensor = interpolate(coarse, self.scale) if self.network is None else self.network(coarse)
        if mode == "loss":
            return {"loss_pixels": reconstruction_loss(image_B3HW, fine)}
        if mode == "tensor":
            return image_B3HW
        images, truths = (part.detach().float().cpu().numpy() for part in (image_B3HW, fine))
        return [
            Reconstruction(image_3HW=image, truth_3HW=truth, name=own, snapshot=of)
            for image, truth, own, of in zip(images, truths, name, snapshot, strict=True)
        ]
