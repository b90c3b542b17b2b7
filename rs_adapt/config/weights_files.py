"""Files of base weights, as the backbones' configs describe them (`backbone.weights`).

Keys of the facts: `file`; `url`, and `mirrors` after it, where an address is known; `bytes` and `sha256` where
published; `licence`; `shipped` (in the package); `gated` (the page on which access has to be requested), with
`alternative` (the nearest backbone whose file anybody may fetch); `base_sha256` (over the tensors, as packs name
their base).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rs_adapt.config import axes
from rs_adapt.config.facts import WeightsFacts
from rs_adapt.config.names import normalize, unknown_name_message
from rs_adapt.config.paths import weights_file
from rs_adapt.downloads.published import Published
from rs_adapt.errors import ConfigError, UnknownName, WeightsError


@dataclass(frozen=True, kw_only=True)
class WeightsFile:
    """A file of base weights: name and title of its backbone, and facts about the file."""

    name: str
    title: str
    facts: WeightsFacts

    @property
    def path(self) -> Path:
        """The path where the file is expected."""
        return weights_file(self.facts)

    @property
    def published(self) -> Published:
        """The addresses of the file, its size and its checksum."""
        urls = [self.facts["url"]] if self.facts.get("url") else []
        return Published(
            urls=(*urls, *self.facts.get("mirrors", ())),
            size_bytes=self.facts.get("bytes"),
            sha256=self.facts.get("sha256"),
        )


def weights_files() -> tuple[WeightsFile, ...]:
    """Return all files, in the order of their backbones' names.

    Raises:
        ConfigError: A config cannot be read.
    """
    files: list[WeightsFile] = []
    for name in axes.values("backbone"):
        facts = axes.backbone_facts(name).get("weights")
        if facts is not None:
            files.append(WeightsFile(name=name, title=axes.title("backbone", name), facts=facts))
    return tuple(files)


def find_weights_file(name: str) -> WeightsFile:
    """Return the file that a user names by its backbone or by its file name.

    Raises:
        UnknownName: There is no such file; the text lists the nearest and all names.
    """
    files = weights_files()
    for file in files:
        if name == file.facts["file"] or normalize(name) == file.name:
            return file
    raise UnknownName(unknown_name_message("file of base weights", name, [file.name for file in files]))


def published_facts(path: str | Path) -> WeightsFacts | None:
    """Return the facts of the published file that is expected at a path; None where none is."""
    return next((file.facts for file in weights_files() if file.path == Path(path)), None)


def fetch_command(facts: WeightsFacts) -> str:
    """Return the command that downloads a file, with the name of its backbone if that is known."""
    try:
        name = find_weights_file(facts["file"]).name.replace("_", "-")
    except ConfigError:
        # The caller reports a missing file; a broken config elsewhere must not hide that.
        name = facts["file"]
    return f"rs-adapt weights fetch {name}"


def missing_weights(path: Path, facts: WeightsFacts | None) -> WeightsError:
    """Return the error about a missing file of base weights: where it was looked for, and how to get it."""
    return WeightsError(_missing_message(path, facts))


def _missing_message(path: Path, facts: WeightsFacts | None) -> str:
    # A file that the user names is no part of the package.
    if not facts or (facts.get("shipped") and path != weights_file(facts)):
        return (
            f"Base weights not found: {path} does not exist. Name a file with --weights FILE, or use --weights random."
        )
    if facts.get("shipped"):
        return (
            f"Base weights not found: {path} does not exist. {facts['file']} comes with rs-adapt: install it again, or "
            "use --weights random."
        )
    default = weights_file(facts)
    size = f"{facts['bytes']} bytes" if facts.get("bytes") else "size not published"
    licence = f"  licence: {facts['licence']}\n" if facts.get("licence") else ""
    digest = f"sha256 {facts['sha256']}" if facts.get("sha256") else "sha256 not published"
    # A gated address needs a key: without it there is an error page.
    address = f"  URL:  {facts['url']}\n" if facts.get("url") and not facts.get("gated") else ""
    command = fetch_command(facts)
    if facts.get("gated"):
        instructions = (
            f"It is distributed on request, and may be passed on under the same licence only. Ask for it at "
            f"{facts['gated']}, then run (without --weights, {default} is used)\n"
        )
    elif not address:
        instructions = (
            f"No address is known: get it from its authors, then run (without --weights, {default} is used)\n"
        )
    else:
        instructions = (
            f"Get it with (without --weights, {default} is used)\n  {command}\nor, with a file from elsewhere,\n"
        )
    return (
        f"Base weights not found: looked for {path}\n"
        f"  file: {facts['file']} ({size}, {digest})\n"
        f"{address}"
        f"{licence}"
        f"{instructions}"
        f"  {command} --from FILE{open_alternative(facts)}"
    )


def open_alternative(facts: WeightsFacts) -> str:
    """Return a line that names the open backbone nearest to a gated one; empty where none is stated."""
    if not facts.get("alternative"):
        return ""
    name = facts["alternative"].replace("_", "-")
    return f"\nThe nearest backbone that needs no permission is {name}: --backbone {name} (docs/guides/backbones.md)."
