"""Looks up the classes that overrides name, before a run begins: mmengine would miss them only when it builds them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mmengine import registry as mm

from rs_adapt import registry
from rs_adapt.config import overrides
from rs_adapt.errors import ConfigError

# By key: where the class is looked up. Models and data sets are built before a run begins anyway.
_REGISTRIES = {
    r"optim_wrapper\.type": registry.OPTIM_WRAPPERS,
    r"optim_wrapper\.constructor": registry.OPTIM_WRAPPER_CONSTRUCTORS,
    r"optim_wrapper\.optimizer\.type": mm.OPTIMIZERS,
    r"param_scheduler\.\d+\.type": mm.PARAM_SCHEDULERS,
    r"(custom_hooks\.\d+|default_hooks\.\w+)\.type": registry.HOOKS,
    r"(val|test)_evaluator\.type": registry.METRICS,
    r"(train|val|test)_cfg\.type": registry.LOOPS,
    r"\w+\.sampler\.type": registry.DATA_SAMPLERS,
}


def check_registered(texts: Sequence[str]) -> None:
    """Refuse an override that names a class which is not registered.

    Args:
        texts: Overrides as `key=value`.

    Raises:
        ConfigError: A class is unknown; names the key.
    """
    for override in overrides.parse(texts):
        found = [names for pattern, names in _REGISTRIES.items() if re.fullmatch(pattern, override.key)]
        if found and found[0].get(override.text) is None:
            raise ConfigError(
                f"--set {override.key}={override.text[:80]}: there is no {found[0].name} of this name. "
                "`rs-adapt show` prints the one that is used."
            )
