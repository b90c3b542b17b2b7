"""The outcome of a self-check: checks by name, each with what it found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """What a check found."""

    CHECKED = "checked"
    CONTRADICTS = "contradicts"
    UNCHECKED = "cannot be checked"


@dataclass(frozen=True, kw_only=True)
class Check:
    """One check of a run.

    Attributes:
        name: The thing that was checked.
        outcome: What was found.
        detail: What was compared; the contradiction, or why it cannot be checked.
    """

    name: str
    outcome: Outcome
    detail: str


@dataclass(frozen=True, kw_only=True)
class SelfCheck:
    """All checks of a run.

    Attributes:
        run: The run folder, or the bundle.
        checks: The checks, in the order of the table; a thing that several files contradict has several.
    """

    run: str
    checks: tuple[Check, ...]

    @property
    def contradictions(self) -> tuple[Check, ...]:
        """The checks that found a contradiction."""
        return tuple(check for check in self.checks if check.outcome is Outcome.CONTRADICTS)

    @property
    def consistent(self) -> bool:
        """Whether nothing contradicts."""
        return not self.contradictions

    @property
    def verdict(self) -> str:
        """One sentence."""
        unchecked = sum(check.outcome is Outcome.UNCHECKED for check in self.checks)
        rest = f"; {unchecked} cannot be checked" if unchecked else ""
        if not self.consistent:
            names = ", ".join(dict.fromkeys(check.name for check in self.contradictions))
            return f"contradicts itself: {names}{rest}."
        checked = sum(check.outcome is Outcome.CHECKED for check in self.checks)
        return f"no contradiction in {checked} checks{rest}."

    def to_dict(self) -> dict[str, object]:
        """Return the content as `--json` prints it."""
        return {"verdict": self.verdict, "consistent": self.consistent, **asdict(self)}


def conclude(name: str, contradictions: Sequence[str], *, checked: str) -> Iterator[Check]:
    """Yield one check for each contradiction, or one that found none.

    Args:
        name: The thing that was checked.
        contradictions: Sentences; none where all agrees.
        checked: What was compared, for the case that all agrees.
    """
    if not contradictions:
        yield Check(name=name, outcome=Outcome.CHECKED, detail=checked)
    for contradiction in contradictions:
        yield Check(name=name, outcome=Outcome.CONTRADICTS, detail=contradiction)


def give_up(name: str, reason: str) -> Iterator[Check]:
    """Yield the check of a thing that cannot be checked, with the reason."""
    yield Check(name=name, outcome=Outcome.UNCHECKED, detail=reason)
