"""Check of the run that a student learnt from: every file of the student names the same one."""

from __future__ import annotations

from collections.abc import Iterator

from rs_adapt.audit.selfcheck.outcome import Check, conclude
from rs_adapt.audit.selfcheck.subject import Subject


def check_teacher(subject: Subject) -> Iterator[Check]:
    """Compare the teacher in `cell.json`, `result.json` and `manifest.json`; a run without one has nothing to check."""
    needs_teacher = bool(subject.config.get("strategy", {}).get("needs_teacher", False))
    stated = {"cell.json": subject.start.teacher, "result.json": subject.result.teacher}
    if subject.manifest is not None:
        stated["manifest.json"] = subject.manifest.teacher
    if not needs_teacher and not any(stated.values()):
        return
    started = stated["cell.json"]
    sentences = [f"{file} names no teacher." for file, facts in stated.items() if facts is None]
    sentences += [
        f"{file} names the teacher with SHA-256 {facts.sha256[:16]}..., cell.json {started.sha256[:16]}..."
        for file, facts in stated.items()
        if facts is not None and started is not None and facts.content() != started.content()
    ]
    if not needs_teacher:
        sentences.append(f"The strategy {subject.start.cell.strategy} learns from no teacher.")
    yield from conclude("teacher", sentences, checked=f"the same in {', '.join(stated)}")
