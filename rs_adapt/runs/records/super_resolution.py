"""The network of a run of super-resolution, as its manifest states it."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from rs_adapt.runs.records.record import Record


class NetworkFacts(Record):
    """All that rebuilds the network of super-resolution whose tensors a pack holds."""

    kind: str = Field(description="velocity, or colour: red, green and blue from 0 to 255.")
    scale: int = Field(description="Factor between the sides.")
    trains: bool = Field(description="Whether it is a network; false for bicubic interpolation.")
    embed_dim: int = Field(description="Channels of the features.")
    depths: Sequence[int] = Field(description="Number of Swin layers of each group.")
    num_heads: int = Field(description="Attention heads of every layer.")
    window_px: int = Field(description="Side of the attention windows, coarse pixels.")
    mlp_ratio: float = Field(description="Width of the MLPs over `embed_dim`.")
    quaternion: bool = Field(description="Whether features pass quaternion spatial modelling.")
    flow_conv: bool = Field(description="Whether features pass dynamic flow convolution.")
    mean: Sequence[float] = Field(
        min_length=3, max_length=3, description="Mean of each component of the training images."
    )
    deviation: float = Field(description="Standard deviation of all components together.")
