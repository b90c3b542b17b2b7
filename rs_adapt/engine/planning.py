"""What a training run would use, found out by all its checks before its folder is made; and the record of its start."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from rs_adapt.config.phases import check_phases
from rs_adapt.config.wire_regions import require_teacher, require_trainable
from rs_adapt.datasets.roles import roles_to_prepare
from rs_adapt.engine.build import check_weights, prepare_data
from rs_adapt.engine.compiling import check_compiled_blocks
from rs_adapt.engine.environment import environment
from rs_adapt.engine.initial import find_initial_weights
from rs_adapt.engine.parameters import build_on_meta, count_parameters
from rs_adapt.engine.parts import segmentor_of
from rs_adapt.engine.recomputing import gather_attention, recompute_blocks, store_base
from rs_adapt.engine.registered import check_registered
from rs_adapt.engine.results import tuned_values
from rs_adapt.engine.sharding import check_sharding
from rs_adapt.engine.tasks import data_check_of
from rs_adapt.engine.teacher import Teacher, check_teacher
from rs_adapt.engine.text_weights import check_texts
from rs_adapt.processes import local_batch_size, rank_and_world_size
from rs_adapt.progress import OnProgress
from rs_adapt.runs.data import NOT_RECORDED, require_same_data
from rs_adapt.runs.folder import check_run_folder
from rs_adapt.runs.plan import TrainingPlan
from rs_adapt.runs.plugins import plugin_facts
from rs_adapt.runs.records import (
    CellNames,
    RunOptions,
    RunStart,
    data_facts,
    with_origins,
)
from rs_adapt.runs.resolvers import check_resolver
from rs_adapt.scores.class_sets import class_set

if TYPE_CHECKING:
    from rs_adapt.config.resolved import ResolvedConfig


def plan_training(
    cfg: ResolvedConfig,
    *,
    resume: bool,
    overwrite: bool,
    start_from: Path | None,
    teacher: Teacher | None,
    on_progress: OnProgress,
) -> TrainingPlan:
    """Do all checks of a training run, and return what it would use; see `rs_adapt.engine.train.train`."""
    folder = Path(cfg.work_dir)
    check_phases(cfg)
    local_batch_size(cfg.train_dataloader.batch_size, rank_and_world_size()[1])
    check_registered(cfg.origin.overrides)
    check_run_folder(folder, cfg_text=cfg.pretty_text, resume=resume, overwrite=overwrite)
    # Checked here, because an unknown class would otherwise be reported only after the folder is made.
    class_set(list(cfg.bench.classes), chosen=cfg.protocol.classes)
    check_weights(cfg)
    cut_prompts = check_texts(cfg)
    resolver = check_resolver(cfg, resume=resume)
    # Builds every part without memory, so that an argument that a class refuses leaves no run folder behind; before the
    # data, which may take minutes to make.
    model = build_on_meta(cfg)
    prepare_data(cfg, on_progress, roles=roles_to_prepare(cfg))
    data = data_check_of(cfg)(cfg, on_progress, is_resumed=resume)
    is_same = not resume or require_same_data(folder, data.digests)
    recompute_blocks(cfg, model)
    gather_attention(cfg, model)
    check_sharding(cfg, model)
    store_base(cfg, model)
    check_compiled_blocks(cfg, model)
    initial = find_initial_weights(cfg, segmentor_of(model), start_from, resume=resume)
    require_trainable(cfg.strategy, has_start=initial is not None)
    require_teacher(cfg.strategy, has_teacher=teacher is not None)
    taught_by = None if teacher is None else check_teacher(teacher, cfg, resume=resume)
    origins = (
        *(() if initial is None else (initial.note(),)),
        *(() if taught_by is None else (taught_by.note(),)),
        *(() if resolver is None else (resolver.note(),)),
    )
    parameters = count_parameters(model)
    return TrainingPlan(
        tiles={role: len(digests) for role, digests in data.digests.items()},
        parameters=parameters,
        folder=folder,
        digests=data.digests,
        notes=(*origins, *cut_prompts, *data.notes, *(() if is_same else (NOT_RECORDED,))),
        initialised_from=initial,
        teacher=taught_by,
        resolver=resolver,
    )


def start_facts(cfg: ResolvedConfig, plan: TrainingPlan, *, device: str, command: str) -> RunStart:
    """Return the content of `cell.json`."""
    origin = cfg.origin
    start = RunStart(
        cell=CellNames(**cfg.cell),
        tuned=tuned_values(cfg),
        plugins=plugin_facts(cfg.cell.method),
        options=RunOptions(
            overrides=origin.overrides, data_root=str(cfg.data_root), weights=origin.weights, device=device
        ),
        command=command,
        # The identifier lets loggers continue a resumed run.
        run_id=uuid.uuid4().hex,
        processes=rank_and_world_size()[1],
        environment=environment(),
        tiles=plan.tiles,
        # Of the tiles that a run of an older version began with, nothing is known.
        data={} if NOT_RECORDED in plan.notes else {role: data_facts(of) for role, of in plan.digests.items()},
        notes=plan.notes,
    )
    return with_origins(start, initialised_from=plan.initialised_from, teacher=plan.teacher, resolver=plan.resolver)
