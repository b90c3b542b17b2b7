"""Scan the tiles that a configuration reads: label values, sizes, damage, equal images, and scenes."""

from __future__ import annotations

from pathlib import Path

from rs_adapt.audit.lint.folders import folder_facts
from rs_adapt.audit.lint.subject import TRAINING, Subject
from rs_adapt.audit.lint.tile_scan import TileFolder, TileScan
from rs_adapt.config.facts import ConfigNode
from rs_adapt.datasets.checks import allowed_values
from rs_adapt.datasets.tile_origin import find_tile_origins, region_facts
from rs_adapt.datasets.tile_sets import TileSet, TileSets
from rs_adapt.datasets.verify import verify_tiles
from rs_adapt.progress import OnProgress, no_progress


def scan_tiles(subject: Subject, on_progress: OnProgress = no_progress) -> TileScan:
    """Open every tile that the configuration reads, and its label where the configuration reads that too.

    Args:
        subject: The configuration.
        on_progress: Called with the stage, the steps done and the steps in all.

    Raises:
        DataError: The index of prepared tiles is damaged.
    """
    bench = subject.cfg["bench"]
    folders = _folders(subject)
    existing = tuple(folder for folder in folders if Path(folder.img_dir).is_dir())
    sets = tuple(
        TileSet(
            title=folder.title,
            split="train" if set(folder.roles) & set(TRAINING) else "val",
            img_dir=Path(folder.img_dir),
            ann_dir=Path(folder.ann_dir) if folder.ann_dir else None,
            tile_px=bench["tile_px"],
            num_tiles=None,
            ann_suffix=folder.ann_suffix,
        )
        for folder in existing
    )
    first = 1 if bench["reduce_zero_label"] else 0
    tiles = TileSets(
        name=bench["name"],
        title=bench["title"],
        sets=sets,
        img_suffix=bench["img_suffix"],
        ann_suffix=bench["ann_suffix"],
        class_names={index + first: name for index, name in enumerate(bench["classes"])},
        colours={},
        # All of them: the first wrong value of a file would hide the numbers of the others.
        allowed=tuple(range(256)),
        how_to_get="",
        licence="",
    )
    # Of two class lists the longer one; a run checks each folder by its own.
    longest = max(len(dataset["classes"]) for _, dataset in subject.datasets())
    allowed = allowed_values(longest, bench["reduce_zero_label"], bench["ignore_index"])
    report = verify_tiles(tiles, on_progress) if sets else None
    duplicates = report and report["duplicates"]
    return TileScan(
        folders=existing,
        missing=tuple(folder for folder in folders if folder not in existing),
        reports=report["sets"] if report else [],
        duplicates=[
            *duplicates["across_splits"],
            *duplicates["across_regions"],
            *duplicates["within"],
        ]
        if duplicates
        else [],
        allowed=tuple(allowed),
    )


def _folders(subject: Subject) -> list[TileFolder]:
    bench = subject.cfg["bench"]
    readers: dict[str, list[tuple[str, ConfigNode]]] = {}
    for role, dataset in subject.datasets():
        readers.setdefault(str(Path(dataset["img_dir"])), []).append((role, dataset))
    folders: list[TileFolder] = []
    for img_dir, read in readers.items():
        dataset = read[0][1]
        region = region_facts(bench, dataset["name"])
        facts = folder_facts(subject.shown(img_dir))
        files = sorted(str(path) for path in Path(img_dir).rglob(f"*{bench['img_suffix']}"))
        pattern = region.get("scene_pattern") or bench.get("scene_pattern")
        if pattern is None and facts is not None:
            pattern = facts.scene_pattern
        places = find_tile_origins(
            files, img_dir=Path(img_dir), img_suffix=bench["img_suffix"], scene_pattern=pattern, city=None
        )
        title = str(dataset["name"])
        folders.append(
            TileFolder(
                # A config may read two folders under one name.
                title=title if all(folder.title != title for folder in folders) else f"{title} ({img_dir})",
                img_dir=img_dir,
                ann_dir=next((settings["ann_dir"] for _, settings in read if settings.get("ann_dir")), None),
                ann_suffix=str(dataset["ann_suffix"]),
                roles=tuple(role for role, _ in read),
                home=facts.manifest if facts else str(region["region"]),
                scenes={tile: scene for tile, scene in zip(places.tiles, places.scenes, strict=True) if scene},
            )
        )
    return folders
