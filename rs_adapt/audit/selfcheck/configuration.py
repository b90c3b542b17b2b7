"""Checks of settings: configuration, log, seed, protocol, classes, and the schedule of the training lines."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

import rs_adapt
from rs_adapt.audit.lint.changes import differences, equal_values, lookup, without_machine_paths
from rs_adapt.audit.lint.sources import logged_config
from rs_adapt.audit.selfcheck.outcome import Check, conclude, give_up
from rs_adapt.audit.selfcheck.subject import Subject
from rs_adapt.config.added_keys import absent_classes_in
from rs_adapt.config.facts import ConfigNode
from rs_adapt.runs.files import LOG_FILE
from rs_adapt.runs.records import EvaluationLine, InferenceFacts, TrainingLine
from rs_adapt.scores.class_sets import class_set

_SHOWN = 10
_ADDED = ("default_hooks", "launcher", "custom_hooks", "train_dataloader.batch_size", "model.teacher_channels")
# Of super-resolution the runner gets no protocol and no test images, and without images for validation none of these.
_NOT_GIVEN = ("protocol", "test_cfg", "test_dataloader", "test_evaluator", "val_cfg", "val_dataloader", "val_evaluator")
# Where a bench of your own names folders of a machine; the pixels in them have digests of their own.
_OWN_PATH = re.compile(r"bench\.(?:prepare|own)\.(?:root|(?:source|target)\.(?:images|files|labels\.(?:path|aoi)))$")


def check_config(subject: Subject) -> Iterator[Check]:
    """Compare `config.py` with what cell and overrides compose to, and with the configuration in the log."""
    logged = logged_config(subject.folder / LOG_FILE)
    if subject.expected is None:
        yield from give_up("config", subject.not_composed)
    else:
        changed = [
            change
            for change in differences(without_machine_paths(subject.config), without_machine_paths(subject.expected))
            if not _OWN_PATH.match(change.key)
        ]
        sentences = [
            f"config.py has {change.key} = {change.now!r}, but cell and overrides compose to {change.before!r}."
            for change in changed[:_SHOWN]
        ]
        if len(changed) > _SHOWN:
            sentences.append(f"config.py differs in {len(changed) - _SHOWN} more keys.")
        made_by = subject.start.environment.rs_adapt
        if changed and logged and all(equal_values(lookup(logged, change.key), change.now) for change in changed):
            reason = f"the shipped files have changed since: {LOG_FILE} has the values of config.py. {sentences[0]}"
            yield from give_up("config", reason)
        elif changed and made_by not in (None, rs_adapt.__version__):
            reason = f"rs-adapt {made_by} made the run, and this is {rs_adapt.__version__}. {sentences[0]}"
            yield from give_up("config", reason)
        else:
            yield from conclude("config", sentences, checked="config.py against cell and overrides, composed again")
    if logged is not None:
        changed = differences(without_machine_paths(subject.config), without_machine_paths(logged))
        # The log has what the runner got: loggers, processes and the widths of a teacher are added to the configuration
        # in the file.
        sentences = [
            f"{LOG_FILE} has {change.key} = {change.before!r}, config.py {change.now!r}."
            for change in changed
            if not change.key.startswith(_ADDED) and not (subject.is_super_resolution and change.key in _NOT_GIVEN)
        ]
        yield from conclude("log", sentences[:_SHOWN], checked=f"config.py against the configuration in {LOG_FILE}")


def check_cell(subject: Subject) -> Iterator[Check]:
    """Compare the cell of `cell.json` with those of `result.json` and `config.py`."""
    cell, result = subject.start.cell.content(), subject.result
    others = {"result.json": result.cell.content(), "config.py": dict(subject.config.get("cell", {}))}
    contradictions = [
        f"{file} has {key} {content.get(key)!r}, cell.json {value!r}."
        for file, content in others.items()
        for key, value in cell.items()
        if key in content and key != "seed" and not equal_values(content[key], value)
    ]
    for key in ("overrides", "weights"):
        stated, value = getattr(result.options, key), getattr(subject.start.options, key)
        if not equal_values(stated, value):
            contradictions.append(f"result.json has options.{key} {stated!r}, cell.json {value!r}.")
    yield from conclude("cell", contradictions, checked="cell.json, result.json and config.py name the same cell")


def check_seed(subject: Subject) -> Iterator[Check]:
    """Compare the seed in all files."""
    seed, config = subject.start.cell.seed, subject.config
    stated = {
        "result.json": subject.result.cell.seed,
        "config.py (cell.seed)": lookup(config, "cell.seed"),
        "config.py (randomness.seed)": lookup(config, "randomness.seed"),
        "config.py (train_dataloader.dataset.seed)": lookup(config, "train_dataloader.dataset.seed"),
    }
    if subject.manifest is not None:
        stated["manifest.json"] = subject.manifest.cell.seed
    contradictions = [
        f"{place} has the seed {value}, cell.json {seed}."
        for place, value in stated.items()
        if isinstance(value, int) and value != seed
    ]
    yield from conclude("seed", contradictions, checked="the same in all files")
    yield from give_up("order of the samples", "no file stores it; training again with the seed repeats it")


def check_protocol(subject: Subject) -> Iterator[Check]:
    """Compare the protocol in `result.json` with the shipped one."""
    stated = subject.result.protocol
    if not stated.model_fields_set:
        yield from give_up("protocol", "result.json states none")
        return
    config = subject.config if subject.expected is None else subject.expected
    protocol, unlabelled = config["protocol"], config["train_dataloader"]["dataset"]["unlabelled"]
    test = config["test_dataloader"]
    chosen = class_set(list(config["bench"]["classes"]), chosen=protocol["classes"])
    classes = stated.classes if stated.classes is None or isinstance(stated.classes, str) else list(stated.classes)
    inference = stated.inference.content() if isinstance(stated.inference, InferenceFacts) else stated.inference
    expected = {
        "name": (stated.name, protocol["name"]),
        "version": (stated.version, protocol["version"]),
        "weights": (stated.weights, protocol["weights"]),
        "label_free": (stated.label_free, protocol["label_free"]),
        "classes": (classes, protocol["classes"]),
        "classes_scored": (list(stated.classes_scored), chosen.scored_names()),
        "unlabelled_split": (stated.unlabelled_split, unlabelled and " ".join(unlabelled["name"].split("/")[-2:])),
        "target_crops": (stated.target_crops, protocol["target_crops"] if unlabelled else None),
        "inference": (inference, dict(config["bench"]["inference"])),
        "selection": (stated.selection, subject.result.headline),
        "scored_by": (stated.scored_by, "server" if protocol["report_split"] == "server" else "this run"),
        "report_split": (
            stated.report_split,
            " ".join(test["dataset"]["name"].split("/")[-2:]) if test else None,
        ),
    }
    # Results of version 0.1.0 do not state it.
    if stated.absent_classes is not None:
        expected["absent_classes"] = (stated.absent_classes, absent_classes_in(protocol))
    contradictions = [
        f"result.json has protocol.{key} {value!r}, the shipped files compose to {wanted!r}."
        for key, (value, wanted) in expected.items()
        if key in stated.model_fields_set and not equal_values(value, wanted)
    ]
    yield from conclude("protocol", contradictions, checked=f"{protocol['name']}-{protocol['version']} as shipped")


def check_classes(subject: Subject) -> Iterator[Check]:
    """Compare class names and colours in all files with the bench's."""
    config = subject.config if subject.expected is None else subject.expected
    classes, palette = list(config["bench"]["classes"]), [list(colour) for colour in config["bench"]["palette"]]
    stated: dict[str, Any] = {"config.py": list(subject.config["bench"]["classes"])}
    if subject.manifest is not None:
        stated["manifest.json"] = list(subject.manifest.classes)
    for scores in (subject.result.iou_pct, subject.result.acc_pct):
        if scores:
            stated["result.json"] = list(scores)
    stated |= {file: list(per_image.classes) for file, per_image in subject.matrices.items()}
    for line in subject.lines:
        if isinstance(line, EvaluationLine) and line.iou_pct:
            stated[f"metrics.jsonl, iteration {line.iter}"] = list(line.iou_pct)
    contradictions = [
        f"{place} has the classes {', '.join(map(str, names))}; the bench has {', '.join(classes)}."
        for place, names in stated.items()
        if names != classes
    ]
    colours = {"config.py": [list(colour) for colour in subject.config["bench"]["palette"]]}
    if subject.manifest is not None and subject.manifest.palette:
        colours["manifest.json"] = [list(colour) for colour in subject.manifest.palette]
    contradictions += [
        f"{place} has colours that are not the bench's." for place, given in colours.items() if given != palette
    ]
    if subject.manifest is not None:
        for key in ("ignore_index", "reduce_zero_label", "gsd_m"):
            value = getattr(subject.manifest, key)
            if value is not None and not equal_values(value, config["bench"][key]):
                contradictions.append(f"manifest.json has {key} {value}, the bench {config['bench'][key]}.")
    yield from conclude("classes", contradictions, checked="names and colours of the bench in all files")


def check_schedule(subject: Subject) -> Iterator[Check]:
    """Compare iterations and learning rates of `metrics.jsonl` with the configuration."""
    config = subject.config if subject.expected is None else subject.expected
    iters, every = int(config["train_cfg"]["max_iters"]), int(config["train_cfg"]["val_interval"])
    training = [line for line in subject.lines if isinstance(line, TrainingLine)]
    evaluations = [line.iter for line in subject.lines if isinstance(line, EvaluationLine)]
    contradictions = []
    if subject.result.iters not in (None, iters):
        contradictions.append(f"result.json states {subject.result.iters} iterations, the configuration {iters}.")
    spacing = min(50, max(1, iters // 50))
    for what, stated, step in (
        ("training", [line.iter for line in training], spacing),
        ("evaluation", evaluations, every),
    ):
        wanted = sorted({*range(step, iters + 1, step), iters})
        if not subject.trains or (what == "evaluation" and not _evaluates(subject)):
            wanted = []
        if stated != wanted:
            contradictions.append(
                f"metrics.jsonl has {what} lines at {_few(stated)}; the configuration gives {_few(wanted)}."
            )
    contradictions += _compare_rates(training, config)
    yield from conclude(
        "schedule", contradictions, checked=f"{iters} iterations, {len(training)} learning rates, evaluations"
    )


def _evaluates(subject: Subject) -> bool:
    """Return whether there is something to evaluate during training; own images may be for training and test alone."""
    return not subject.is_super_resolution or subject.data is None or "val" in subject.data.roles


def _compare_rates(training: list[TrainingLine], config: ConfigNode) -> Iterator[str]:
    wrapper = config["optim_wrapper"]
    base, paramwise = float(wrapper["optimizer"]["lr"]), wrapper.get("paramwise_cfg") or {}
    # The line holds the rate of the first group of parameters, whose factor a method may set.
    factors = {1.0, *(float(paramwise.get(key, 1.0)) for key in ("adapter_lr_mult", "backbone_lr_mult"))}
    for line in training:
        if line.lr is None:
            continue
        rate = base * rate_factor(line.iter, config["param_scheduler"])
        if not any(math.isclose(line.lr, factor * rate, rel_tol=1e-6, abs_tol=1e-12) for factor in factors):
            yield (
                f"metrics.jsonl, iteration {line.iter}: the learning rate is {line.lr:.6g}, the schedule gives "
                f"{rate:.6g}."
            )
            return


def rate_factor(iteration: int, schedulers: list[ConfigNode]) -> float:
    """Return the factor of the learning rate in an iteration (from 1), in closed form.

    mmengine applies the factors step by step and reaches the end of a scheduler at its `end - 1`.
    """
    factor, step = 1.0, iteration - 1
    for scheduler in schedulers:
        total = max(1, int(scheduler["end"]) - int(scheduler.get("begin", 0)) - 1)
        done = min(max(0, step - int(scheduler.get("begin", 0))), total)
        if scheduler["type"] == "PolyLR":
            factor *= (1 - done / total) ** float(scheduler["power"])
        elif scheduler["type"] == "LinearLR":
            start = float(scheduler["start_factor"])
            factor *= start + (1 - start) * done / total
        elif scheduler["type"] == "CosineAnnealingLR":
            factor *= (1 + math.cos(math.pi * done / int(scheduler["T_max"]))) / 2
    return factor


def _few(iterations: list[int]) -> str:
    if len(iterations) <= 6:
        return ", ".join(map(str, iterations)) or "none"
    first, last = ", ".join(map(str, iterations[:3])), ", ".join(map(str, iterations[-2:]))
    return f"{first}, ..., {last} ({len(iterations)})"
