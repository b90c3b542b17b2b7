"""Rules on the meaning of numbers: classes, bands, and the size at which tiles are predicted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePath

from rs_adapt.audit.lint.changes import equal_values
from rs_adapt.audit.lint.finding import Hit
from rs_adapt.audit.lint.folders import folder_facts, letters
from rs_adapt.audit.lint.subject import ROLES, Subject
from rs_adapt.config.facts import ConfigNode
from rs_adapt.datasets.manifest import load_manifest, manifest_names
from rs_adapt.datasets.tile_origin import region_facts


def class_list(subject: Subject) -> Iterator[Hit]:
    """Class names, order or number that differ between data manifest, bench, data sets, head and evaluator."""
    bench, cfg = subject.cfg["bench"], subject.cfg
    classes = list(bench["classes"])
    yield from _against_manifests(bench, classes)
    for role, dataset in subject.datasets():
        place = ROLES[role]
        own = list(region_facts(bench, dataset["name"]).get("classes", classes))
        if list(dataset["classes"]) != own:
            yield _other_classes(f"{place}.classes", dataset["classes"], own)
        if len(dataset["palette"]) != len(dataset["classes"]):
            yield _wrong_number(f"{place}.palette", f"{len(dataset['palette'])} colours", len(dataset["classes"]))
        labels = [step for step in dataset["pipeline"] if step["type"].rpartition(".")[2] == "LoadAnnotations"]
        for key in ("reduce_zero_label", "ignore_index"):
            values = [dataset[key], *(step[key] for step in labels if key in step)]
            if any(value != bench[key] for value in values):
                yield Hit(
                    level="error",
                    key=f"{place}.{key}",
                    found=f"{', '.join(map(str, values))}, but bench.{key} is {bench[key]}",
                    consequence="Label values and class list do not line up, so pixels count for the wrong class or "
                    "are wrongly ignored.",
                    remedy=f"Set it to {bench[key]}.",
                )
    if len(bench["palette"]) != len(classes):
        yield _wrong_number("bench.palette", f"{len(bench['palette'])} colours", len(classes))
    for key in ("val_evaluator", "test_evaluator"):
        evaluator = cfg.get(key)
        if evaluator and list(evaluator.get("classes", classes)) != classes:
            yield _other_classes(f"{key}.classes", evaluator["classes"], classes)
        scored = evaluator and evaluator.get("scored", "all")
        if evaluator and scored != cfg["protocol"]["classes"]:
            yield Hit(
                level="error",
                key=f"{key}.scored",
                found=f"{scored}, but protocol.classes is {cfg['protocol']['classes']}",
                consequence="The mIoU is not the mean over the classes that the result states.",
                remedy="Choose the classes of the mean with protocol.classes alone; the evaluators follow it.",
            )
        absent = evaluator and evaluator.get("absent_classes")
        if absent and absent != cfg["protocol"].get("absent_classes", absent):
            yield Hit(
                level="error",
                key=f"{key}.absent_classes",
                found=f"{absent}, but protocol.absent_classes is {cfg['protocol']['absent_classes']}",
                consequence="The mIoU during training is not the mean that the result states.",
                remedy="Choose the rule with protocol.absent_classes alone; the evaluators follow it.",
            )
    head = subject.segmentor["decode_head"]
    if head["num_classes"] != len(classes):
        yield _wrong_number("model.decode_head.num_classes", str(head["num_classes"]), len(classes))
    trained = [] if subject.run is None or subject.run.manifest is None else list(subject.run.manifest.classes)
    if trained and trained != classes:
        yield _other_classes("bench.classes", classes, trained, whose="the run's pack")


def _against_manifests(bench: ConfigNode, classes: Sequence[str]) -> Iterator[Hit]:
    shift = 1 if bench["reduce_zero_label"] else 0
    for name, own in _lists_by_data_set(bench, classes):
        if name not in manifest_names():
            continue
        stored = {index + shift: class_name for index, class_name in enumerate(own)}
        wanted = {entry.value: entry.name for entry in load_manifest(name).classes if not entry.ignored}
        if own is not classes and shift:
            # A class list of its own may leave out the class of value 0, such as iSAID's background.
            wanted.pop(0, None)
        if stored == wanted:
            continue
        value = next(value for value in sorted({*stored, *wanted}) if stored.get(value) != wanted.get(value))
        yield Hit(
            level="error",
            key="bench.classes",
            found=f"label value {value} is {stored.get(value, 'no class')} here and {wanted.get(value, 'no class')} in "
            f"data/{name}.toml",
            consequence="Scores are reported under the wrong class names and do not compare with those of others.",
            remedy="List the classes in the order of their label values: "
            f"{', '.join(wanted[key] for key in sorted(wanted))}.",
        )


def _lists_by_data_set(bench: ConfigNode, classes: Sequence[str]) -> list[tuple[str, Sequence[str]]]:
    """Return each data set of a bench with the class list that its labels have."""
    sides = [bench["source"], bench["target"]]
    if all("classes" in side for side in sides):
        return [(PurePath(side["train"]["img_dir"]).parts[0], side["classes"]) for side in sides]
    names = [bench["data"]] if isinstance(bench["data"], str) else list(bench["data"])
    return [(name, classes) for name in names]


def _other_classes(key: str, given: Sequence[str], classes: Sequence[str], whose: str = "bench.classes") -> Hit:
    return Hit(
        level="error",
        key=key,
        found=f"{', '.join(given)}, but {whose} has {', '.join(classes)}",
        consequence="An index means different classes in the two places: labels, predictions and names do not match.",
        remedy=f"List the classes of {whose}, in the same order.",
    )


def _wrong_number(key: str, given: str, wanted: int) -> Hit:
    return Hit(
        level="error",
        key=key,
        found=f"{given}, but there are {wanted} classes",
        consequence="A class has no output or colour of its own, or there is one too many.",
        remedy="Give exactly one for each class of the bench, in the bench's order.",
    )


def band_order(subject: Subject) -> Iterator[Hit]:
    """Bands that contradict the folder's manifest or its `prepared.json`, or that differ between the regions."""
    bench = subject.cfg["bench"]
    reported: set[str] = set()
    for role, dataset in subject.datasets():
        region = region_facts(bench, dataset["name"])
        place = subject.shown(dataset["img_dir"])
        manifest = folder_facts(place)
        bands = region.get("bands") or (manifest and manifest.bands)
        side = "target" if region is bench["target"] else "source"
        for file, other in (
            (f"data/{manifest.manifest}.toml", manifest.bands) if manifest else ("", ""),
            (_prepared_file(place), _prepared_bands(subject, place)),
        ):
            if bands and other and bands != other and f"{side}{other}" not in reported:
                reported.add(f"{side}{other}")
                yield Hit(
                    level="error",
                    key=f"bench.{side}.bands" if region.get("bands") else f"{ROLES[role]}.img_dir",
                    found=f"{bands}, but {file} states {other} for {place}",
                    consequence="The channels do not hold the bands that the bench states, so the domain shift is a "
                    "different one and the score does not compare.",
                    remedy="Use the folder that has the bench's bands, or prepare this one again.",
                )
    source, target = bench["source"].get("bands"), bench["target"].get("bands")
    # Training on the target's own labels never reads the source.
    if source and target and source != target and subject.setting != "ss":
        yield Hit(
            level="note",
            key="bench.target.bands",
            found=f"source {source}, target {target}",
            consequence="Region and bands change together, so the score does not compare with one where only the "
            "region changes.",
            remedy="Report the bands of both regions with the score.",
        )


def _prepared_file(place: str) -> str:
    return f"{place.partition('/')[0]}/prepared.json"


def _prepared_bands(subject: Subject, place: str) -> str:
    """Return the bands in the folder's record of preparation, empty without one."""
    if subject.scan is None:
        return ""
    from rs_adapt.datasets.originals.journal import read_marker

    marker = read_marker(subject.root / place.partition("/")[0])
    return letters(marker[0]["bands"]) if marker and "bands" in marker[0] else ""


def inference_mode(subject: Subject) -> Iterator[Hit]:
    """Windows that differ from the protocol or the bench or that skip pixels, and scored tiles that are shrunk."""
    cfg, test_cfg = subject.cfg, subject.segmentor["test_cfg"]
    knobs, wanted = cfg["bench"]["inference"], cfg["protocol"]["inference"]
    mode = test_cfg["mode"]
    for key, other in (("protocol.inference", wanted), ("bench.inference.mode", knobs["mode"])):
        if other and other != mode:
            yield Hit(
                level="warning",
                key="model.test_cfg.mode",
                found=f"{mode}, but {key} is {other}",
                consequence="Tiles larger than a window are not predicted in the way that the result states.",
                remedy=f"Set it to {other}.",
            )
    if mode == "slide":
        crop, stride = test_cfg["crop_size"], test_cfg["stride"]
        if any(step > side for step, side in zip(stride, crop, strict=True)):
            yield Hit(
                level="error",
                key="model.test_cfg.stride",
                found=f"windows of {crop[0]} px every {stride[0]} px",
                consequence="Pixels between the windows get no prediction.",
                remedy=f"Use a stride of 1 to {crop[0]} px.",
            )
        if equal_values(wanted or knobs["mode"], "slide") and not equal_values(
            [crop[0], stride[0]], [knobs["crop_px"], knobs["stride_px"]]
        ):
            yield Hit(
                level="warning",
                key="model.test_cfg.crop_size",
                found=f"windows of {crop[0]} px every {stride[0]} px, but bench.inference has {knobs['crop_px']} px "
                f"every {knobs['stride_px']} px",
                consequence="Tiles are not predicted with the context that the result states.",
                remedy="Use the windows of bench.inference.",
            )
    yield from _shrunk(subject)


def _shrunk(subject: Subject) -> Iterator[Hit]:
    reported = set()
    for role in ("test", "val"):
        dataset = subject.dataset(role)
        if dataset is None or dataset["img_dir"] in reported:
            continue
        reported.add(dataset["img_dir"])
        manifest = folder_facts(subject.shown(dataset["img_dir"]))
        sides = {manifest.tile_px} if manifest and manifest.tile_px is not None else set()
        if subject.scan is not None:
            sides |= subject.scan.sides_px(dataset["img_dir"])
        for number, step in enumerate(dataset["pipeline"]):
            if step["type"] == "Resize" and step.get("scale") and max(sides, default=0) > max(step["scale"]):
                yield Hit(
                    level="warning",
                    key=f"{ROLES[role]}.pipeline.{number}.scale",
                    found=f"tiles of {max(sides)} px are shrunk to {max(step['scale'])} px before they are predicted",
                    consequence="Small objects are lost before the model sees them, so the score does not compare with "
                    "one on tiles of full size.",
                    remedy=f"Predict tiles of full size: bench.inference.resize_px={max(sides)}.",
                )
