"""Rules on images of scene classification, captions and super-resolution, of which many roles read one folder."""

from __future__ import annotations

from collections.abc import Iterator

from rs_adapt.audit.lint.finding import Hit
from rs_adapt.audit.lint.rules_flows import slice_digests
from rs_adapt.audit.lint.subject import ROLES, Subject
from rs_adapt.config.facts import ConfigNode
from rs_adapt.datasets.digests import digest_tiles
from rs_adapt.errors import DataNotFound

_SHOWN = 3
_COMPARED = ("labelled", "val", "test")


def image_digests(subject: Subject) -> tuple[dict[str, dict[str, str]] | None, str]:
    """Return the digests of the images by role and name, and why there are none.

    Raises:
        DataError: A list of a split or of captions is damaged, or an image cannot be decoded.
    """
    images = {}
    for role in _COMPARED:
        if (dataset := subject.dataset(role)) is None:
            continue
        try:
            images[role] = _digests(dataset)
        except DataNotFound as error:
            return None, str(error)
        if not images[role]:
            if role == "val" and subject.is_super_resolution:
                # Images of your own may be for training and test alone.
                del images[role]
                continue
            # A split whose list is not there yet has no images.
            return None, f"there are no images of {dataset.get('name', role)}"
    return images, ""


def _digests(dataset: ConfigNode) -> dict[str, str]:
    if "folder" in dataset:
        return slice_digests(dataset)
    return {name: digests[0] for name, digests in digest_tiles(dataset).items()}


def image_in_train_and_test(subject: Subject) -> Iterator[Hit]:
    """An image or a slice of a flow, by its pixels, that is both trained on and scored: all tasks but segmentation."""
    if subject.images is None:
        yield Hit(
            level="note",
            key="data_root",
            file=str(subject.root),
            found=subject.why_not_scanned,
            consequence="Whether an image is both trained on and scored was not checked.",
            remedy="Lint where the data are prepared, without --no-data.",
        )
        return
    learnt = {digest: name for name, digest in subject.images.get("labelled", {}).items()}
    for role in ("test", "val"):
        both = [(name, learnt[digest]) for name, digest in subject.images.get(role, {}).items() if digest in learnt]
        if not both:
            continue
        pairs = [name if name == other else f"{name} (there {other})" for name, other in both[:_SHOWN]]
        more = f" and {len(both) - _SHOWN} more" if len(both) > _SHOWN else ""
        yield Hit(
            level="error" if role == "test" else "note",
            key=f"{ROLES[role]}.split_file" if "split_file" in (subject.dataset(role) or {}) else ROLES[role],
            found=f"{len(both)} of {len(subject.images[role])} images of {role} are in training too: "
            f"{', '.join(pairs)}{more}",
            consequence="Images that training has seen are scored, so the score is too high."
            if role == "test"
            else "The training curve shows images that training has seen.",
            remedy="Leave each of them in one part of the split.",
        )
