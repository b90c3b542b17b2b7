"""Adapters within adapters, each built with the facts of the backbone that its constructor takes."""

from __future__ import annotations

import inspect
from typing import Any

from rs_adapt.adapters.contract.adapter import Adapter
from rs_adapt.config.facts import ConfigNode
from rs_adapt.errors import ConfigError
from rs_adapt.registry import MODELS


def build_within(outer: str, settings: ConfigNode, facts: ConfigNode) -> Adapter:
    """Build an adapter from its config, with facts of the backbone for arguments that are missing or None.

    Raises:
        ConfigError: There is no such adapter.
    """
    cls: Any = MODELS.get(settings["type"])
    if cls is None:
        raise ConfigError(f"{outer}: there is no adapter {settings['type']!r}.")
    accepted = {key: value for key, value in facts.items() if key in inspect.signature(cls.__init__).parameters}
    explicit = {key: value for key, value in settings.items() if value is not None or key not in accepted}
    adapter: Adapter = MODELS.build({**accepted, **explicit})
    return adapter


def count_within(settings: ConfigNode, facts: ConfigNode) -> int:
    """Return the number of trainable parameters of an adapter from its config and facts of the backbone."""
    cls: Any = MODELS.get(settings["type"])
    names = inspect.signature(cls.num_params).parameters
    # Methods around others pass facts on.
    every = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in names.values())
    given = {key: value for key, value in {**facts, **settings}.items() if key != "type" and value is not None}
    arguments = {key: value for key, value in given.items() if every or key in names}
    return int(cls.num_params(**arguments))
