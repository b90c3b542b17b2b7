"""Checkpoints that maps are made with: packs, and ONNX models that `rs-adapt export` wrote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rs_adapt.config.execution import Tta
from rs_adapt.errors import ConfigError
from rs_adapt.inference.checkpoint import recompose, recompose_manifest
from rs_adapt.inference.ensemble import Member
from rs_adapt.inference.views import VIEWS
from rs_adapt.inference.windows import check_tile_px, window_px
from rs_adapt.inference.words import check_words, describe_words
from rs_adapt.runs.onnx_files import check_onnx_content, is_onnx, read_onnx_facts
from rs_adapt.runs.packs import pack_folder, read_manifest
from rs_adapt.runs.records import OnnxFacts

if TYPE_CHECKING:
    from rs_adapt.config.resolved import ResolvedConfig
    from rs_adapt.runs.records import Manifest


@dataclass(frozen=True, kw_only=True)
class MapCheckpoint:
    """A checkpoint that is read, and not loaded.

    Attributes:
        path: Folder of the pack, or file of the ONNX model.
        manifest: The pack's manifest, which an ONNX model has in its metadata.
        facts: Facts of the ONNX model; None for a pack.
        sha256: Of the pack's tensors, or of the ONNX model's files.
        remarks: Sentences that one has to know before using its maps.
    """

    path: Path
    manifest: Manifest
    facts: OnnxFacts | None = None
    sha256: str = ""
    remarks: tuple[str, ...] = ()

    def member(
        self, *, weights: str | None = None, precision: str | None = None, words: tuple[str, ...] = ()
    ) -> Member:
        """Return what loads the model.

        Args:
            weights: Base weights of a pack, see `recompose`.
            precision: Precision of a pack, see `recompose`.
            words: Names of classes in place of those of the training; empty for the model's own.

        Raises:
            IncompatibleCell, ConfigError: See `check_words`; an ONNX model keeps its classes.
        """
        if self.facts is not None:
            if words:
                raise ConfigError(f"{self.path} is an ONNX model, whose classes are fixed. Use --classes with a run.")
            return Member(checkpoint=self.path, source=self.facts)
        cfg = recompose(self.path, weights=weights, precision=precision)
        if words:
            check_words(cfg, words, self.path)
        return Member(checkpoint=pack_folder(self.path), source=cfg, words=words)

    def word_remarks(self, member: Member) -> tuple[str, ...]:
        """Return sentences on the names of a member's classes that its text tower does not know."""
        return () if isinstance(member.source, OnnxFacts) else describe_words(member.source, member.words)

    def check_tiles(self, tile_px: int, tta: Tta | None) -> None:
        """Refuse tiles and views of other sides than an ONNX model takes.

        Raises:
            ConfigError: It takes tiles of a single size, or larger ones.
        """
        facts = self.facts
        if facts is None:
            return
        check_tile_px(tile_px, facts.patch_px)
        if not facts.dynamic:
            if tile_px != facts.tile_px:
                raise ConfigError(
                    f"--tile-px is {tile_px}, and {self.path} takes tiles of {facts.tile_px} px. Leave --tile-px out, "
                    f"or export the run again with --tile-px {tile_px} or --dynamic."
                )
            if tta == "scales":
                raise ConfigError(
                    f"--tta scales shows tiles of other sizes, and {self.path} takes tiles of {facts.tile_px} px. "
                    "Export the run again with --dynamic, or use --tta flips or d4."
                )
        scale = min((view.scale for view in VIEWS.get(tta, ())), default=1.0) if tta is not None else 1.0
        least_px = round(tile_px * scale / facts.patch_px) * facts.patch_px
        if least_px < facts.least_px:
            views = f", of which --tta {tta} shows views of {least_px} px" if scale < 1 else ""
            raise ConfigError(
                f"--tile-px is {tile_px}{views}, and {self.path} takes {facts.least_px} px or more. Use a larger "
                "--tile-px."
            )


def read_checkpoint(path: Path) -> MapCheckpoint:
    """Read the manifest of a pack, or the facts of an ONNX model, whose bytes are compared with them.

    Args:
        path: A run folder, a folder with a pack, or an ONNX model.

    Raises:
        CheckpointMismatch: There is neither, or it is damaged.
    """
    if not is_onnx(path):
        manifest = read_manifest(path)
        return MapCheckpoint(path=path, manifest=manifest, sha256=manifest.tensors.sha256 if manifest.tensors else "")
    facts = read_onnx_facts(path)
    content = check_onnx_content(path, facts)
    remarks = (
        (f"A program has changed the graph of {path} since the export: its classes may no longer be those of the run.",)
        if content.is_changed
        else ()
    )
    return MapCheckpoint(path=path, manifest=facts.manifest, facts=facts, sha256=content.sha256, remarks=remarks)


def choose_tile_px(members: Sequence[Member]) -> int:
    """Return the side of the tiles that models are evaluated with or exported for.

    Raises:
        ConfigError: The sides differ.
    """
    sides = sorted({_side_px(member.source) for member in members})
    if len(sides) > 1:
        raise ConfigError(
            f"The checkpoints are evaluated with tiles of {' and '.join(map(str, sides))} px. Choose a side with "
            "--tile-px."
        )
    return sides[0]


def scoring_config(checkpoint: MapCheckpoint, member: Member) -> ResolvedConfig:
    """Return the configuration whose bench says how labels are read and scored.

    Args:
        checkpoint: The checkpoint.
        member: Its member.
    """
    if isinstance(member.source, OnnxFacts):
        return recompose_manifest(checkpoint.manifest, checkpoint.path)
    return member.source


def _side_px(source: ResolvedConfig | OnnxFacts) -> int:
    return source.tile_px if isinstance(source, OnnxFacts) else window_px(source)
