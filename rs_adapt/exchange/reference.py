"""The layout of the checkpoints that Earth-Adapter and Rein release: an mmsegmentation model with mmdetection's head.

`backbone.*` is the ViT under its original names with the adapter next to it, `decode_head.*` a Mask2Former.
"""

from __future__ import annotations

from torch import Tensor, nn

from rs_adapt.adapters import Adapter
from rs_adapt.errors import ConfigError
from rs_adapt.heads import Mask2FormerHead
from rs_adapt.heads.mask2former_names import to_mmdet_names

BACKBONE, HEAD = "backbone.", "decode_head."


def adapter_tensors(adapter: Adapter | None) -> dict[str, Tensor]:
    """Return an adapter's tensors under the names of released checkpoints; none without an adapter.

    Raises:
        ConfigError: There are no released checkpoints of this method.
    """
    if adapter is None:
        return {}
    name = type(adapter).__name__
    if adapter.reference_prefix is None:
        reason = adapter.why_unmergeable()
        remedy = (
            "Add --merge to fold it into the backbone's weights."
            if reason is None
            else f"It cannot be folded into the backbone's weights either: {reason}. Choose a different format."
        )
        raise ConfigError(f"mmsegmentation has no names for the tensors of {name}. {remedy}")
    state = adapter.to_reference(adapter.state_dict())
    return {f"{BACKBONE}{adapter.reference_prefix}{key}": value for key, value in state.items()}


def head_tensors(head: nn.Module) -> dict[str, Tensor]:
    """Return a head's tensors under the names of released checkpoints.

    Raises:
        ConfigError: The head is not a Mask2Former.
    """
    if not isinstance(head, Mask2FormerHead):
        raise ConfigError(
            f"mmsegmentation has no names for the tensors of {type(head).__name__}; only Mask2Former has a layout "
            "in it. Choose a different format."
        )
    return {f"{HEAD}{key}": value for key, value in to_mmdet_names(head.state_dict()).items()}
