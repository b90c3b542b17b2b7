"""Findings of lint, and the rules that make them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from rs_adapt.audit.lint.subject import Subject

Level = Literal["error", "warning", "note"]
LEVELS: tuple[Level, ...] = ("error", "warning", "note")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A fact that changes how a score is to be read.

    Attributes:
        level: "error" (the score is not what its label says), "warning" (it belongs to a different setting) or "note".
        rule: The rule's name in kebab case.
        file: The axis file that sets the key, the config, a file of the run, or a folder of tiles.
        line: The line of the key in `file`, from 1; None where the file has no such line.
        key: The dotted key in the resolved configuration.
        found: The value there, or the fact, in words.
        consequence: One sentence on what follows for the score.
        remedy: One sentence on what to do.
    """

    level: Level
    rule: str
    file: str
    line: int | None
    key: str
    found: str
    consequence: str
    remedy: str


@dataclass(frozen=True, kw_only=True)
class Hit:
    """A finding as a rule yields it, with a `file` only if that is not the one that sets the key."""

    level: Level
    key: str
    found: str
    consequence: str
    remedy: str
    file: str | None = None


RuleFunction = Callable[["Subject"], Iterator[Hit]]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A function of a subject that yields findings; its docstring is shown to users."""

    check: RuleFunction

    @property
    def id(self) -> str:
        """The function's name in kebab case."""
        return self.check.__name__.replace("_", "-")

    @property
    def text(self) -> str:
        """The function's docstring on one line."""
        return " ".join((inspect.getdoc(self.check) or "").split())
