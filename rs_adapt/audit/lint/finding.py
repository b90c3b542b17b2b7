"""Findings of lint, and the rules that make them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

Subject = TypeVar("Subject")
Level = Literal["error", "warning", "note"]
LEVELS: tuple[Level, ...] = ("error", "warning", "note")
# Folders of tiles with their labels, or images of scene classification, of captions and of super-resolution.
Reads = Literal["tiles", "images"]


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


def errors_first(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings sorted by level; those of one level keep their order."""
    return sorted(findings, key=lambda finding: LEVELS.index(finding.level))


def is_clean(findings: Iterable[Finding]) -> bool:
    """Return whether no finding is more than a note."""
    return all(finding.level == "note" for finding in findings)


@dataclass(frozen=True, kw_only=True)
class Hit:
    """A finding as a rule yields it, with `file` and `line` only if they are not those that set the key."""

    level: Level
    key: str
    found: str
    consequence: str
    remedy: str
    file: str | None = None
    line: int | None = None


@dataclass(frozen=True, kw_only=True)
class Rule(Generic[Subject]):
    """A function of a subject that yields findings; its docstring is shown to users.

    Attributes:
        check: The function.
        reads: What a subject has that the function looks at; None for what every subject has.
    """

    check: Callable[[Subject], Iterator[Hit]]
    reads: Reads | None = None

    @property
    def id(self) -> str:
        """The function's name in kebab case."""
        return self.check.__name__.replace("_", "-")

    @property
    def text(self) -> str:
        """The function's docstring on one line."""
        return " ".join((inspect.getdoc(self.check) or "").split())

    def findings(self, subject: Subject, origin: Callable[[str], tuple[str, int | None]]) -> Iterator[Finding]:
        """Yield the findings about a subject.

        Args:
            subject: What the rule looks at.
            origin: Returns file and line of a dotted key.
        """
        for hit in self.check(subject):
            file, line = (hit.file, hit.line) if hit.file else origin(hit.key)
            yield Finding(
                level=hit.level,
                rule=self.id,
                file=file,
                line=line,
                key=hit.key,
                found=hit.found,
                consequence=hit.consequence,
                remedy=hit.remedy,
            )
