"""Rules on images of super-resolution: flows that are learnt and scored, and the statistics that normalise them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from rs_adapt.audit.lint.finding import Hit
from rs_adapt.audit.lint.subject import Subject
from rs_adapt.config.facts import ConfigNode
from rs_adapt.runs.files import MANIFEST_FILE
from rs_adapt.turbulence.storage import read_facts, read_stack, stack_file, statistics

_REMEDY = "Remove the folder, and train again: it is made again from the training images."


def slice_digests(dataset: ConfigNode) -> dict[str, str]:
    """Return the digests of the images of a data set of super-resolution by snapshot and slice.

    Slices are compared one by one: two files of one flow may have some in common.

    Raises:
        DataNotFound: The images are not on this machine.
        DataError: They are damaged.
    """
    # Training images have a data set of their own, without a name of the split.
    folder, split = Path(dataset["folder"]), dataset.get("split", "train")
    counts = read_facts(folder).slices.get(split, ())[: dataset.get("num_snapshots")]
    digests = {}
    for number, count in enumerate(counts):
        stack_3nHW = read_stack(stack_file(folder, split, number), slices=count)
        for z in range(count):
            pixels = np.ascontiguousarray(stack_3nHW[:, z])
            digests[f"{number:05d}/{z:02d}"] = hashlib.sha256(pixels.tobytes()).hexdigest()[:16]
    return digests


def statistics_of_training(subject: Subject) -> Iterator[Hit]:
    """Mean, scale and range of images of super-resolution that are not those of the training images alone."""
    dataset = subject.dataset("labelled")
    if subject.images is None or dataset is None or "folder" not in dataset:
        return
    folder = Path(dataset["folder"])
    facts = read_facts(folder)
    stacks = (read_stack(stack_file(folder, "train", n), slices=count) for n, count in enumerate(facts.slices["train"]))
    mean_3, scale, value_range = statistics(stacks)
    given = {
        "mean": (facts.mean, mean_3),
        "scale": ((facts.scale,), (scale,)),
        "value_range": ((facts.value_range,), (value_range,)),
    }
    for key, (stated, found) in given.items():
        if not np.allclose(stated, found, rtol=1e-6, atol=1e-6 * scale):
            yield Hit(
                level="error",
                file=str(folder / "flow.json"),
                key=key,
                found=f"{_numbers(stated)}, and the training images give {_numbers(found)}",
                consequence="The range is the peak of PSNR, and the others normalise all images: scores do not "
                "compare, and may have been made with images that are scored.",
                remedy=_REMEDY,
            )
    network = None if subject.run is None or subject.run.manifest is None else subject.run.manifest.network
    if network is not None and not np.allclose([*network.mean, network.deviation], [*facts.mean, facts.scale]):
        assert subject.run is not None
        yield Hit(
            level="error",
            file=str(subject.run.folder / MANIFEST_FILE),
            key="network.mean",
            found=f"mean and deviation {_numbers([*network.mean, network.deviation])}, those of the images here are "
            f"{_numbers([*facts.mean, facts.scale])}",
            consequence="The weights were trained on images of other statistics than those that are here.",
            remedy="Evaluate the run with the images that it was trained on.",
        )


def _numbers(values: object) -> str:
    return ", ".join(f"{value:.6g}" for value in values)  # type: ignore[attr-defined]
