"""The facts of scoring and of training that runs of a table share: its columns and rows. Loads no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rs_adapt.errors import RsAdaptError
from rs_adapt.runs.records import InferenceFacts, Result
from rs_adapt.runs.run import Run
from rs_adapt.scores.stored import precision_of

UNKNOWN = "unknown"
_HASH_DIGITS = 8


@dataclass(frozen=True, kw_only=True, order=True)
class Column:
    """The facts in which all scores of a table's column agree.

    Attributes:
        setting: `da`, `dg`, `ss` or `ov`.
        facts: Name and version of the protocol, checkpoint, weights and classes, in words.
        bench: Name of the bench.
        split: The scored region and split.
        seen: Target images seen in training, and the mode of inference, in words.
        classes: Names of the classes in the mean.
        tiles: Fingerprint of the scored tiles; empty where all runs scored the same tiles, as far as they recorded it.
    """

    setting: str
    facts: tuple[str, ...]
    bench: str
    split: str
    seen: str
    classes: tuple[str, ...] = ()
    tiles: str = ""

    @property
    def protocol(self) -> str:
        """All facts in one line."""
        return ", ".join(self.facts)

    @property
    def name(self) -> str:
        """Bench and split, such as `isprs-p2v: vaihingen test`."""
        return f"{self.bench.replace('_', '-')}: {self.split}"

    @property
    def details(self) -> tuple[str, ...]:
        """The facts that are stated only where they differ between two columns, in words."""
        tiles = f"tiles {self.tiles[:_HASH_DIGITS]}" if self.tiles else "tiles without a fingerprint"
        return (self.split, self.seen, f"classes {', '.join(self.classes)}", tiles)


@dataclass(frozen=True, kw_only=True, order=True)
class Row:
    """The facts about training in which the rows of a table differ.

    Attributes:
        method: The method that tunes the backbone.
        strategy: The use of source and target in training.
        backbone: The foundation model.
        head: The decode head.
        tuned: Whether values that were tuned for the bench and the setting were used.
        overrides: `key=value` texts, with base weights other than the default.
        untuned: Whether `--untuned` was given, of runs that do not record what was applied.
        variant: The settings in which the row differs from others of the same name, in words; empty without any.
    """

    method: str
    strategy: str
    backbone: str
    head: str
    tuned: bool
    overrides: tuple[str, ...]
    untuned: bool = False
    variant: str = ""


def column_of(
    run: Run, selection: str, classes_text: str, *, classes: Sequence[str], tiles: str | None, precision: str | None
) -> Column:
    """Return the column of a run's score.

    Args:
        run: A finished run.
        selection: The selection of its checkpoint.
        classes_text: The classes in the mean, in words.
        classes: Names of the classes in the mean.
        tiles: Fingerprint of the scored tiles in the matrices; None where there is none.
        precision: Precision of the scoring in the matrices; None where there is none.
    """
    result = run.result
    assert result is not None
    protocol, cell = result.protocol, result.cell
    inference = protocol.inference.content() if isinstance(protocol.inference, InferenceFacts) else {}
    used = precision or precision_of(run.folder, result)
    inference |= {} if used in (None, "fp32") else {"precision": used}
    seen, crops = protocol.unlabelled_split, protocol.target_crops
    return Column(
        setting=cell.setting,
        facts=(
            f"protocol {protocol.name}-{protocol.version}" if protocol.name else "protocol not stated",
            f"checkpoint {selection.replace('_', '-')}{'*' if selection == 'oracle' else ''}",
            f"weights of the {protocol.weights or UNKNOWN}",
            classes_text,
        ),
        bench=cell.bench,
        split=protocol.report_split or "not scored",
        seen="; ".join(
            (
                f"unlabelled images: {seen} (crops {str(crops).replace('_', ' ')})" if seen else "no target images",
                f"inference: {', '.join(f'{key} {value}' for key, value in inference.items()) or UNKNOWN}",
            )
        ),
        classes=tuple(classes),
        tiles=tiles or _recorded_tiles(result),
    )


def settle_tiles(columns: Sequence[Column]) -> list[Column]:
    """Return columns without the fingerprint of their tiles where all of them that have one have the same."""
    states: dict[Column, set[str]] = {}
    for column in columns:
        if column.tiles:
            states.setdefault(replace(column, tiles=""), set()).add(column.tiles)
    plain = [replace(column, tiles="") for column in columns]
    return [
        column if len(states.get(without, ())) > 1 else without for column, without in zip(columns, plain, strict=True)
    ]


def row_of(run: Run) -> Row:
    """Return the row of a run, without what can only be seen beside other runs (`variant`)."""
    cell = run.cell
    assert cell is not None
    try:
        tuned = run.tuned
    except RsAdaptError:
        tuned = None
    return Row(
        method=cell.method,
        strategy=cell.strategy,
        backbone=cell.backbone,
        head=cell.head,
        tuned=tuned is not None and bool(tuned.values),
        overrides=run.overrides,
        untuned=tuned is None and not cell.tuned,
    )


def _recorded_tiles(result: Result) -> str:
    facts = result.data.get((result.protocol.report_split or "").rpartition(" ")[2])
    return "" if facts is None else facts.sha256
