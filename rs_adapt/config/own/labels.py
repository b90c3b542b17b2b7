"""The classes of a bench of your own, and how the labels of its regions translate into them."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rs_adapt.config import paths
from rs_adapt.config.class_names import check_class_names
from rs_adapt.documents import read_toml
from rs_adapt.errors import ConfigError, DataNotFound

if TYPE_CHECKING:
    from rs_adapt.config.own.bench_file import BenchFile, ClassBridge, LabelsTable
    from rs_adapt.config.own.bench_values import Place

Role = Literal["source", "target"]
# What stands in a label: a class value, a colour, or an attribute's text.
LabelValue = int | str | tuple[int, int, int]


@dataclass(frozen=True, kw_only=True)
class Classes:
    """The classes of a bench.

    Attributes:
        names: In index order.
        palette: Their colours; red, green and blue from 0 to 255.
        bridge: The class bridge that names them, if one does.
    """

    names: list[str]
    palette: list[list[int]]
    bridge: ClassBridge | None


@dataclass(frozen=True, kw_only=True)
class _LegendClass:
    """A class of a data set, as its manifest describes it."""

    value: int
    colours: list[tuple[int, int, int]]
    ignored: bool


def read_classes(bench: BenchFile, file: Path) -> Classes:
    """Return the classes of a bench, from its own file or from the bridge that it names.

    Raises:
        ConfigError: There are fewer than two, or a name is not usable; see `check_class_names`.
        DataNotFound: The bridge's file does not exist.
    """
    bridge = _read_bridge(bench.bridge, file) if bench.bridge is not None else None
    if bridge is not None and bench.classes is not None:
        raise ConfigError(f"{file}: class and bridge both name the classes: keep one of them.")
    entries = bench.classes if bridge is None else bridge.classes
    if entries is None or len(entries) < 2:
        raise ConfigError(
            f"{file}: class is missing; give two or more tables [[class]] with name and colour, in index order."
        )
    names = [entry.name for entry in entries]
    check_class_names(names, str(file))
    return Classes(names=names, palette=[list(entry.colour) for entry in entries], bridge=bridge)


def _read_bridge(name: str, file: Path) -> ClassBridge:
    from rs_adapt.config.own.bench_file import ClassBridge
    from rs_adapt.validation import parse_as

    shipped = paths.manifests_dir() / "bridges" / f"{name.replace('-', '_')}.toml"
    known = sorted(one.stem for one in shipped.parent.glob("*.toml"))
    path = shipped if shipped.stem in known and "/" not in name else (file.parent / name)
    if not path.is_file():
        raise DataNotFound(f"{file}: bridge names {name!r}: no file {path}, and none of {', '.join(known)}.")
    return parse_as(ClassBridge, read_toml(path, error=ConfigError), file=str(path))


def read_labels(
    labels: LabelsTable, role: Role, root: Path, classes: Classes, file: Path, *, check_folders: bool = True
) -> dict[str, object]:
    """Return how the labels of a region are read.

    Args:
        labels: The table of the bench's file.
        role: The region that it belongs to.
        root: The folder that paths are relative to.
        classes: The classes of the bench.
        file: The bench's file, for messages.
        check_folders: Whether the folder or file of the labels has to exist.

    Returns:
        `kind`, `path`, `suffix`, `column`, `background`; `to_index`, pairs of what stands in the label (a value, a
        colour of three numbers or an attribute's text) and the index of its class; `ignore`, what is left out;
        `nodata`, and of polygons `layer`, `crs`, `aoi` and `aoi_layer`, where they are given.

    Raises:
        ConfigError: A key or value is not usable, or a class has nothing that becomes it.
        DataNotFound: The folder or file of the labels does not exist.
    """
    from rs_adapt.config.own.bench_values import Place, hint_at_path, show_path

    place = Place(file, f"{role}.labels")
    path = root / Path(labels.path or "").expanduser()
    if check_folders and not os.path.exists(path):
        raise DataNotFound(
            f"{file}: {place.key('path')} names {show_path(path)}, which does not exist.{hint_at_path(path)}"
        )
    if labels.kind == "polygons" and labels.column is None:
        raise place.error("column", "is missing; it must be the attribute of the polygons that names their class")
    legend = _read_legend(labels.legend, place)
    mapping = _class_items(labels, classes, place)
    if labels.kind == "polygons" and labels.nodata is not None:
        raise place.error("nodata", "is for rasters, and polygons have no pixels: leave it out")
    reader = _ItemReader(place, labels.kind, legend)
    # A class that the source lacks cannot be learnt; one that the target lacks is only never found there. The class
    # outside all polygons needs none of them.
    outside = labels.background if labels.kind == "polygons" else None
    may_be_empty = {name: role == "target" or name == outside for name in classes.names}
    to_index = [
        (value, index)
        for index, name in enumerate(classes.names)
        for value in reader.read(
            f"classes.{name}",
            mapping.get(name, [] if may_be_empty[name] else None),
            may_be_empty=may_be_empty[name],
        )
    ]
    ignored = _ignored(labels, legend, classes.bridge) if labels.ignore is None else labels.ignore
    ignore = reader.read("ignore", ignored, may_be_empty=True)
    values = [value for value, _ in to_index] + ignore
    if repeated := [value for value in values if values.count(value) > 1]:
        raise place.error("classes", f"gives {repeated[0]!r} to more than one class, or ignores it too")
    if labels.nodata in [value for value, _ in to_index]:
        raise place.error("nodata", f"is {labels.nodata}, which classes name too: a pixel of a class has data")
    background = labels.background
    if background is not None and background not in classes.names:
        raise place.error("background", f"is {background!r}; it must be one of {', '.join(classes.names)}")
    return {
        "kind": labels.kind,
        "path": str(path.resolve()),
        "suffix": labels.suffix if labels.suffix is not None else ".geojson" if labels.kind == "polygons" else ".png",
        "column": labels.column,
        "background": classes.names.index(background) if background is not None else None,
        "to_index": to_index,
        "ignore": ignore,
        **({} if labels.nodata is None else {"nodata": labels.nodata}),
        **({} if labels.name is None else {"name": labels.name}),
        **_polygon_keys(labels, root, place, check_folders),
    }


def _polygon_keys(labels: LabelsTable, root: Path, place: Place, check_folders: bool) -> dict[str, object]:
    """Return the keys that only polygons take, those that are given: older configurations have none of them."""
    given = {
        "layer": labels.layer,
        "crs": labels.crs,
        "aoi": labels.aoi,
        "aoi_layer": labels.aoi_layer,
    }
    keys: dict[str, object] = {key: value for key, value in given.items() if value is not None}
    if keys and labels.kind != "polygons":
        raise place.error(next(iter(keys)), f'is for polygons, but kind is {labels.kind!r}; give kind = "polygons"')
    if labels.aoi is None:
        if labels.aoi_layer is not None:
            raise place.error("aoi_layer", "has no meaning without aoi")
        return keys
    if labels.background is None:
        raise place.error("aoi", "says where pixels outside all polygons are background; name that class as background")
    aoi = root / Path(labels.aoi).expanduser()
    if check_folders and not os.path.exists(aoi):
        raise DataNotFound(f"{place.file}: {place.key('aoi')} names {aoi}, which does not exist.")
    return keys | {"aoi": str(aoi.resolve())}


def _class_items(labels: LabelsTable, classes: Classes, place: Place) -> Mapping[str, Sequence[object]]:
    """Return class name -> items of the labels that become it."""
    if labels.classes is not None:
        for name in labels.classes:
            if name not in classes.names:
                near = difflib.get_close_matches(name, classes.names, n=1)
                hint = f" Did you mean {near[0]}?" if near else ""
                raise ConfigError(
                    f"{place.file}: there is no key {place.key(f'classes.{name}')}.{hint} "
                    f"Known: {', '.join(classes.names)}."
                )
        return labels.classes
    if classes.bridge is not None and labels.legend is not None:
        items = classes.bridge.legend(labels.legend)
        if items is None:
            raise place.error("legend", f"is {labels.legend!r}, which the bridge does not translate")
        return {name: values for name, values in items.items() if name in classes.names}
    raise place.error("classes", "is missing; state which label values belong to each class, such as road = [3]")


def _ignored(
    labels: LabelsTable, legend: Mapping[str, _LegendClass] | None, bridge: ClassBridge | None
) -> list[object]:
    """Return what is left out where the file does not say: the ignored names of the legend, and those of the bridge."""
    of_legend = [name for name, one in (legend or {}).items() if one.ignored]
    translated = bridge.legend(labels.legend) if bridge is not None and labels.legend is not None else None
    return [*of_legend, *(translated or {}).get("ignore", [])]


def _read_legend(name: str | None, place: Place) -> dict[str, _LegendClass] | None:
    if name is None:
        return None
    from rs_adapt.config.own.bench_values import as_colour

    known = sorted(one.stem for one in paths.manifests_dir().glob("*.toml"))
    if name not in known:
        raise place.error("legend", f"is {name!r:.80}; it must be a data set: {', '.join(known)}")
    entries = read_toml(paths.manifests_dir() / f"{name}.toml", error=ConfigError)["classes"]
    return {
        entry["name"]: _LegendClass(
            value=entry["value"],
            colours=[as_colour(one) for one in entry.get("colours", [entry["colour"]] if "colour" in entry else [])],
            ignored=entry.get("ignored", False),
        )
        for entry in entries
    }


class _ItemReader:
    """Reads lists of label values, colours or attributes; names of a legend stand for its values or colours."""

    def __init__(self, place: Place, kind: str, legend: Mapping[str, _LegendClass] | None) -> None:
        self.place, self.kind, self.legend = place, kind, legend

    def read(self, key: str, items: Sequence[object] | None, *, may_be_empty: bool) -> list[LabelValue]:
        if items is None or not (items or may_be_empty):
            raise self.place.error(key, f"is {items!r}; it must be a list of {self.kind}")
        return [value for item in items for value in self._values(key, item)]

    def _values(self, key: str, item: object) -> Sequence[LabelValue]:
        if self.kind == "polygons":
            return [str(item)]
        if self.legend is not None and isinstance(item, str) and not item.startswith("#"):
            if item not in self.legend:
                raise self.place.error(key, f"names {item!r}; the legend has {', '.join(self.legend)}")
            entry = self.legend[item]
            return [entry.value] if self.kind == "values" else entry.colours
        if self.kind == "colours":
            return [self._colour(key, item)]
        if isinstance(item, bool) or not isinstance(item, int):
            raise self.place.error(key, f"holds {item!r}; label values are whole numbers")
        return [item]

    def _colour(self, key: str, item: object) -> tuple[int, int, int]:
        from rs_adapt.config.own.bench_values import as_colour

        try:
            return as_colour(item)
        except ValueError as error:
            raise self.place.error(key, f"is {item!r}; {error}") from error
