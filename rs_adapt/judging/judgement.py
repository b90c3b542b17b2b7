"""The comparison of two models without labels, in numbers and in sentences that claim no more than they show."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rs_adapt.judging.evidence import Evidence, ModelEvidence
from rs_adapt.judging.indicators import KINDS, LEAST_DIFFERENCE, Indicator, compare_indicators
from rs_adapt.judging.sample import Sample
from rs_adapt.judging.views import View
from rs_adapt.render.document import join_words
from rs_adapt.runs.records import FORMAT, JudgementRecord

if TYPE_CHECKING:
    from rs_adapt.judging.finished import ReliabilityStudy

_DIGITS = 6
# A class that falls from the former share of the area, or more, below the latter is reported as lost.
_PRESENT_SHARE, _LOST_SHARE = 0.01, 0.001
_PAIRS_IN_SENTENCE = 3


@dataclass(frozen=True, kw_only=True)
class ClassPair:
    """Pixels to which AGAINST gives one class and RUN a different one.

    Attributes:
        against: Class of AGAINST.
        run: Class of RUN.
        share: Share of the whole area, 0 to 1.
    """

    against: str
    run: str
    share: float


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """Two models on the same images without labels.

    Attributes:
        run: RUN as it can be named again: its folder, or its address on the Hub with the commit.
        against: AGAINST, likewise.
        run_name: RUN in words.
        against_name: AGAINST in words.
        classes: Names of the K classes.
        palette: Red, green, blue (0 to 255) of each class.
        images: The images in words, such as `160 tiles of south train`.
        evidence: The numbers.
        source: True class shares of the source; None where its tiles are not on this machine.
        views: The largest differences.
        folder: Folder with the page and `judge.json`.
        notes: Sentences that one has to know before using the numbers.
        sample: Points to label by hand; None if none were asked for.
        study: How often the indicators were right on finished runs; None if that was not asked for.
    """

    run: str
    against: str
    run_name: str
    against_name: str
    classes: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    images: str
    evidence: Evidence
    source: tuple[float, ...] | None
    views: tuple[View, ...] = field(default=(), repr=False)
    folder: Path | None = None
    notes: tuple[str, ...] = ()
    sample: Sample | None = field(default=None, repr=False)
    study: ReliabilityStudy | None = None

    @property
    def indicators(self) -> tuple[Indicator, ...]:
        """The indicators without labels."""
        return compare_indicators(self.evidence.run, self.evidence.against, self.source)

    @property
    def differences(self) -> tuple[ClassPair, ...]:
        """The pairs of classes in which the two maps differ, largest share first."""
        joint_KK, total = self.evidence.joint_KK, self.evidence.num_pixels
        pairs = [
            ClassPair(against=before, run=after, share=int(joint_KK[row, column]) / total)
            for row, before in enumerate(self.classes)
            for column, after in enumerate(self.classes)
            if row != column and joint_KK[row, column]
        ]
        return tuple(sorted(pairs, key=lambda pair: -pair.share))

    @property
    def sentences(self) -> tuple[str, ...]:
        """What the numbers show, and what they do not."""
        return tuple(self._sentences())

    @property
    def record(self) -> JudgementRecord:
        """The content of `judge.json`."""
        return JudgementRecord.model_validate(self._content())

    def to_json(self) -> dict[str, Any]:
        """Return the content of `judge.json`."""
        return self.record.content()

    def _content(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "run": self.run,
            "against": self.against,
            "images": self.images,
            "num_images": self.evidence.num_images,
            "num_pixels": self.evidence.num_pixels,
            "agreement": round(self.evidence.agreement, _DIGITS),
            "indicators": {
                indicator.name: {
                    "run": round(indicator.run, _DIGITS),
                    "against": round(indicator.against, _DIGITS),
                    "favours": indicator.favours,
                }
                for indicator in self.indicators
            },
            "class_shares": {
                "run": self._by_class(self.evidence.run),
                "against": self._by_class(self.evidence.against),
                "source": None
                if self.source is None
                else {name: round(share, _DIGITS) for name, share in zip(self.classes, self.source, strict=True)},
            },
            "differences": [
                {"against": pair.against, "run": pair.run, "share": round(pair.share, _DIGITS)}
                for pair in self.differences
            ],
            "largest": [
                {"image": view.image, "left_px": view.left_px, "top_px": view.top_px, "share": round(view.share, 4)}
                for view in self.views
            ],
            "sample": None
            if self.sample is None
            else {
                stratum: {"pixels": pixels, "points": self.sample.size(stratum)}
                for stratum, pixels in self.sample.pixels.items()
            },
            "reliability": None
            if self.study is None
            else {
                "folders": [str(folder) for folder in self.study.folders],
                "num_runs": self.study.num_runs,
                "indicators": [reliability.to_json() for reliability in self.study.reliabilities],
                "notes": list(self.study.notes),
                "adapted_pairs": len(self.study.pairs),
                "adapted_better": sum(pair.helped for pair in self.study.pairs),
                "adapted_indicators": [each.to_json() for each in self.study.pair_reliabilities],
            },
            "sentences": list(self.sentences),
            "notes": list(self.notes),
        }

    def _by_class(self, model: ModelEvidence) -> dict[str, float]:
        return {name: round(share, _DIGITS) for name, share in zip(self.classes, model.class_shares, strict=True)}

    def _sentences(self) -> Iterator[str]:
        agreement = self.evidence.agreement
        if not self.differences:
            yield (
                "Both models give the same class to every pixel: on these images it makes no difference which one is "
                "used. Both can be wrong."
            )
            return
        yield (
            f"RUN and AGAINST give the same class to {percent(agreement)} of the area. That does not prove that they "
            "are right there: both can be wrong in the same way."
        )
        pairs = [
            f"{pair.against} becomes {pair.run} on {percent(pair.share)}"
            for pair in self.differences[:_PAIRS_IN_SENTENCE]
        ]
        yield (
            f"They differ on {percent(1 - agreement)} of the area. From AGAINST to RUN, {join_words(pairs)} of the "
            "area. Which of the two is right, only labels or a look at the pictures can tell."
        )
        yield self._favours()
        if self.study is not None:
            yield from _reliability_sentences(self.study)
        yield from self._lost_classes()
        yield (
            "None of this proves that adaptation helped or harmed. Only labels can: --sample 200 draws points to label "
            "by hand, and --answers turns them into a difference of accuracies with an interval."
        )
        if self.sample is not None:
            yield self.sample.sentence

    def _favours(self) -> str:
        by_side = {
            side: [indicator.kind.title for indicator in self.indicators if indicator.favours == side]
            for side in ("run", "against", "neither")
        }
        parts = [
            f"{join_words(titles)} {'favours' if len(titles) == 1 else 'favour'} {side.upper()}"
            for side, titles in by_side.items()
            if titles and side != "neither"
        ]
        if by_side["neither"]:
            titles = by_side["neither"]
            differs = "differs" if len(titles) == 1 else "differ"
            parts.append(f"{join_words(titles)} {differs} by less than {LEAST_DIFFERENCE}")
        return (
            f"Of the indicators without labels, {'; '.join(parts)}. They are no votes: most of them measure how sure a "
            "model is, and a model can be sure and wrong."
        )

    def _lost_classes(self) -> Iterator[str]:
        shares = {"RUN": self.evidence.run.class_shares, "AGAINST": self.evidence.against.class_shares}
        for side, other in (("RUN", "AGAINST"), ("AGAINST", "RUN")):
            for name, share, reference in zip(self.classes, shares[side], shares[other], strict=True):
                if share < _LOST_SHARE and reference >= _PRESENT_SHARE:
                    yield (
                        f"{side} gives {name} to {percent(share)} of the area, and {other} to {percent(reference)}: "
                        f"{side} may have lost this class. Look for it in the pictures."
                    )


def _reliability_sentences(study: ReliabilityStudy) -> Iterator[str]:
    parts = [
        f"{KINDS[each.name].title} {each.right:g} of {each.num_pairs}"
        + (
            ""
            if each.low is None or each.high is None
            else f" (95 % interval {100 * each.low:.0f} to {100 * each.high:.0f} %)"
        )
        for each in study.reliabilities
    ]
    yield (
        f"On {study.num_runs} finished runs with scores on their target, the indicators ordered pairs of runs of one "
        f"bench as their scores do: {join_words(parts)}. Half is chance, and other regions can behave differently."
    )


def percent(share: float) -> str:
    """Return a share as percent: one decimal, and no share that is not 0 or 1 as 0.0 % or 100.0 %."""
    if 0 < share < 0.0005:
        return "less than 0.1 %"
    if 0.9995 <= share < 1:
        return "more than 99.9 %"
    return f"{100 * share:.1f} %"
