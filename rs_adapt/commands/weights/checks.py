"""Facts about a file of base weights, each compared with the published file."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rs_adapt.commands.console import group_digits

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from rs_adapt.config.weights_files import WeightsFile


class CheckedFact(NamedTuple):
    """A fact about a file of weights.

    Attributes:
        name: Name of the fact, such as `sha256`.
        value: Its value in this file.
        fault: The fault of the value; empty if there is none.
    """

    name: str
    value: str
    fault: str


def find_published_file(path: Path) -> WeightsFile | None:
    """Return the published file with the content of a file, under any name; None if there is none."""
    from rs_adapt.backbones.weights import file_sha256
    from rs_adapt.config.weights_files import weights_files

    if not path.is_file():
        return None
    digest = file_sha256(path)
    return next((file for file in weights_files() if file.facts.get("sha256") == digest), None)


def check_weights(path: Path, published: WeightsFile | None) -> list[CheckedFact]:
    """Return the size, checksums and model of a file of weights, each with its fault.

    Args:
        path: The file, or a folder of weights.
        published: The published file to compare with; None compares nothing.
    """
    from rs_adapt.backbones.weights import file_sha256

    rows: list[CheckedFact] = []
    if path.is_file():
        size, digest = path.stat().st_size, file_sha256(path)
        facts: Mapping[str, object] = published.facts if published is not None else {}
        rows.append(CheckedFact("published as", str(facts.get("file", "no known file")), ""))
        for name, value, text in (("bytes", size, group_digits(size)), ("sha256", digest, digest)):
            expected = facts.get(name)
            rows.append(CheckedFact(name, text, f"expected {expected}" if expected and value != expected else ""))
    return rows + _check_tensors(path, published)


def refuse_other_model(path: Path, expected: WeightsFile, *, shown: str) -> None:
    """Refuse a file that nothing published tells from another, if its tensors are not those of the expected model.

    Args:
        path: The file.
        expected: The published file that it is taken for.
        shown: The file as the user named it.

    Raises:
        WeightsError: It is damaged, or of another model.
    """
    from rs_adapt.errors import WeightsError

    if faults := [fact.fault for fact in _check_tensors(path, expected) if fact.fault]:
        fault = faults[0].removeprefix(f"{path}: ").replace(str(path), shown)
        raise WeightsError(f"{shown} is not the published {expected.facts['file']}: {fault.rstrip('.')}.")


def _check_tensors(path: Path, published: WeightsFile | None) -> list[CheckedFact]:
    from rs_adapt.backbones.description import describe
    from rs_adapt.config import axes
    from rs_adapt.errors import WeightsError

    try:
        description = describe(path)
    except WeightsError as error:
        return [CheckedFact("tensors", "not readable", str(error))]
    size, fault, hash_fault = description.size, f"lacks {description.lacks}" if description.lacks else "", ""
    if published is not None:
        backbone = axes.backbone_facts(published.name)
        expected_size = (backbone["embed_dim"], backbone["depth"])
        if size is not None and (size.embed_dim, size.depth) != expected_size:
            fault = f"expected {expected_size[0]} wide, {expected_size[1]} deep"
        expected = published.facts.get("base_sha256")
        hash_fault = f"expected {expected}" if expected and expected != description.base_sha256 else ""
    positions = f"positions {description.grid} x {description.grid}" if description.grid else "no learned positions"
    shape = (
        f": {size.embed_dim} wide, {size.depth} deep, patch {size.patch_px} px, {positions}" if size is not None else ""
    )
    return [
        CheckedFact("layout", f"{description.layout} names", ""),
        CheckedFact("model", f"{description.family} {description.model}{shape}", fault),
        CheckedFact("tensors sha256", description.base_sha256, hash_fault),
    ]
