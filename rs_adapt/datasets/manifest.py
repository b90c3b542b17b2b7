"""Data manifests: what a data set is, where it comes from, under which conditions, and what its files hold.

One TOML a data set in `data/`; `data/README.md` has the keys.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rs_adapt.config.paths import manifests_dir
from rs_adapt.downloads.published import Published
from rs_adapt.errors import UnknownName


@dataclass(frozen=True, kw_only=True)
class Archive:
    """A file to get: where from (in the order of trying), its size and its checksum where they are published.

    `urls` is empty where a site wants a form or a login.
    """

    name: str
    urls: tuple[str, ...]
    size_bytes: int | None
    md5: str | None
    sha256: str | None
    optional: bool

    @property
    def published(self) -> Published:
        """Where it comes from and how it is recognised."""
        return Published(urls=self.urls, size_bytes=self.size_bytes, md5=self.md5, sha256=self.sha256)


@dataclass(frozen=True, kw_only=True)
class LabelClass:
    """A value of the label files, its name and its RGB colours in colour labels; `ignored` values are not scored."""

    name: str
    value: int
    colours: tuple[tuple[int, int, int], ...]
    ignored: bool


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What stands in a manifest; `facts` holds all of it as it is written.

    `restricted`: the conditions have to be accepted before anything is fetched. `by_hand`: the steps to what no program
    can fetch, because a site wants a form or a login; empty where everything has an address, or nothing is needed.
    """

    name: str
    title: str
    licence: str
    conditions: str
    citation: str
    how_to_get: str
    restricted: bool
    by_hand: tuple[str, ...]
    num_images: int | None
    bands: tuple[str, ...]
    gsd_m: float | None
    archives: tuple[Archive, ...]
    classes: tuple[LabelClass, ...]
    facts: Mapping[str, Any]

    @property
    def access(self) -> str:
        """How the files get here, in two words for a table."""
        if self.by_hand:
            return "by hand"
        return "data fetch" if self.archives else "drawn"

    def legend(self) -> dict[tuple[int, int, int], int]:
        """RGB colour to label value, for labels that are painted in colours."""
        return {colour: one.value for one in self.classes for colour in one.colours}


def manifest_names() -> list[str]:
    """Names of all data sets, sorted."""
    return sorted(path.stem for path in manifests_dir().glob("*.toml"))


def load_manifest(name: str) -> Manifest:
    """Read the manifest of a data set.

    Args:
        name: as in `manifest_names`; `-` and `_` are the same.

    Raises:
        UnknownName: there is none of this name.
    """
    name = name.replace("-", "_")
    path = manifests_dir() / f"{name}.toml"
    if name not in manifest_names():
        near = difflib.get_close_matches(name, manifest_names(), n=3)
        hint = f" Did you mean {', '.join(near)}?" if near else ""
        raise UnknownName(f"There is no data set {name!r}.{hint} Known: {', '.join(manifest_names())}.")
    facts = tomllib.loads(path.read_text(encoding="utf-8"))
    return Manifest(
        **{key: facts[key] for key in ("name", "title", "licence", "conditions", "citation", "how_to_get")},
        restricted=facts["restricted"],
        by_hand=tuple(facts.get("by_hand", ())),
        num_images=facts.get("num_images"),
        bands=tuple(facts["bands"]),
        gsd_m=facts.get("gsd_m"),
        archives=tuple(_archive(one) for one in facts.get("archives", [])),
        classes=tuple(_label_class(one) for one in facts["classes"]),
        facts=facts,
    )


def _archive(one: Mapping[str, Any]) -> Archive:
    urls = [one["url"]] if "url" in one else []
    return Archive(
        name=one["name"],
        urls=(*urls, *one.get("mirrors", ())),
        size_bytes=one.get("size_bytes"),
        md5=one.get("md5"),
        sha256=one.get("sha256"),
        optional=one.get("optional", False),
    )


def _label_class(one: Mapping[str, Any]) -> LabelClass:
    colours = one.get("colours", [one["colour"]] if "colour" in one else [])
    return LabelClass(
        name=one["name"],
        value=one["value"],
        colours=tuple((int(red), int(green), int(blue)) for red, green, blue in colours),
        ignored=one.get("ignored", False),
    )
