"""`judge.json`: two models on the same images without labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from pydantic import Field

from rs_adapt.runs.records.record import FORMAT, FormatNumber, Record

Share = Annotated[float, Field(description="Share, 0 to 1.")]
Shares = Annotated[Mapping[str, float], Field(description="Share of the area, 0 to 1, by class.")]


class IndicatorRecord(Record):
    """An indicator of both models."""

    run: float = Field(description="Of RUN, 0 to 1.")
    against: float = Field(description="Of AGAINST, 0 to 1.")
    favours: Literal["run", "against", "neither"] = Field(description="The model whose value is taken as better.")


class ClassSharesRecord(Record):
    """`class_shares`: how much of the area each class has."""

    run: Shares
    against: Shares
    source: Mapping[str, float] | None = Field(
        description="Of the source's labels; null where its tiles are not there."
    )


class DifferenceRecord(Record):
    """Pixels to which the two models give different classes."""

    against: str = Field(description="Class of AGAINST.")
    run: str = Field(description="Class of RUN.")
    share: Share


class LargestRecord(Record):
    """A tile, or a window of a scene, in which the maps differ most."""

    image: str = Field(description="Name of the tile, or file of the scene.")
    left_px: int = Field(description="First column in the scene.")
    top_px: int = Field(description="First row in the scene.")
    share: Share


class StratumRecord(Record):
    """Points to label where the maps agree, or where they differ."""

    pixels: int = Field(description="Pixels of this part of the area.")
    points: int = Field(description="Points drawn from them.")


class OrderReliability(Record):
    """How often an indicator ordered two finished runs of one bench as their scores do."""

    name: str = Field(description="The indicator.")
    num_runs: int = Field(description="Runs.")
    num_pairs: int = Field(description="Pairs of runs with different scores.")
    right: float = Field(description="Pairs in the right order; equal values count half.")
    low: float | None = Field(description="Lower end of the 95 % interval of the share; null with few runs.")
    high: float | None = Field(description="Upper end of it.")
    mixed_pairs: int = Field(description="Pairs of an adapted run and one that has not seen the target.")
    mixed_right: float = Field(description="Of these, the pairs in the right order.")


class AdaptedReliability(Record):
    """How often an indicator favoured the better one of an adapted run and the same trained on the source alone."""

    name: str = Field(description="The indicator.")
    num_pairs: int = Field(description="Pairs.")
    right: float = Field(description="Pairs in which it was right; favouring neither counts half.")
    undecided: int = Field(description="Pairs in which it favoured neither.")
    low: float = Field(description="Lower end of the 95 % interval of the share.")
    high: float = Field(description="Upper end of it.")


class StudyRecord(Record):
    """`reliability`: how often the indicators were right on finished runs."""

    folders: Sequence[str] = Field(description="Folders that were read.")
    num_runs: int = Field(description="Runs with a score on the target.")
    indicators: Sequence[OrderReliability] = Field(description="By indicator, over pairs of runs of one bench.")
    notes: Sequence[str] = Field(description="Runs whose models could not be used, with the reason.")
    adapted_pairs: int = Field(default=0, description="Adapted runs that were judged against their twins.")
    adapted_better: int = Field(default=0, description="Of these, the adapted runs with the higher mIoU.")
    adapted_indicators: Sequence[AdaptedReliability] = Field(default=(), description="By indicator, over these pairs.")


class JudgementRecord(Record):
    """`judge.json`: what `rs-adapt judge` found."""

    format: FormatNumber = FORMAT
    run: str = Field(description="RUN, as named.")
    against: str = Field(description="AGAINST, as named.")
    images: str = Field(description="The images in words.")
    num_images: int = Field(description="Tiles or windows.")
    num_pixels: int = Field(description="Pixels that show an image.")
    agreement: float = Field(description="Share of the area to which both give the same class.")
    indicators: Mapping[str, IndicatorRecord] = Field(description="By name.")
    class_shares: ClassSharesRecord
    differences: Sequence[DifferenceRecord] = Field(description="By pair of classes, largest share first.")
    largest: Sequence[LargestRecord] = Field(description="The images that the page shows.")
    sample: Mapping[str, StratumRecord] | None = Field(description="`same` and `differ`; null without a sample.")
    reliability: StudyRecord | None = Field(description="Null where it was not asked for.")
    sentences: Sequence[str] = Field(description="What the numbers show.")
    notes: Sequence[str] = Field(description="Sentences that one has to know before using the numbers.")
