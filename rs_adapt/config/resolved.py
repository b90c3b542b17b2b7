"""The type of a resolved configuration: mmengine's `Config`, with its origin."""

from __future__ import annotations

from dataclasses import dataclass

from mmengine.config import Config  # noqa: TID253 - loads no torch, and only composing imports this module

from rs_adapt.config.facts import ConfigNode
from rs_adapt.config.text import to_python
from rs_adapt.config.tree import copy_tree


@dataclass(frozen=True, kw_only=True)
class Origin:
    """The parts that a configuration was composed from, besides its cell.

    Attributes:
        overrides: `key=value` texts, those of options such as `iters` among them.
        weights: Requested base weights, `random` or an absolute path; None for the backbone's own.
        tree: The configuration as composed, to detect later changes.
    """

    overrides: tuple[str, ...]
    weights: str | None
    tree: ConfigNode


class ResolvedConfig(Config):  # type: ignore[misc]
    """An mmengine `Config` with its origin and a quick `pretty_text`, which mmengine's Runner logs twice.

    Args:
        tree: The configuration.
        overrides: See `Origin`.
        weights: See `Origin`.
    """

    origin: Origin

    def __init__(self, tree: ConfigNode, *, overrides: tuple[str, ...] = (), weights: str | None = None) -> None:
        super().__init__(tree)
        # Past mmengine's `__setattr__`, which would make it a key of the configuration.
        object.__setattr__(self, "origin", Origin(overrides=overrides, weights=weights, tree=copy_tree(tree)))

    @property
    def is_changed(self) -> bool:
        """Whether a value was changed after the configuration was composed."""
        return bool(self.to_dict() != self.origin.tree)

    @property
    def pretty_text(self) -> str:
        """The configuration as Python assignments that `Config.fromfile` reads back equal."""
        return to_python(self)
