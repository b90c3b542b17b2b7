"""The words of CONTRIBUTING's list in all text, and the form of docstrings, as far as a machine can check them."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PYTHON = sorted(path for room in ("rs_adapt", "configs", "benchmarks", "docs") for path in (ROOT / room).rglob("*.py"))
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "data/README.md", *(ROOT / "benchmarks").glob("*.md")]
)
SECTION = re.compile(r"^(?:Args|Attributes|Raises):\n((?: {4}.*(?:\n|$)|\n)*)", flags=re.MULTILINE)
ENTRY = re.compile(r"^ {4}(\*{0,2}\w[\w., `*]*): ((?:.*)(?:\n {8}.*)*)", flags=re.MULTILINE)


def words_to_avoid() -> dict[str, str]:
    """Return what CONTRIBUTING's list says to avoid, and what to write instead."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("| avoid | write |")[2].partition("\n\n")[0]
    rows = [row.split("|")[1:3] for row in text.splitlines() if row.count("|") >= 3 and "---" not in row]
    return {phrase: write.strip() for avoid, write in rows for phrase in re.findall(r"`([^`]+)`", avoid)}


AVOID = words_to_avoid()
PATTERN = re.compile(
    r"(?<![\w`])(?:"
    + "|".join(re.escape(phrase).replace(r"\ ", r"\s+(?:#\s+)?") for phrase in AVOID)
    + r")(?![\w`]|\s+apart\b)",
    flags=re.IGNORECASE,
)


def test_word_list_is_read() -> None:
    assert len(AVOID) >= 15
    assert PATTERN.search("what was\n    told anew")
    assert not PATTERN.search("two that cannot be told apart: `anew`")


def test_words_to_avoid_are_avoided() -> None:
    places = []
    for path in [*PYTHON, *PAGES]:
        text = path.read_text(encoding="utf-8")
        if path.name == "CONTRIBUTING.md":
            text = re.sub(r"\| avoid \| write \|.*?\n\n", "", text, flags=re.DOTALL)
        for match in PATTERN.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            phrase = re.sub(r"\s+(?:#\s+)?", " ", match[0]).lower()
            places.append(f"{path.relative_to(ROOT)}:{line}: `{match[0]}`, write {AVOID.get(phrase, 'something else')}")
    assert not places, "\n".join(places)


def test_entries_of_docstrings_are_sentences() -> None:
    """Each entry of Args, Attributes and Raises starts with a capital, code or a number, and ends with a stop."""
    places = []
    for path in (path for path in PYTHON if "rs_adapt" in path.parts):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                for section in SECTION.finditer(ast.get_docstring(node) or ""):
                    for name, text in ENTRY.findall(section[1]):
                        words = " ".join(text.split())
                        if not (re.match(r"[A-Z0-9`\"'(.$-]", words) and words.endswith((".", "?", ")"))):
                            places.append(f"{path.relative_to(ROOT)}:{node.lineno}: {name}: {words[:60]}")
    assert not places, "\n".join(places)
