"""The evaluations of a trained model, below `eval/` in its folder: what each depends on, and where the next belongs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rs_adapt.errors import OutputExists, RsAdaptError
from rs_adapt.links import place_inside
from rs_adapt.path_names import path_name
from rs_adapt.runs.files import EVAL_DIR, RESULT_FILE
from rs_adapt.runs.records import DataFacts, Environment, InferenceFacts, Result, read_record

_HASH_DIGITS = 8
_FULL_PRECISION = "fp32"


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """All that the score of an evaluation depends on; None where it was not recorded.

    Attributes:
        bench: Name of the bench.
        split: The requested split: test, val or source-val.
        precision: `fp32` or `bf16`.
        device: `cpu` or `gpu`.
        inference: How tiles were predicted.
        temperature: What logits were divided by, of a calibrated pack; its calibration error depends on it.
        tiles: Fingerprint of the scored tiles.
        pack: SHA-256 of the scored pack.
        rs_adapt: Version of rs-adapt.
        torch: Version of torch.
    """

    bench: str | None
    split: str | None
    precision: str | None
    device: str | None
    inference: str | None
    temperature: str | None
    tiles: str | None
    pack: str | None
    rs_adapt: str | None
    torch: str | None

    def differences(self, other: Conditions) -> list[str]:
        """Return in what another evaluation differs, such as `precision (bf16, fp32)`; this one's value comes first."""
        return [
            f"{name.replace('rs_adapt', 'rs-adapt')} ({_shorten(value)}, {_shorten(getattr(other, name))})"
            for name, value in vars(self).items()
            if value != getattr(other, name)
        ]


def conditions_of(result: Result) -> Conditions:
    """Return what the score of a stored evaluation depends on."""
    # `rs-adapt eval` records the tiles that it scored alone.
    (split, tiles), *_ = [*result.data.items(), (None, None)]
    temperatures = [measured.temperature for measured in result.reliability.values()]
    return make_conditions(
        bench=result.cell.bench,
        split=split,
        precision=result.precision,
        inference=result.protocol.inference if isinstance(result.protocol.inference, InferenceFacts) else None,
        temperature=temperatures[0] if temperatures else 1.0,
        tiles=tiles,
        pack=result.pack_sha256,
        environment=result.environment,
    )


def make_conditions(
    *,
    bench: str,
    split: str | None,
    precision: str | None,
    inference: InferenceFacts | None,
    temperature: float,
    tiles: DataFacts | None,
    pack: str | None,
    environment: Environment,
) -> Conditions:
    """Return what the score of an evaluation depends on, from its parts."""
    device = environment.device
    return Conditions(
        bench=bench,
        split=split,
        precision=precision,
        device=None if device is None else "cpu" if device.startswith("CPU") else "gpu",
        inference=None if inference is None else ", ".join(f"{k} {v}" for k, v in sorted(inference.content().items())),
        temperature=None if temperature == 1 else f"{temperature:g}",
        tiles=None if tiles is None else tiles.sha256,
        pack=pack,
        rs_adapt=environment.rs_adapt,
        torch=environment.packages.get("torch"),
    )


def choose_folder(checkpoint: Path, bench: str, conditions: Conditions, *, tta: str | None = None) -> Path:
    """Return the folder of an evaluation below `eval/`: a new one, or that of an evaluation under the same conditions.

    Args:
        checkpoint: The folder of the run or the pack.
        bench: Name of the bench.
        conditions: Those of the evaluation.
        tta: Views whose probabilities are averaged; None for none.
    """
    name = f"{path_name(bench, what='bench.name')}-{conditions.split}"
    name += "" if conditions.precision in (None, _FULL_PRECISION) else f"-{conditions.precision}"
    name += "" if tta is None else f"-{tta}"
    number = 1
    while True:
        folder = place_inside(checkpoint, EVAL_DIR, name if number == 1 else f"{name}-{number}")
        if not (folder / RESULT_FILE).exists() or _conditions_in(folder) == conditions:
            return folder
        number += 1


def check_folder(folder: Path, conditions: Conditions) -> None:
    """Refuse a folder that holds an evaluation under other conditions.

    Raises:
        OutputExists: It does; the text says how they differ.
    """
    if not (folder / RESULT_FILE).exists():
        return
    before = _conditions_in(folder)
    if before != conditions:
        how = "cannot be read" if before is None else f"differs in {', '.join(before.differences(conditions))}"
        raise OutputExists(
            f"{folder} holds the result of an evaluation that {how}; it would be replaced. Choose a different folder "
            "with --out, or leave --out away."
        )


def list_evaluations(checkpoint: Path) -> Iterator[tuple[Path, Result]]:
    """Yield the folder and the result of each evaluation of a run or a pack, by name; damaged ones are left out."""
    for file in sorted((checkpoint / EVAL_DIR).glob(f"*/{RESULT_FILE}")):
        try:
            result = read_record(file, Result)
        except RsAdaptError:
            continue
        if result is not None:
            yield file.parent, result


def _conditions_in(folder: Path) -> Conditions | None:
    try:
        result = read_record(folder / RESULT_FILE, Result)
    except RsAdaptError:
        return None
    return None if result is None else conditions_of(result)


def _shorten(value: str | None) -> str:
    if value is None:
        return "not recorded"
    return value[:_HASH_DIGITS] if len(value) == 64 else value
