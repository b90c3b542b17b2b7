"""The evaluation of a checkpoint: load, check the split, score, write the files."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from rs_adapt.config.segmentor import backbone_width
from rs_adapt.disk import describe_disk_failure, disk_remedy, find_disk_failure
from rs_adapt.engine.build import Split, build_loader, loader_settings, prepare_data
from rs_adapt.engine.environment import environment
from rs_adapt.engine.evaluate import evaluate
from rs_adapt.engine.optim import tf32_products
from rs_adapt.engine.per_image import make_per_image, scored_classes
from rs_adapt.engine.results import protocol_facts, score_fields, tuned_values
from rs_adapt.errors import CheckpointMismatch, ConfigError, RsAdaptError
from rs_adapt.files import staged_files
from rs_adapt.inference.ensemble import load_calibrated
from rs_adapt.inference.predictor import Predictor
from rs_adapt.links import check_no_links
from rs_adapt.metrics.reliability import ReliabilityCounter
from rs_adapt.progress import OnProgress, no_progress
from rs_adapt.registry import quiet_libraries
from rs_adapt.render.confusion_plot import draw_confusion, write_confusion_csv
from rs_adapt.render.overlays import save_overlay
from rs_adapt.runs.data import describe_change
from rs_adapt.runs.evaluations import Conditions, check_folder, make_conditions
from rs_adapt.runs.files import DATA_FILE, RESULT_FILE
from rs_adapt.runs.hub_packs import hub_origin
from rs_adapt.runs.packs import pack_folder, read_manifest
from rs_adapt.runs.plugins import compare_plugins
from rs_adapt.runs.records import (
    CellNames,
    DataRecord,
    InferenceFacts,
    Manifest,
    ManifestScores,
    Result,
    data_facts,
    read_record,
    write_record,
)
from rs_adapt.scores.intervals import interval_facts
from rs_adapt.scores.open_vocabulary import with_group_scores
from rs_adapt.threads import automatic_threads

if TYPE_CHECKING:
    from rs_adapt.config.execution import Tta
    from rs_adapt.config.resolved import ResolvedConfig

CONFUSIONS_FILE = "confusions.npz"


def score_checkpoint(
    cfg: ResolvedConfig,
    checkpoint: Path,
    *,
    split: Split,
    out_dir: Path | Callable[[Conditions], Path],
    overlays: int = 0,
    tta: Tta | None = None,
    device: str = "auto",
    on_progress: OnProgress = no_progress,
) -> Result:
    """Score a checkpoint and write `result.json`, `confusion.csv`, `confusion.png`, `confusions.npz` and overlays.

    Args:
        cfg: The checkpoint's configuration, from `recompose`.
        checkpoint: Folder of the pack.
        split: "test" or "val" of the target, or "source-val".
        out_dir: Folder for the files, created if it does not exist; or a function that returns it, given all that the
            score depends on. An evaluation under other conditions (precision, device, tiles, ...) is not replaced.
        overlays: Number of tiles to draw, spread evenly over the split.
        tta: Views whose probabilities are averaged, see `predict_views`; None for the tiles alone.
        device: "auto", "cpu", "cuda" or "cuda:N".
        on_progress: Called with the stage, the steps done and the steps in all.

    Returns:
        The content of `result.json`.

    Raises:
        OutputExists: `out_dir` holds a run, or an evaluation under other conditions.
    """
    with quiet_libraries():
        predictor = load_calibrated(cfg, checkpoint, device=device)
        # As in training, so that equal weights give equal scores.
        threads = automatic_threads(width=backbone_width(cfg), on_gpu=torch.cuda.is_available())
        with threads, tf32_products(cfg.runtime.tf32):
            return _score(
                cfg,
                predictor,
                checkpoint,
                split=split,
                out_dir=out_dir,
                overlays=overlays,
                tta=tta,
                on_progress=on_progress,
            )


@contextmanager
def _made_folder(folder: Path) -> Iterator[None]:
    """Make a folder for the files of an evaluation; one that is new is removed again if the block raises.

    Raises:
        ConfigError: The folder cannot be made or written to.
    """
    is_new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"Cannot write to {folder}: {error.strerror}. Choose a different folder with --out."
        ) from error
    try:
        yield
    except BaseException as error:
        # Overlays without scores, of an evaluation that was stopped or met a full disk.
        if is_new:
            shutil.rmtree(folder, ignore_errors=True)
        failure = None if isinstance(error, RsAdaptError) else find_disk_failure(error)
        if failure is None:
            raise
        raise ConfigError(
            f"{describe_disk_failure(failure, folder)} {disk_remedy(failure)} Or choose a different folder with --out."
        ) from error


def _score(
    cfg: ResolvedConfig,
    predictor: Predictor,
    checkpoint: Path,
    *,
    split: Split,
    out_dir: Path | Callable[[Conditions], Path],
    overlays: int,
    tta: Tta | None,
    on_progress: OnProgress,
) -> Result:
    from rs_adapt.datasets.completeness import describe_incomplete_split
    from rs_adapt.datasets.digests import digest_tiles
    from rs_adapt.datasets.spreading import evenly_spread
    from rs_adapt.engine.tasks import check_dataset
    from rs_adapt.superresolution.enlarging import enlarge_tiles

    prepare_data(cfg, on_progress, roles=("source" if split == "source-val" else "target",))
    manifest = read_manifest(checkpoint)
    _require_trained_stretch(cfg, manifest, split)
    loader = build_loader(cfg, split)
    check_dataset(loader.dataset, on_progress)
    settings = loader_settings(cfg, split).dataset
    enlarge_tiles(settings, on_progress)
    incomplete = describe_incomplete_split(cfg, settings)
    changed = _changed_data(cfg, manifest, checkpoint, split)
    found = [note for note in (incomplete, changed) if note is not None]
    notes = [*dict.fromkeys([*manifest.notes, *found, *compare_plugins(manifest.plugins, checkpoint)])]
    facts, machine = data_facts(digest_tiles(settings)), environment()
    views = {} if tta is None else {"tta": tta}
    inference = InferenceFacts(**cfg.bench.inference.to_dict() | views)
    conditions = make_conditions(
        bench=cfg.cell.bench,
        split=split,
        precision=cfg.runtime.precision,
        inference=inference,
        temperature=predictor.temperature,
        tiles=facts,
        pack=None if manifest.tensors is None else manifest.tensors.sha256,
        environment=machine,
    )
    folder = out_dir if isinstance(out_dir, Path) else out_dir(conditions)
    check_folder(folder, conditions)
    check_no_links(folder)
    with _made_folder(folder):
        classes, palette = list(cfg.bench.classes), [list(colour) for colour in cfg.bench.palette]
        counter = ReliabilityCounter(ignore_index=cfg.bench.ignore_index)
        drawn_positions = set(evenly_spread(len(loader.dataset), overlays))

        def on_sample(position: int, total: int, sample: Any) -> None:
            if position in drawn_positions:
                save_overlay(folder / "overlays", sample, classes=classes, palette=palette)
            labels_HW = sample.pred_sem_seg.data[0]
            truth_HW = sample.gt_sem_seg.data[0].to(labels_HW.device)
            counter.add(predictor.sample_probabilities(sample, tta=tta), labels_HW, truth_HW)
            on_progress("scoring", position + 1, total)

        by_image = evaluate(
            predictor.model,
            loader,
            num_classes=len(classes),
            ignore_index=cfg.bench.ignore_index,
            precision=predictor.precision,
            predict=partial(predictor.predict_batch, tta=tta),
            on_sample=on_sample,
        )
        trained, origin = manifest.metrics or ManifestScores(), hub_origin(pack_folder(checkpoint))
        per_image = make_per_image(cfg, by_image, split=split, iteration=trained.iter, tta=tta)
        measured = counter.measured(str(per_image.facts["split"]), temperature=predictor.temperature)
        protocol = protocol_facts(
            cfg, report_split=per_image.facts["split"], selection=trained.headline or "as released"
        )
        matrix = per_image.total_KK()
        chosen = scored_classes(cfg)
        result = Result(
            status="finished",
            cell=CellNames(**dict(cfg.cell)),
            trained_on=manifest.cell,
            protocol=protocol.model_copy(update={"inference": inference}),
            tuned=tuned_values(cfg),
            precision=cfg.runtime.precision,
            tiles=len(loader.dataset),
            data={split: facts},
            notes=notes,
            **score_fields(matrix, chosen),
            interval=interval_facts(per_image, chosen),
            reliability={} if measured is None else {split.replace("-", "_"): measured},
            confusions=CONFUSIONS_FILE,
            pack_sha256=None if manifest.tensors is None else manifest.tensors.sha256,
            finished=datetime.now(UTC).isoformat(timespec="seconds"),
            environment=machine,
        )
        result = with_group_scores(result, per_image, chosen)
        if origin is not None:
            result = result.model_copy(update={"pack_source": origin})
        title = f"{cfg.bench.title}, {result.protocol.report_split}"
        with staged_files(folder, (CONFUSIONS_FILE, "confusion.csv", "confusion.png", RESULT_FILE)) as staging:
            per_image.save(staging / CONFUSIONS_FILE)
            write_confusion_csv(staging / "confusion.csv", matrix, classes)
            draw_confusion(staging / "confusion.png", matrix, classes, title)
            write_record(staging / RESULT_FILE, result)
            # An older result must not stand beside newer matrices, also where the process is killed in between.
            (folder / RESULT_FILE).unlink(missing_ok=True)
        return result


def _changed_data(cfg: ResolvedConfig, manifest: Manifest, checkpoint: Path, split: Split) -> str | None:
    """Return a sentence where the tiles of the split differ from those of the training run; None where they do not.

    The training run scored a part of `source-val`, which is compared. On a different bench nothing is compared.
    """
    from rs_adapt.datasets.digests import digest_tiles
    from rs_adapt.datasets.roles import data_roles

    role, roles = split.replace("-", "_"), data_roles(cfg)
    trained = manifest.data.get(role)
    name = f"{cfg.bench.name}.toml" if cfg.bench.get("own") else cfg.cell.bench
    if trained is None or role not in roles or manifest.cell.bench != name:
        return None
    now = digest_tiles(roles[role])
    if data_facts(now).sha256 == trained.sha256:
        return None
    folder = pack_folder(checkpoint)
    record = read_record(folder / DATA_FILE, DataRecord)
    phrase = describe_change(role, None if record is None else record.roles.get(role), trained, now)
    return f"The data differ from those of the training run: {phrase}. The scores of the two are not comparable."


def _require_trained_stretch(cfg: ResolvedConfig, manifest: Manifest, split: Split) -> None:
    """Check that the tiles of the user's own bench have the stretch that the pack was trained with."""
    from rs_adapt.datasets.own.stretch import parse_stretch, read_stretch, require_same

    own_bench, trained = cfg.bench.get("own"), manifest.stretch
    if not own_bench or not trained or own_bench.to_dict() != manifest.own_bench:
        return
    region = cfg.bench["source" if split == "source-val" else "target"].region
    remedy = "Copy the pack again."
    given = parse_stretch(trained, file="stretch of the manifest", error=CheckpointMismatch, remedy=remedy)
    if region not in given:
        raise CheckpointMismatch(f"The manifest holds no stretch of the region {region}. {remedy}")
    require_same(read_stretch(cfg.prepared_dir)[region], given[region], region)
