"""The type of what mmengine's data sets and transforms pass along."""

from __future__ import annotations

from typing import Any, TypeAlias

# One tile: paths before it is loaded, arrays while it is transformed, `inputs` and `data_samples` at the end. mmengine
# and mmsegmentation decide the keys, and their transforms add some.
Sample: TypeAlias = dict[str, Any]
