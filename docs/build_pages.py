"""Pages of the site that are not files in `docs/`: a hook of mkdocs (see `hooks` in `mkdocs.yml`).

Pages of the repository (README, CONTRIBUTING, ...) appear in the site without a second copy, and the reference of the
command line is written from the commands themselves.
"""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import typer.main
from mkdocs.structure.files import File

from rs_adapt.commands import app

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

    # typer carries a copy of click's classes, whose names are private.
    Command = Parameter = Context = Any

ROOT = Path(__file__).resolve().parents[1]
# Files of the repository, and where the site has them.
PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "CHANGELOG.md": "project/changes.md",
    "benchmarks/RESULTS.md": "project/measurements.md",
    "data/README.md": "reference/data-manifests.md",
}
CLI = "reference/cli.md"
CLI_INTRO = """# Command line

Every command and option, written from the code when the site is built. `rs-adapt COMMAND --help` prints the same.
Results go to stdout, progress and errors to stderr. Exit codes: 0 done, 1 the run failed, 2 wrong usage, configuration
or data, 130 stopped by a signal. In names, `-` and `_` are the same.
"""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of the repository and the reference of the command line."""
    for source, page in PAGES.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text(encoding="utf-8")))
    files.append(File.generated(config, CLI, content=cli_page()))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Point links at the pages of the site, wherever in the repository their targets are."""
    here = page.file.src_uri
    if here == "index.md":
        page.meta["hide"] = ["navigation"]
    sources = {site: source for source, site in PAGES.items()}
    folder = PurePosixPath(sources.get(here, f"docs/{here}")).parent
    return re.sub(r"\]\(([^)\s#]+)(#[^)\s]*)?\)", lambda match: _site_link(match, folder, here), markdown)


def _site_link(match: re.Match[str], folder: PurePosixPath, here: str) -> str:
    """Return a Markdown link whose target is relative to the page in the site."""
    target, anchor = match[1], match[2] or ""
    if "://" in target:
        return match[0]
    path = os.path.normpath(folder / target)
    site = PAGES.get(path) or path.removeprefix("docs/")
    return f"]({os.path.relpath(site, PurePosixPath(here).parent)}{anchor})"


def cli_page() -> str:
    """Return the reference of the command line as Markdown."""
    root = typer.main.get_command(app)
    return "\n".join([CLI_INTRO, *(line for path, command in commands(root) for line in _section(path, command))])


def commands(group: Command, path: tuple[str, ...] = ("rs-adapt",)) -> Iterator[tuple[tuple[str, ...], Command]]:
    """Yield each command below a group with the words that call it, in the order of the help."""
    context = group.context_class(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        yield (*path, name), command
        if hasattr(command, "list_commands"):
            yield from commands(command, (*path, name))


def _section(path: tuple[str, ...], command: Command) -> Iterator[str]:
    """Yield the parts of one command: help, examples, a table of options for each panel."""
    yield f"{'#' * len(path)} {' '.join(path)}\n"
    paragraphs = [text.replace("\b", "").strip() for text in re.split(r"\n\s*\n", command.help or "")]
    examples = [line.removeprefix("$ ") for text in paragraphs for line in text.splitlines() if line.startswith("$ ")]
    yield from (f"{_plain(text)}\n" for text in paragraphs if text and not text.startswith("$ "))
    if examples:
        yield "\n".join(["```", *examples, "```\n"])
    context = command.context_class(command)
    panels: dict[str, list[str]] = {}
    for param in command.params:
        if not getattr(param, "hidden", False):
            panel = "Arguments" if param.param_type_name == "argument" else "Options"
            panels.setdefault(getattr(param, "rich_help_panel", None) or panel, []).append(_row(param, context))
    for panel, rows in panels.items():
        yield "\n".join([f"| {panel} | Value | Meaning |", "|---|---|---|", *rows, ""])


def _row(param: Parameter, context: Context) -> str:
    """Return the table row of one option or argument."""
    if param.param_type_name == "argument":
        label, value = f"`{param.metavar or param.name.upper()}`", ""
    else:
        label = ", ".join(f"`{name}`" for name in [*param.opts, *param.secondary_opts])
        value = "" if param.is_flag else f"`{param.display_type_rich(context).replace(' range', '').strip('<>')}`"
    text = _plain(getattr(param, "help", None) or "") + (" **Required.**" if param.required else "")
    return "| " + " | ".join(part.replace("|", "\\|") for part in (label, value, text)) + " |"


def _plain(text: str) -> str:
    """Return help as one line of Markdown."""
    return re.sub(r"\s+", " ", text).strip().replace("<", "&lt;")
