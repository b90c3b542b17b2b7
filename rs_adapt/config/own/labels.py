"""The classes of a bench of one's own, and how the labels of its regions translate into them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rs_adapt.config import paths
from rs_adapt.config.own.keys import Keys
from rs_adapt.errors import ConfigError, DataNotFound

if TYPE_CHECKING:
    from collections.abc import Mapping

KINDS = ("values", "colours", "polygons")
_LABELS = ("path", "kind", "suffix", "legend", "column", "background", "ignore", "classes")
_HEX = re.compile(r"#[0-9a-fA-F]{6}")


def classes(top: Keys, file: Path) -> tuple[list[str], list[list[int]], Mapping[str, Any] | None]:
    """Names and colours of the classes in index order, and the class bridge that gave them, if one did.

    Raises:
        ConfigError: there are none, or a name or colour is not usable or there twice.
        DataNotFound: the bridge's file does not exist.
    """
    bridge = _bridge(top, file)
    listed = top.given.get("class") if bridge is None else bridge.get("class")
    if bridge is not None and "class" in top.given:
        raise top.error("class", "and bridge both name the classes: keep one of them")
    if not isinstance(listed, list) or len(listed) < 2 or not all(isinstance(item, dict) for item in listed):
        raise top.error("class", "is missing; give two or more tables [[class]] with name and colour, in index order")
    names, palette = [], []
    for item in listed:
        one = Keys(item, file, "class", ("name", "colour"))
        names.append(str(one.text("name")))
        palette.append(list(_colour(one, "colour", item.get("colour"))))
    if len(set(names)) < len(names):
        raise top.error("class", f"holds a name twice: {', '.join(names)}")
    return names, palette, bridge


def _bridge(top: Keys, file: Path) -> Mapping[str, Any] | None:
    name = top.text("bridge", None)
    if name is None:
        return None
    shipped = paths.manifests_dir() / "bridges" / f"{name.replace('-', '_')}.toml"
    path = shipped if shipped.is_file() else (file.parent / name)
    if not path.is_file():
        known = sorted(one.stem for one in shipped.parent.glob("*.toml"))
        raise DataNotFound(f"{file}: bridge names {name!r}: no file {path}, and none of {', '.join(known)}.")
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigError(f"{path} cannot be read: {error}.") from error


def labels(keys: Keys, root: Path, names: list[str], bridge: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """How the labels of a region are read, or None where it has none.

    Returns:
        `kind`, `path`, `suffix`, `column`, `background`; `to_index`, pairs of what stands in the label (a value, a
        colour of three numbers or an attribute's text) and the index of its class; `ignore`, what is left out.

    Raises:
        ConfigError: a key or value is not usable, or a class has nothing that becomes it.
        DataNotFound: the folder or file of the labels does not exist.
    """
    if "labels" not in keys.given:
        return None
    table = keys.table("labels", _LABELS)
    kind = table.text("kind", "values")
    if kind not in KINDS:
        raise table.error("kind", f"is {kind!r}; it must be one of {', '.join(KINDS)}")
    path = (root / str(table.text("path"))).expanduser()
    if not (path.is_dir() or (kind == "polygons" and path.is_file())):
        raise DataNotFound(f"{keys.file}: {table.place('path')} names {path}, which is not there.")
    if kind == "polygons" and "column" not in table.given:
        raise table.error("column", "is missing; it must be the attribute of the polygons that names their class")
    legend = _legend(table)
    mapping = _mapping(table, names, bridge)
    read = _Reader(table, kind, legend)
    # A class that the source lacks cannot be learnt; one that the target lacks is only never found there.
    absent: list[Any] | None = None if keys.where == "source" else []
    to_index = [
        (item, index)
        for index, name in enumerate(names)
        for item in read(f"classes.{name}", mapping.get(name, absent), may_be_empty=absent is not None)
    ]
    ignore = read("ignore", table.given.get("ignore", _ignored(legend, bridge, table)), may_be_empty=True)
    seen = [item for item, _ in to_index] + ignore
    if twice := [item for item in seen if seen.count(item) > 1]:
        raise table.error("classes", f"gives {twice[0]!r} to more than one class, or ignores it too")
    background = table.text("background", None)
    if background is not None and background not in names:
        raise table.error("background", f"is {background!r}; it must be one of {', '.join(names)}")
    return {
        "kind": kind,
        "path": str(path.resolve()),
        "suffix": table.text("suffix", ".geojson" if kind == "polygons" else ".png"),
        "column": table.text("column", None),
        "background": names.index(background) if background is not None else None,
        "to_index": to_index,
        "ignore": ignore,
    }


def _mapping(table: Keys, names: list[str], bridge: Mapping[str, Any] | None) -> Mapping[str, Any]:
    if "classes" in table.given:
        return table.table("classes", names).given
    legend = table.text("legend", None)
    if bridge is not None and legend is not None:
        given = bridge.get(legend)
        if not isinstance(given, dict):
            raise table.error("legend", f"is {legend!r}, which the bridge does not translate")
        return {name: items for name, items in given.items() if name in names}
    raise table.error("classes", "is missing; say for each class which labels become it, such as road = [3]")


def _ignored(legend: Mapping[str, Any] | None, bridge: Mapping[str, Any] | None, table: Keys) -> list[Any]:
    """What is left out where the file does not say: the ignored names of the legend, and those of the bridge."""
    of_legend = [name for name, one in (legend or {}).items() if one["ignored"]]
    of_bridge = (bridge or {}).get(table.given.get("legend", ""), {}).get("ignore", [])
    return [*of_legend, *of_bridge]


def _legend(table: Keys) -> dict[str, dict[str, Any]] | None:
    name = table.text("legend", None)
    if name is None:
        return None
    path = paths.manifests_dir() / f"{name}.toml"
    if not path.is_file():
        known = sorted(one.stem for one in path.parent.glob("*.toml"))
        raise table.error("legend", f"is {name!r}; it must be a data set: {', '.join(known)}")
    listed = tomllib.loads(path.read_text(encoding="utf-8"))["classes"]
    return {
        one["name"]: {
            "value": one["value"],
            "colours": one.get("colours", [one["colour"]] if "colour" in one else []),
            "ignored": one.get("ignored", False),
        }
        for one in listed
    }


class _Reader:
    """Reads lists of label values, colours or attributes; names of a legend stand for its values or colours."""

    def __init__(self, table: Keys, kind: str, legend: Mapping[str, Any] | None) -> None:
        self.table, self.kind, self.legend = table, kind, legend

    def __call__(self, key: str, items: Any, *, may_be_empty: bool) -> list[Any]:
        if not isinstance(items, list) or not (items or may_be_empty):
            raise self.table.error(key, f"is {items!r}; it must be a list of {self.kind}")
        return [one for item in items for one in self._one(key, item)]

    def _one(self, key: str, item: Any) -> list[Any]:
        if self.kind == "polygons":
            return [str(item)]
        if self.legend is not None and isinstance(item, str) and not item.startswith("#"):
            if item not in self.legend:
                raise self.table.error(key, f"names {item!r}; the legend has {', '.join(self.legend)}")
            entry = self.legend[item]
            return [entry["value"]] if self.kind == "values" else [tuple(colour) for colour in entry["colours"]]
        if self.kind == "colours":
            return [_colour(self.table, key, item)]
        if isinstance(item, bool) or not isinstance(item, int) or not 0 <= item <= 255:
            raise self.table.error(key, f"holds {item!r}; label values are whole numbers, 0 to 255")
        return [item]


def _colour(keys: Keys, key: str, value: Any) -> tuple[int, int, int]:
    if isinstance(value, str) and _HEX.fullmatch(value):
        return int(value[1:3], 16), int(value[3:5], 16), int(value[5:7], 16)
    whole = isinstance(value, list | tuple) and len(value) == 3
    if whole and all(isinstance(one, int) and not isinstance(one, bool) and 0 <= one <= 255 for one in value):
        red, green, blue = value
        return red, green, blue
    raise keys.error(key, f"is {value!r}; a colour is three numbers 0 to 255, or a text such as '#3C1098'")
