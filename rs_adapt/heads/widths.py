"""Numbers that follow from the width of a ViT."""

from __future__ import annotations

from rs_adapt.errors import ConfigError
from rs_adapt.ranges import COUNT, check_ranges

HEAD_WIDTH = 64


def attention_heads(owner: str, width: int, num_heads: int | None, *, multiple_of: int = 1) -> int:
    """Return the number of attention heads of a layer.

    Args:
        owner: Class to name in errors.
        width: Channels of the layer.
        num_heads: The number; None for one per 64 channels, as ViTs of all sizes have.
        multiple_of: What the width of a head must be a multiple of.

    Raises:
        ConfigError: The number is out of its range, or does not divide the width as needed.
    """
    number = max(1, width // HEAD_WIDTH) if num_heads is None else num_heads
    check_ranges(owner, num_heads=(number, COUNT))
    if width % (number * multiple_of):
        of = f", and the width of a head a multiple of {multiple_of}" if multiple_of > 1 else ""
        raise ConfigError(f"{owner} got num_heads={number} for a width of {width}; it must divide the width{of}.")
    return number
