"""What lint says: findings, and the rules that make them."""

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
    """One thing that a reader of the score should know.

    Attributes:
        level: "error" (the score is not what it says), "warning" (it is of another setting than its name) or "note".
        rule: Id of the rule, in kebab case.
        file: The axis file that the key comes from, the config, a file of the run, or a folder of tiles.
        line: Of the key in `file`, from 1; None where the file has no such line.
        key: Dotted key of the resolved configuration.
        found: What stands there.
        consequence: What follows for the score, one sentence.
        remedy: What to do.
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
    """A finding as a rule makes it: `file` only where it is not the one that the key comes from."""

    level: Level
    key: str
    found: str
    consequence: str
    remedy: str
    file: str | None = None


RuleFunction = Callable[["Subject"], Iterator[Hit]]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A function that looks at a subject; its docstring says what it finds."""

    check: RuleFunction

    @property
    def id(self) -> str:
        """The function's name in kebab case."""
        return self.check.__name__.replace("_", "-")

    @property
    def text(self) -> str:
        """The function's docstring on one line."""
        return " ".join((inspect.getdoc(self.check) or "").split())
