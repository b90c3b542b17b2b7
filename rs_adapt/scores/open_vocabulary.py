"""The two scores behind the harmonic mean of an open vocabulary, from stored matrices. Loads no torch."""

from __future__ import annotations

from rs_adapt.runs.records import GroupScore, OpenVocabulary, Result
from rs_adapt.scores.class_sets import ClassSet
from rs_adapt.scores.intervals import interval_facts, miou_of
from rs_adapt.scores.per_image import PerImage
from rs_adapt.scores.rounding import plain


def group_scores(per_image: PerImage, chosen: ClassSet) -> OpenVocabulary | None:
    """Return the mIoU of seen and of unseen classes; None for a mean without such groups.

    Args:
        per_image: The matrices.
        chosen: The classes in the mean.
    """
    if not chosen.unseen:
        return None
    seen, unseen = (_score(per_image, chosen, group) for group in (chosen.seen, chosen.unseen))
    return OpenVocabulary(seen=seen, unseen=unseen)


def with_group_scores(result: Result, per_image: PerImage | None, chosen: ClassSet) -> Result:
    """Return a result with the scores of seen and of unseen classes; unchanged where there are none."""
    both = None if per_image is None else group_scores(per_image, chosen)
    return result if both is None else result.model_copy(update={"open_vocabulary": both})


def _score(per_image: PerImage, chosen: ClassSet, group: tuple[int, ...]) -> GroupScore:
    alone = chosen.of_group(group)
    total_1KK = alone.counted(per_image.total_KK()[None])
    return GroupScore(
        classes=alone.scored_names(),
        miou_pct=plain(float(miou_of(total_1KK, alone.scored, alone.absent)[0])),
        interval=interval_facts(per_image, alone),
    )
