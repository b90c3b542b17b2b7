"""The documents as tests read them: their blocks of code, and the commands in blocks, sentences and help texts."""

from __future__ import annotations

import re
import shlex
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import typer.main

from rs_adapt.commands import app

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(
    [*ROOT.glob("*.md"), ROOT / "data" / "README.md", ROOT / "benchmarks" / "RESULTS.md", *ROOT.glob("docs/*/*.md")]
)
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```", flags=re.DOTALL | re.MULTILINE)
# Values for words that stand for something of the reader's, by the option before them or the first word of the command.
STAND_INS = {
    "--backbone": "dinov2-s",
    "--bench": "synthetic-da",
    "--direction": "u2r",
    "--head": "linear",
    "--method": "lora",
    "--protocol": "paper",
    "--seed": "1",
    "--strategy": "mic",
    "--processes": "2",
    "data": "loveda",
    "weights": "dinov2-l",
}
STAND_IN = re.compile(r"<\w+>|[A-Z]|[A-Z][A-Z_]+(\|paper)?")
# Options of other programs that the documents name.


class Command(NamedTuple):
    """A command in a document. `whole` is false for one that is mentioned in a sentence and may lack arguments."""

    page: str
    words: tuple[str, ...]
    whole: bool


def read(page: Path) -> tuple[list[tuple[str, str]], str]:
    """Return the fenced blocks of a page (language and text, without indentation), and the text around them."""
    text = page.read_text(encoding="utf-8")
    blocks = [(language, re.sub(rf"^{indent}", "", body, flags=re.M)) for indent, language, body in FENCE.findall(text)]
    return blocks, FENCE.sub("", text)


def command_lines(text: str) -> Iterator[str]:
    """Yield the lines of a block that call rs-adapt, with continued lines joined and without a prompt."""
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        call = line.removeprefix("$ ").strip()
        if call.startswith("rs-adapt ") or " -m rs_adapt " in call:
            yield call


def split(line: str) -> tuple[str, ...]:
    """Return the words after the program's name; a launcher before it and a redirection are dropped."""
    words = shlex.split(line.partition(" -m rs_adapt ")[2] or line.removeprefix("rs-adapt "), comments=True)
    if ">" in words:
        words = words[: words.index(">")]
    return tuple(word for word in words if word != "...")


@cache
def commands() -> tuple[Command, ...]:
    """Return all commands of the documents and of the help texts."""
    found = []
    for page in PAGES:
        name = page.relative_to(ROOT).as_posix()
        blocks, prose = read(page)
        lines = [line for language, text in blocks if language in ("", "bash") for line in command_lines(text)]
        found += [Command(name, split(line), True) for line in lines]
        mentions = re.findall(r"`rs-adapt\s+([^`]+)`", prose)
        found += [Command(name, split("rs-adapt " + re.sub(r"[\s\[\]]+", " ", text)), False) for text in mentions]
    for path, command in verbs():
        lines = re.findall(r"^\$ (rs-adapt .*)$", command.help or "", flags=re.MULTILINE)
        found += [Command(f"help of {' '.join(path)}", split(line), True) for line in lines]
    return tuple(dict.fromkeys(found))


@cache
def verbs() -> tuple[tuple[tuple[str, ...], Any], ...]:
    """Return each verb with its words; groups of verbs are left out."""
    found: list[tuple[tuple[str, ...], Any]] = []
    waiting: list[tuple[tuple[str, ...], Any]] = [((), typer.main.get_command(app))]
    while waiting:
        path, command = waiting.pop(0)
        if hasattr(command, "list_commands"):
            context = command.context_class(command)
            waiting += [((*path, name), command.get_command(context, name)) for name in command.list_commands(context)]
        else:
            found.append((path, command))
    return tuple(found)


def verb_of(words: tuple[str, ...]) -> tuple[tuple[str, ...], Any]:
    """Return the verb that words call."""
    matches = [(path, command) for path, command in verbs() if words[: len(path)] == path]
    assert matches, f"there is no verb `{' '.join(words[:2])}`"
    return matches[0]


def filled(words: tuple[str, ...]) -> list[str]:
    """Return the words with a value for each that stands for one of the reader's."""
    values = []
    for before, word in zip(("", *words), words, strict=False):
        stand_in = re.sub(r"^<(\w+)>-(<\w+>|da)$", "loveda-da", word)
        if STAND_IN.fullmatch(stand_in):
            stand_in = STAND_INS.get(before) or STAND_INS.get(words[0], "work_dirs/run")
        values.append(stand_in)
    return values


def example_of_a_method() -> str:
    """Return CONTRIBUTING's example of a method, adapter and configuration as printed, as one file."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n# rs_adapt/adapters/attention_gain.py\n(.*?)```", text, flags=re.DOTALL)
    (config,) = re.findall(r"```python\n# configs/method/attention_gain.py\n(.*?)```", text, flags=re.DOTALL)
    return f"{code}\n\n{config}"


def python_of(page: Path) -> list[str]:
    """Return the Python of a page."""
    return [text for language, text in read(page)[0] if language == "python"]
