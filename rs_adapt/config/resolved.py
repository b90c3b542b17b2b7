"""The type of a resolved configuration: mmengine's, with a quick text form."""

from __future__ import annotations

from mmengine.config import Config  # noqa: TID253 - loads no torch, and only composing imports this module

from rs_adapt.config.text import to_python


class ResolvedConfig(Config):  # type: ignore[misc]
    """A mmengine `Config` whose `pretty_text`, which mmengine's Runner logs twice, does not take seconds of yapf."""

    @property
    def pretty_text(self) -> str:
        """The configuration as Python assignments that `Config.fromfile` reads back equal."""
        return to_python(self)
