"""Groups of verbs that are imported when they are called, and whose help needs no import of theirs.

`rs-adapt --help` is the first command of a new user. Importing every verb and rich for it takes three times as
long as typer itself, so a group knows the name, the help line and the module of each verb, and draws the same panels
that typer draws with rich. Tests compare the help with typer's.
"""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from importlib import import_module
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from typer._click import Command, HelpFormatter
    from typer._click.shell_completion import CompletionItem

_BOLD, _DIM, _BOLD_CYAN, _BOLD_GREEN, _BOLD_YELLOW, _YELLOW = "1", "2", "1;36", "1;32", "1;33", "33"


class Verb(NamedTuple):
    """The import path of the function of a verb, or of the `typer.Typer` of a group of verbs.

    Attributes:
        target: Module and name, such as `rs_adapt.commands.train:train`.
        help: First line of the function's docstring, or the help of the group.
    """

    target: str
    help: str

    def load(self) -> Callable[..., None] | typer.Typer:
        """Import the module and return the function or the group."""
        module, name = self.target.split(":")
        if not name.endswith("_app"):
            from rs_adapt.remote_drivers import refuse_remote_drivers

            # Before the verb, which may import rasterio.
            refuse_remote_drivers()
        loaded: Callable[..., None] | typer.Typer = getattr(import_module(module), name)
        return loaded


class VerbGroup(TyperGroup):
    """A group that imports a verb when it is called."""

    verbs: ClassVar[Mapping[str, Verb]]

    def __init__(self, **settings: object) -> None:
        # Names and help lines serve lists, suggestions and completion; `get_command` gives the real command.
        lines = {name: TyperCommand(name, help=verb.help) for name, verb in self.verbs.items()}
        super().__init__(**{**settings, "commands": lines})  # type: ignore[arg-type]

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Command | None:  # type: ignore[override]
        """Import the verb; None if there is none of that name."""
        return build_command(cmd_name, self.verbs[cmd_name]) if cmd_name in self.verbs else None

    def invoke(self, ctx: typer.Context) -> object:  # type: ignore[override]
        """Call the verb; a wrong value is reported in plain words."""
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            from rs_adapt.commands.usage import plain_usage_error

            error.message = plain_usage_error(error.message)
            raise

    def shell_complete(self, ctx: typer.Context, incomplete: str) -> list[CompletionItem]:  # type: ignore[override]
        """Complete names of verbs and options without importing a verb."""
        from typer._click.shell_completion import CompletionItem

        verbs = [
            CompletionItem(name, help=verb.help) for name, verb in self.verbs.items() if name.startswith(incomplete)
        ]
        return verbs + super(TyperGroup, self).shell_complete(ctx, incomplete)

    def format_help(self, ctx: typer.Context, formatter: HelpFormatter) -> None:  # type: ignore[override]
        """Print the help as typer does with rich, past the formatter, without importing rich."""
        options = [
            (
                ",".join(name for name in option.opts if name.startswith("--")),
                ",".join(name for name in option.opts if not name.startswith("--")),
                option.display_type(ctx),
                option.help or "",
            )
            for option in self.get_params(ctx)
            if isinstance(option, TyperOption) and not option.hidden
        ]
        usage, lines = self.get_usage(ctx), {name: verb.help for name, verb in self.verbs.items()}
        colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
        width = shutil.get_terminal_size().columns
        print(render_help(usage, self.help or "", options, lines, width=width, colour=colour))


def build_command(name: str, verb: Verb) -> Command:
    """Build the command of a verb, or the group of several, as typer does."""
    target = verb.load()
    if isinstance(target, typer.Typer):
        group = typer.main.get_command(target)
        group.name = name
        return group
    single = typer.Typer(add_completion=False)
    single.command(name)(target)
    return typer.main.get_command(single)


def build_group(verbs: Mapping[str, Verb], *, help: str) -> typer.Typer:
    """Build a group of lazy verbs below the root.

    Args:
        verbs: The verbs by name, in the order of the help.
        help: Purpose of the group, in one line.
    """
    cls = type("Verbs", (VerbGroup,), {"verbs": verbs})
    group = typer.Typer(cls=cls, help=help, no_args_is_help=True, add_completion=False)
    group.callback()(_do_nothing)
    return group


def _do_nothing() -> None:
    pass


def render_help(
    usage: str,
    text: str,
    options: Sequence[tuple[str, str, str, str]],
    verbs: Mapping[str, str],
    *,
    width: int,
    colour: bool,
) -> str:
    """Return the help of a group of verbs, line by line as typer draws it with rich.

    Args:
        usage: The usage line.
        text: Purpose of the group, in one paragraph.
        options: Long names, short names, type and help of each option.
        verbs: Help line by name.
        width: Columns of the terminal.
        colour: Whether to style the text with ANSI codes.
    """

    def style(text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if colour and text.strip() else text

    def panel(title: str, rows: Sequence[tuple[str, str, str]]) -> list[str]:
        """Frame rows of (name column, the same with styles, help)."""
        inner = width - 4
        lines = [style(f"╭─ {title} {'─' * (width - len(title) - 5)}╮", _DIM)]
        side = style("│", _DIM)
        for plain, styled, help in rows:
            room = max(inner - len(plain), 10)
            for number, line in enumerate(textwrap.wrap(help, room, break_on_hyphens=False) or [""]):
                lines.append(f"{side} {styled if number == 0 else ' ' * len(plain)}{line.ljust(room)} {side}")
        return [*lines, style(f"╰{'─' * (width - 2)}╯", _DIM)]

    longs, shorts, types = (max((len(option[column]) for option in options), default=0) for column in range(3))
    option_rows = []
    for long, short, kind, help in options:
        # Typer leaves two empty columns for the names that switch an option off.
        cells = (f"{long:<{longs}}  ", f"{short:<{shorts}}      ", f"{kind:<{types}}  ")
        styled = "".join(
            style(cell, code) for cell, code in zip(cells, (_BOLD_CYAN, _BOLD_GREEN, _BOLD_YELLOW), strict=True)
        )
        option_rows.append(("".join(cells), styled, help))
    names = max(map(len, verbs))
    verb_rows = [(f"{name:<{names}}  ", style(f"{name:<{names}}  ", _BOLD_CYAN), help) for name, help in verbs.items()]
    label, _, command = usage.partition(" ")
    lines = ["", f" {style(label, _YELLOW)} {style(command, _BOLD)}", ""]
    lines += [f" {line}" for line in textwrap.wrap(text, width - 2, break_on_hyphens=False)]
    lines += ["", *panel("Options", option_rows), *panel("Commands", verb_rows)]
    return "\n".join(line if colour else line.ljust(width) for line in lines)
