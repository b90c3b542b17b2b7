"""The folders of tiles of a data set or a bench, and what they should hold."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rs_adapt.config import axes, paths
from rs_adapt.config.bench_names import SETTINGS, bench_families, settings_of
from rs_adapt.config.facts import SPLITS, BenchFacts
from rs_adapt.config.names import normalize, unknown_name_message
from rs_adapt.config.own import bench as own_bench
from rs_adapt.config.tasks import SEGMENTATION, task_of
from rs_adapt.datasets.checks import allowed_values
from rs_adapt.datasets.manifest import load_manifest, manifest_names
from rs_adapt.datasets.originals import Layout, layout_names, load_layout
from rs_adapt.errors import ConfigError, DataNotFound, UnknownName


@dataclass(frozen=True, kw_only=True)
class TileSet:
    """A folder of tiles.

    Attributes:
        title: Region and split.
        split: "train", "val" or "test".
        img_dir: Folder of the images.
        ann_dir: Folder of the labels; None where there are none.
        tile_px: Side of a tile; None where tiles are whole images of any size.
        num_tiles: The published number, or None.
        ann_suffix: Ending of its labels' names; None where it is that of `TileSets`.
    """

    title: str
    split: str
    img_dir: Path
    ann_dir: Path | None
    tile_px: int | None
    num_tiles: int | None
    ann_suffix: str | None = None


@dataclass(frozen=True, kw_only=True)
class TileSets:
    """The folders of a data set or a bench.

    Attributes:
        name: Name on the command line.
        title: For people.
        sets: The folders.
        img_suffix: Ending of image names.
        ann_suffix: Ending of label names.
        class_names: Label value -> name, of what is scored.
        colours: Label value -> RGB, of what is scored.
        allowed: Label values that may occur.
        how_to_get: What to do if tiles are missing.
        licence: Licence and conditions of the data sets.
        own_dir: Folder of the tiles of your own scenes, with the record of their contents; None for others.
        own_bench: Facts of the bench of your own scenes; None for others.
    """

    name: str
    title: str
    sets: tuple[TileSet, ...]
    img_suffix: str
    ann_suffix: str
    class_names: Mapping[int, str]
    colours: Mapping[int, tuple[int, int, int]]
    allowed: tuple[int, ...]
    how_to_get: str
    licence: str
    own_dir: Path | None = None
    own_bench: BenchFacts | None = None


def find_tile_sets(name: str, data_root: Path) -> TileSets:
    """Return the folders that a name means: a data set, a variant of one, or a bench.

    A data set means all of its folders that any bench uses, in whichever direction.

    Args:
        name: A data set or bench, such as "potsdam-irrg", "loveda-da" or "isprs", or the TOML file of your own bench.
        data_root: Absolute.

    Raises:
        UnknownName: There is neither such a data set nor such a bench.
        DataNotFound: None of the folders exists.
    """
    wanted = normalize(name)
    if wanted in layout_names():
        found = _of_layout(load_layout(wanted), data_root)
    else:
        found = _of_data_set(wanted, data_root) or _of_bench(name, data_root)
    if not any(one.img_dir.is_dir() for one in found.sets):
        places = ", ".join(sorted({str(one.img_dir) for one in found.sets}))
        raise DataNotFound(f"There are no tiles of {found.name}: none of {places} exists. {found.how_to_get}")
    return found


def _of_layout(layout: Layout, data_root: Path) -> TileSets:
    root = data_root / layout.name
    sets = []
    for part in layout.parts:
        img_dir, ann_dir = layout.folders(part)
        sets.append(
            TileSet(
                title=part.title,
                split=part.split,
                img_dir=root / img_dir,
                ann_dir=root / ann_dir,
                tile_px=layout.tile_px,
                num_tiles=part.num_tiles,
            )
        )
    scored = [one for one in layout.classes if not one.ignored]
    img_suffix, ann_suffix = layout.suffixes()
    ignored = {*layout.manifest.ignore_values}
    return TileSets(
        name=layout.name,
        title=layout.title,
        sets=tuple(sets),
        img_suffix=img_suffix,
        ann_suffix=ann_suffix,
        class_names={one.value: one.name for one in scored},
        colours={one.value: one.colours[0] for one in scored},
        allowed=tuple(sorted({one.value for one in scored} | ignored)),
        how_to_get=layout.how_to_get,
        licence=_licence([layout.manifest.name]),
    )


def _of_data_set(name: str, data_root: Path) -> TileSets | None:
    """All folders of a data set whose tiles come from elsewhere; None where a bench makes them, or for other names."""
    if name not in manifest_names():
        return None
    manifest = load_manifest(name)
    folder = data_root / manifest.name
    sets: dict[Path, TileSet] = {}
    first: TileSets | None = None
    for stem in dict.fromkeys(stem for directions in bench_families().values() for stem in directions.values()):
        bench = axes.load("bench", stem)["bench"]
        if bench["prepare"] or name not in _data_of(bench) or task_of(bench).name != SEGMENTATION:
            continue
        found = _of_bench(stem, data_root)
        first = first or found
        for one in found.sets:
            if one.img_dir.is_relative_to(folder):
                sets.setdefault(one.img_dir, one)
    if first is None or not sets:
        return None
    return dataclasses.replace(
        first,
        name=manifest.name,
        title=manifest.title,
        sets=tuple(sets[img_dir] for img_dir in sorted(sets)),
        how_to_get=manifest.how_to_get,
        licence=_licence([manifest.name]),
    )


def _of_bench(name: str, data_root: Path) -> TileSets:
    stem = _bench_stem(name)
    bench = axes.load("bench", stem)["bench"]
    if task_of(bench).name != SEGMENTATION:
        raise ConfigError(
            f"Bench {bench['name']} has images with one class each, and no tiles with labels. Train it: rs-adapt train "
            f"--bench {bench['name'].replace('_', '-')}-{settings_of(stem)[0]}."
        )
    if "classes" in bench["source"]:
        data = ", ".join(one.replace("_", "-") for one in _data_of(bench))
        raise ConfigError(
            f"The source and the target of bench {bench['name']} have class lists of their own. Name one of its data "
            f"sets instead: {data}."
        )
    root = paths.prepared_dir(bench, data_root) if bench["prepare"] else data_root
    published = published_tiles(bench, data_root)
    sets: dict[Path, TileSet] = {}
    for side in ("source", "target"):
        region = bench.get(side) or {}
        # Your own bench may have a target without labels.
        unlabelled = bench["prepare"] and (bench["prepare"].get(side) or {}).get("labels", ...) is None
        for split in ("train", "val", "test"):
            if not region.get(split):
                continue
            img_dir, ann_dir = (root / region[split][kind] for kind in ("img_dir", "ann_dir"))
            side_px, number = published.get(img_dir, (bench["tile_px"], None))
            # Given out, or cut, without labels: the target's images to adapt to.
            without = bool(bench.get("own")) or (img_dir in published and number is None)
            bare = without and (side, split) == ("target", "train")
            # What is both, such as a source without images to score on, is training data.
            sets.setdefault(
                img_dir,
                TileSet(
                    title=f"{region['region']} {split}",
                    split=split,
                    img_dir=img_dir,
                    ann_dir=None if unlabelled or (bare and not ann_dir.is_dir()) else ann_dir,
                    tile_px=side_px,
                    num_tiles=number,
                ),
            )
    first = 1 if bench["reduce_zero_label"] else 0
    names = _data_of(bench)
    first_run = " The first run of the bench makes its tiles." if bench["prepare"] else ""
    return TileSets(
        name=bench["name"],
        title=bench["title"],
        sets=tuple(sets.values()),
        img_suffix=bench["img_suffix"],
        ann_suffix=bench["ann_suffix"],
        class_names={index + first: one for index, one in enumerate(bench["classes"])},
        colours={index + first: (r, g, b) for index, (r, g, b) in enumerate(bench["palette"])},
        allowed=tuple(allowed_values(len(bench["classes"]), bench["reduce_zero_label"], bench["ignore_index"])),
        how_to_get=" ".join(paths.how_to_get(one) for one in names) + first_run,
        licence=_licence(names),
        own_dir=root if bench.get("own") else None,
        own_bench=bench if bench.get("own") else None,
    )


def _licence(names: Sequence[str]) -> str:
    manifests = [load_manifest(name) for name in names if name in manifest_names()]
    return " ".join(f"{one.title}: {one.licence}. {one.conditions}" for one in manifests)


def published_tiles(bench: BenchFacts, data_root: Path) -> dict[Path, tuple[int | None, int | None]]:
    """Return side and published number of tiles by folder of images, for the bench's data sets and their variants."""
    names = _data_of(bench)
    layouts = [load_layout(name) for name in layout_names()]
    cut = {
        data_root / layout.name / layout.folders(part)[0]: (layout.tile_px, part.num_tiles)
        for layout in layouts
        if layout.manifest.name in names
        for part in layout.parts
    }
    ready: dict[Path, tuple[int | None, int | None]] = {}
    for name in set(names) & set(manifest_names()) - {layout.manifest.name for layout in layouts}:
        size_px = load_manifest(name).size_px
        side_px = bench["tile_px"] if size_px is None else size_px[0]
        ready |= {folder: (side_px, number) for folder, number in _stated(bench, name, data_root).items()}
    return {**cut, **ready}


def _stated(bench: BenchFacts, name: str, data_root: Path) -> dict[Path, int | None]:
    """Return the manifest's record of each folder that a bench uses, for tiles that are made elsewhere."""
    manifest = load_manifest(name)
    stated: dict[Path, int | None] = {}
    for region in filter(None, (bench.get("source"), bench.get("target"))):
        for key in SPLITS:
            folder = region.get(key)
            if not folder or Path(folder["img_dir"]).parts[0] != name:
                continue
            folders = Path(folder["img_dir"]).parts[1:]
            known = manifest.regions.get(folders[0])
            splits = manifest.splits if known is None else known.splits
            # The folder tells the split where it names one: benches score on "test" as "val".
            split = splits.get(next((part for part in folders if part in SPLITS), key))
            number = None if split is None else split.images if split.tiles is None else split.tiles
            stated.setdefault(data_root / folder["img_dir"], number)
    return stated


def _data_of(bench: BenchFacts) -> list[str]:
    """Return the names of the data sets that a bench uses."""
    return [bench["data"]] if isinstance(bench["data"], str) else list(bench["data"])


def _bench_stem(name: str) -> str:
    if own_bench.is_own(name):
        return own_bench.find(name)
    families = bench_families()
    wanted = normalize(name)
    head, _, setting = wanted.rpartition("_")
    for stem in (wanted, head if setting in SETTINGS else wanted):
        if stem in families:
            return next(iter(families[stem].values()))
        for family, directions in families.items():
            for direction, bench in directions.items():
                if stem in (bench, f"{family}_{direction}"):
                    return bench
    known = tuple(dict.fromkeys((*layout_names(), *manifest_names(), *families)))
    raise UnknownName(unknown_name_message("data set or bench", name, known))
