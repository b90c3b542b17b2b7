"""How far the confidence of a run's weights agrees with their accuracy, on the source and on the scored split."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rs_adapt.engine.build import build_loader, build_source_monitor
from rs_adapt.engine.evaluate import evaluate
from rs_adapt.metrics.reliability import ReliabilityCounter
from rs_adapt.progress import OnProgress
from rs_adapt.strategies.pseudo_labels import probabilities

if TYPE_CHECKING:
    from torch import nn

    from rs_adapt.config.resolved import ResolvedConfig
    from rs_adapt.runs.records import MeasuredReliability
    from rs_adapt.strategies.pseudo_labels import ScoreKind


def count_sample(counter: ReliabilityCounter, sample: Any, kind: ScoreKind) -> None:
    """Add a prediction of a labelled tile to a counter.

    Args:
        counter: The counter.
        sample: `SegDataSample` with `seg_logits` (K, H, W), `pred_sem_seg` and `gt_sem_seg` (1, H, W).
        kind: Kind of the scores.
    """
    labels_HW = sample.pred_sem_seg.data[0]
    counter.add(
        probabilities(sample.seg_logits.data[None], kind)[0],
        labels_HW,
        sample.gt_sem_seg.data[0].to(labels_HW.device),
    )


def measure_reliability(
    cfg: ResolvedConfig, segmentor: nn.Module, *, of_test: ReliabilityCounter, on_progress: OnProgress
) -> dict[str, MeasuredReliability]:
    """Return the reliability on the scored split and on the source's validation tiles of the evaluations, by split.

    Nothing is measured on tiles that the run has trained on: those of a source that holds none out, and in `ss`.

    Args:
        cfg: The resolved configuration.
        segmentor: The segmentor, with the weights of the result.
        of_test: The counts of the scored split; an empty one is filled, as where stored matrices gave the scores.
        on_progress: Called for each predicted tile.
    """
    loaders = {"test": None if cfg.test_dataloader is None or of_test.num_tiles else build_loader(cfg, "test")}
    loaders["source_val"] = build_source_monitor(cfg)
    total = sum(len(loader.dataset) for loader in loaders.values() if loader is not None)
    counters = {"test": of_test, "source_val": ReliabilityCounter(ignore_index=cfg.bench.ignore_index)}
    done = 0
    for role, loader in loaders.items():
        if loader is None:
            continue
        counter = counters[role]

        def count(_: int, __: int, sample: Any, counter: ReliabilityCounter = counter) -> None:
            nonlocal done
            count_sample(counter, sample, segmentor.decode_head.score_kind)  # type: ignore[union-attr, arg-type]
            done += 1
            on_progress("measuring calibration", done, total)

        evaluate(
            segmentor,
            loader,
            num_classes=len(cfg.bench.classes),
            ignore_index=cfg.bench.ignore_index,
            precision=cfg.runtime.precision,
            on_sample=count,
        )
    settings = {"test": cfg.test_dataloader, "source_val": cfg.source_val_dataloader}
    measured = {
        role: counter.measured(split_of(settings[role])) for role, counter in counters.items() if counter.num_tiles
    }
    return {role: each for role, each in measured.items() if each is not None}


def split_of(loader: Any) -> str:
    """Return region and split of a loader's settings, such as `south test`."""
    return " ".join(str(loader.dataset.name).split("/")[-2:])
