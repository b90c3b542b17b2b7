"""Verbs are imported when they are called; the help that is drawn without them equals the one that typer draws."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from collections.abc import Callable, Mapping

import pytest
import typer
from typer.core import TyperGroup

from rs_adapt.commands import VERBS, main
from rs_adapt.commands.data import VERBS as DATA_VERBS
from rs_adapt.commands.lazy import Verb, VerbGroup
from rs_adapt.commands.weights import VERBS as WEIGHTS_VERBS

GROUPS = {"": VERBS, "data": DATA_VERBS, "weights": WEIGHTS_VERBS}


def printed(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit):
        main(arguments)
    return capsys.readouterr().out


@pytest.mark.parametrize("group", GROUPS, ids=lambda name: name or "root")
def test_help_line_is_the_first_line_of_the_docstring(group: str) -> None:
    verbs: Mapping[str, Verb] = GROUPS[group]
    for name, verb in verbs.items():
        target = verb.load()
        if isinstance(target, typer.Typer):
            assert verb.help == target.info.help, name
        else:
            assert verb.help == (inspect.getdoc(target) or "").split("\n\n")[0], name


@pytest.mark.parametrize("width", [80, 100, 160])
@pytest.mark.parametrize("arguments", [["--help"], ["data", "-h"], ["weights", "--help"], []], ids=" ".join)
def test_help_looks_as_typer_draws_it(
    arguments: list[str], width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    drawn = printed(arguments, capsys)
    assert "Commands" in drawn
    monkeypatch.setattr(VerbGroup, "format_help", TyperGroup.format_help)
    assert drawn == printed(arguments, capsys)


def test_colours_of_the_help_are_typers(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    drawn = printed(["--help"], capsys)
    for styled in ("\x1b[33mUsage:\x1b[0m", "\x1b[1;36mtrain      \x1b[0m", "\x1b[1;36m--help"):
        assert styled in drawn
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in printed(["--help"], capsys)


def test_unknown_verb_suggests_a_known_one(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["tran"])
    assert "Did you mean 'train'" in capsys.readouterr().err


def test_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    from rs_adapt import __version__

    assert printed(["--version"], capsys) == f"rs-adapt {__version__}\n"


def complete(words: str) -> tuple[list[str], set[str]]:
    """Return what bash is offered after some words, and the verb modules that this imports."""
    script = (
        "import sys, atexit; from rs_adapt.commands import main; names = lambda: [*sys.modules]; "
        "atexit.register(lambda: print(*[m for m in names() if 'rs_adapt.' in m], file=sys.stderr)); main()"
    )
    asked = {"_RS_ADAPT_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1)}
    run = subprocess.run(
        [sys.executable, "-c", script], env=os.environ | asked, capture_output=True, text=True, timeout=60, check=True
    )
    return run.stdout.split(), set(run.stderr.split())


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("rs-adapt s", ["score", "show", "submit", "sweep", "share"]),
        ("rs-adapt data pre", ["prepare"]),
        ("rs-adapt train --dev", ["--device"]),
    ],
)
def test_verbs_are_completed(words: str, offered: list[str]) -> None:
    found, modules = complete(words)
    assert found == offered
    if words == "rs-adapt s":
        assert modules == {"rs_adapt.commands", "rs_adapt.commands.lazy", "rs_adapt.errors", "rs_adapt.threads"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script_is_printed(
    shell: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("_RS_ADAPT_COMPLETE", f"source_{shell}")
    assert "_RS_ADAPT_COMPLETE" in printed([], capsys)


def test_every_verb_has_examples() -> None:
    def functions(verbs: Mapping[str, Verb]) -> list[Callable[..., None]]:
        return [target for verb in verbs.values() if not isinstance(target := verb.load(), typer.Typer)]

    for function in (one for verbs in GROUPS.values() for one in functions(verbs)):
        assert "$ rs-adapt " in (function.__doc__ or ""), function
