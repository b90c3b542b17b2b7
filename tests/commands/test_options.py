"""One option name means the same in every verb, and every verb that prints a table prints JSON too."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer
from rich.text import Text
from typer.core import TyperArgument, TyperGroup, TyperOption

from rs_adapt.commands import app

if TYPE_CHECKING:
    from typer._click import Command

# What they print is a configuration, files, or lines on the way, and no table.
WITHOUT_JSON = {"data fetch", "data init", "data prepare", "weights build", "weights convert", "weights fetch"}


def verbs(group: TyperGroup | None = None, above: str = "") -> Iterator[tuple[str, Command]]:
    """Yield all verbs by their full name."""
    group = group or typer.main.get_command(app)  # type: ignore[assignment]
    assert isinstance(group, TyperGroup)
    context = typer.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, TyperGroup):
            yield from verbs(command, f"{above}{name} ")
        else:
            yield above + name, command


VERBS = dict(verbs())


def shown_options(command: Command) -> list[TyperOption]:
    return [param for param in command.params if isinstance(param, TyperOption) and not param.hidden]


def test_one_option_name_has_one_meaning() -> None:
    meanings: dict[str, dict[tuple[object, ...], list[str]]] = defaultdict(lambda: defaultdict(list))
    for verb, command in VERBS.items():
        for option in shown_options(command):
            # The default in parentheses may differ, and so may examples after a colon.
            help = re.sub(r" ?\(default: [^)]*\)|:.*", "", option.help or "").rstrip(".")
            kind = str(option.type_descriptor.annotation).replace("typing.", "")
            meaning = (tuple(option.opts), option.is_flag, option.multiple, kind, help)
            for name in option.opts:
                meanings[name][meaning].append(verb)
    assert {"--out", "-o", "--device", "--seed", "--data-root", "--overwrite", "--dry-run", "--json"} <= meanings.keys()
    # Words that a map shows in place of the classes, and the classes in a mean: both are a choice of classes.
    assert len(meanings.pop("--classes")) == 2
    assert {name: dict(given) for name, given in meanings.items() if len(given) > 1} == {}


def test_every_option_and_argument_has_a_help_text() -> None:
    for verb, command in VERBS.items():
        for param in command.params:
            if isinstance(param, TyperOption | TyperArgument) and not param.hidden:
                assert param.help, (verb, param.name)
                assert param.help.endswith("."), (verb, param.help)


def test_no_help_text_loses_words_to_markup() -> None:
    texts = [(verb, command.help) for verb, command in VERBS.items()]
    texts += [(verb, getattr(param, "help", None)) for verb, command in VERBS.items() for param in command.params]
    assert [(verb, text) for verb, text in texts if text and Text.from_markup(text).plain != text] == []


def test_short_names_follow_the_ecosystem() -> None:
    short = {name for command in VERBS.values() for option in shown_options(command) for name in option.opts}
    assert {name for name in short if not name.startswith("--")} == {"-o"}


def test_verbs_that_print_a_table_print_json_too() -> None:
    without = {
        verb for verb, command in VERBS.items() if all("--json" not in option.opts for option in shown_options(command))
    }
    assert without == WITHOUT_JSON
