"""Format findings: text for people, plain values for JSON."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import asdict

from rs_adapt.audit.lint.check import RULES
from rs_adapt.audit.lint.finding import LEVELS, Finding, is_clean
from rs_adapt.audit.lint.foreign_check import FOREIGN_RULES

_WIDTH = 80


def as_text(findings: Sequence[Finding]) -> str:
    """Return one block per finding and a last line with their counts, in 80 columns except for long paths."""
    return "\n".join([*(f"{_block(finding)}\n" for finding in findings), summary(findings)])


def as_plain(title: str, findings: Sequence[Finding]) -> dict[str, object]:
    """Return the content of `--json`."""
    counts: dict[str, object] = {level: sum(finding.level == level for finding in findings) for level in LEVELS}
    return {
        "title": title,
        "clean": is_clean(findings),
        **counts,
        "findings": [asdict(finding) for finding in findings],
    }


def summary(findings: Sequence[Finding]) -> str:
    """Return the counts, such as "2 errors, 1 warning, 3 notes", or "clean, 3 notes" without errors and warnings."""
    counts = [(level, sum(finding.level == level for finding in findings)) for level in LEVELS]
    text = ", ".join(f"{count} {level}{'' if count == 1 else 's'}" for level, count in counts if count)
    return ", ".join(["clean", *([text] if text else [])]) if is_clean(findings) else text


def rules_text() -> str:
    """Return the rules, one paragraph each: those on cells and runs, then those on configurations of other programs."""
    parts = [f"{rule['id']}\n{_wrapped('', rule['text'])}" for rule in rules_plain() if rule["on"] == "cells"]
    parts.append("\nOn configurations of other programs, and their training logs:\n")
    parts += [f"{rule['id']}\n{_wrapped('', rule['text'])}" for rule in rules_plain() if rule["on"] == "other programs"]
    return "\n".join(parts)


def rules_plain() -> list[dict[str, str]]:
    """Return the content of `--rules --json`."""
    rules = [{"id": rule.id, "on": "cells", "text": rule.text} for rule in RULES]
    return rules + [{"id": rule.id, "on": "other programs", "text": rule.text} for rule in FOREIGN_RULES]


def _block(finding: Finding) -> str:
    place = finding.file if finding.line is None else f"{finding.file}:{finding.line}"
    return "\n".join(
        [
            f"{finding.level}: {finding.rule}",
            # On one line, so that an editor or grep finds the place.
            f"  {place}: {finding.key}",
            *(_wrapped(f"{name}: ", text) for name, text in (("found", finding.found), ("so", finding.consequence))),
            _wrapped("do: ", finding.remedy),
        ]
    )


def _wrapped(label: str, text: str) -> str:
    return textwrap.fill(
        label + text,
        width=_WIDTH,
        initial_indent="  ",
        subsequent_indent=" " * (2 + len(label)),
        break_long_words=False,
        break_on_hyphens=False,
    )
