"""The trained run that a student learns from: checked before anything is written, and built beside the student."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rs_adapt.config.cell import DEFAULT_PROTOCOL
from rs_adapt.config.segmentor import level_channels, segmentor_config
from rs_adapt.config.wire_ground import matched_sizes
from rs_adapt.engine.build import build_model, check_weights
from rs_adapt.engine.earlier_labels import earlier_cells, refuse_seen_by, refuse_seen_target
from rs_adapt.engine.pack import load_pack, require_tensors
from rs_adapt.engine.results import ground_size_m
from rs_adapt.errors import CheckpointMismatch, ConfigError
from rs_adapt.runs.files import CELL_FILE
from rs_adapt.runs.folder import require_outside
from rs_adapt.runs.records import Manifest, RunStart, TeacherFacts, read_record

if TYPE_CHECKING:
    from rs_adapt.config.resolved import ResolvedConfig

# The settings of a teacher that have seen no more of the target than the student's own may.
_SETTINGS = {"dg": ("dg",), "da": ("da", "dg"), "ss": ("da", "dg", "ss")}
_RELATIVE_TOLERANCE = 1e-3


@dataclass(frozen=True, kw_only=True)
class Teacher:
    """A trained run that a student learns from.

    Attributes:
        folder: Folder of its pack.
        manifest: The pack's manifest.
        cfg: Its configuration, composed again from the shipped files.
        pack_source: Where the pack comes from, hf:OWNER/NAME@COMMIT; None for a local one.
    """

    folder: Path
    manifest: Manifest
    cfg: ResolvedConfig
    pack_source: str | None = None

    @property
    def facts(self) -> TeacherFacts:
        """What the student's files state of it."""
        manifest = self.manifest
        facts = TeacherFacts(
            cell=manifest.cell,
            # A pack whose manifest names no tensors has been refused.
            sha256="" if manifest.tensors is None else manifest.tensors.sha256,
            base_sha256=manifest.base.sha256,
            iter=None if manifest.metrics is None else manifest.metrics.iter,
        )
        more = {"pack_source": self.pack_source, "earlier": earlier_cells(manifest) or None}
        return facts.model_copy(update={key: value for key, value in more.items() if value is not None})

    @property
    def channels(self) -> list[int]:
        """Channels of its four feature maps."""
        return level_channels(segmentor_config(self.cfg).backbone)


def check_teacher(teacher: Teacher, cfg: ResolvedConfig, *, resume: bool) -> TeacherFacts:
    """Check that a student can learn from a teacher, before the student's folder is made, and return its facts.

    Args:
        teacher: The teacher.
        cfg: The student's configuration; its tiles are prepared.
        resume: Whether the run in the student's folder is resumed.

    Raises:
        CheckpointMismatch: Classes or pixel sizes differ, the pack is damaged, or it is not the one that the run was
            started with.
        ConfigError: The teacher has seen more of the target than the student's setting or protocol allows, its patches
            do not divide the crops, its features cannot be compared, or it lies in the student's folder.
        WeightsError: The teacher's base weights are missing or damaged.
    """
    name, manifest, folder = f"--teacher {teacher.folder}", teacher.manifest, Path(cfg.work_dir)
    require_outside(folder, teacher.folder, option="--teacher", run="the student")
    require_tensors(teacher.folder, manifest)
    classes = tuple(cfg.bench.classes)
    if tuple(manifest.classes) != classes:
        raise CheckpointMismatch(
            f"{name}: that run was trained on the classes {', '.join(manifest.classes)}; here they are "
            f"{', '.join(classes)}. Name a run on the same classes, in the same order."
        )
    _check_ground(name, manifest, cfg)
    _check_honesty(name, teacher, cfg)
    patch_px, crop_px = teacher.cfg.backbone.patch_px, cfg.bench.crop_px
    patch_px = segmentor_config(teacher.cfg).backbone.get("patch_px", patch_px)
    if crop_px % patch_px:
        raise ConfigError(
            f"{name}: its patches of {patch_px} px do not divide the crops of {crop_px} px that the student learns "
            f"from. Set bench.crop_px={(crop_px // patch_px + 1) * patch_px}, or another multiple of {patch_px}."
        )
    own = level_channels(segmentor_config(cfg).backbone)
    if cfg.model.get("feature_iters") and len(own) != len(teacher.channels):
        raise ConfigError(
            f"{name}: it has {len(teacher.channels)} feature maps and the student {len(own)}, because the head of one "
            "of them runs the last blocks of its backbone itself (eomt, or text with CLIP), so features cannot be "
            "compared. Use --set strategy.feature_iters=0: the student then learns probabilities alone."
        )
    check_weights(teacher.cfg)
    _check_is_the_same(teacher, folder, resume=resume)
    return teacher.facts


def build_teacher(teacher: Teacher) -> Any:
    """Build the teacher's segmentor on the device in use, with its weights.

    Raises:
        CheckpointMismatch: See `load_pack`.
        WeightsError: The base weights are missing or wrong.
    """
    model = build_model(teacher.cfg)
    load_pack(teacher.folder, model, classes=list(teacher.manifest.classes), base_sha256=model.backbone.base_sha256())
    return model


def _check_ground(name: str, manifest: Manifest, cfg: ResolvedConfig) -> None:
    """Refuse a teacher that knows things at other sizes than the student's images show them."""
    is_matched = matched_sizes(cfg.bench, cfg.strategy, setting=cfg.cell.setting) is not None
    if manifest.gsd_matched != is_matched:
        did, does = ("brought", "does not") if manifest.gsd_matched else ("did not bring", "does")
        raise CheckpointMismatch(
            f"{name}: that run {did} both regions to one pixel size, and this one {does}, so the teacher would see "
            f"things at sizes that it does not know. Add --set strategy.match_gsd={manifest.gsd_matched}."
        )
    ours_m = ground_size_m(cfg)
    if manifest.gsd_m and ours_m and abs(manifest.gsd_m / ours_m - 1) > _RELATIVE_TOLERANCE:
        raise CheckpointMismatch(
            f"{name}: that run was trained for pixels of {manifest.gsd_m:g} m, and those of this bench are "
            f"{ours_m:g} m, so the teacher would see things at sizes that it does not know. Name a run on images of "
            "the same pixel size."
        )


def _check_honesty(name: str, teacher: Teacher, cfg: ResolvedConfig) -> None:
    """Refuse a teacher through which a student would learn from what its setting or its protocol leaves out."""
    manifest, setting, protocol = teacher.manifest, cfg.cell.setting, cfg.cell.protocol
    if manifest.cell.setting not in _SETTINGS[setting]:
        seen = "labels of a target" if manifest.cell.setting == "ss" else "images of a target"
        raise ConfigError(
            f"{name}: that run has learnt from {seen} (setting {manifest.cell.setting}), which the setting {setting} "
            f"of the student leaves out. Name a run of the setting {' or '.join(_SETTINGS[setting])}, or train the "
            f"student in {manifest.cell.setting}."
        )
    refuse_seen_target(
        name, setting=manifest.cell.setting, bench_name=manifest.cell.bench, bench=teacher.cfg.bench, cfg=cfg
    )
    refuse_seen_by(teacher.facts.earlier, f"{name}, which goes back to a different run", cfg=cfg)
    if manifest.cell.protocol not in (DEFAULT_PROTOCOL, protocol):
        raise ConfigError(
            f"{name}: that run follows the protocol {manifest.cell.protocol}, and the student {protocol}. Name a run "
            f"of the protocol {protocol}, or train the student with --protocol {manifest.cell.protocol}."
        )


def _check_is_the_same(teacher: Teacher, folder: Path, *, resume: bool) -> None:
    start = read_record(folder / CELL_FILE, RunStart) if resume else None
    if start is None or start.teacher is None or start.teacher.sha256 == teacher.facts.sha256:
        return
    raise CheckpointMismatch(
        f"Cannot resume {folder} with --teacher {teacher.folder}: the run was started with a teacher whose SHA-256 is "
        f"{start.teacher.sha256[:16]}..., and this one has {teacher.facts.sha256[:16]}... Name the run that it was "
        "started with."
    )
