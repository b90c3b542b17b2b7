"""The run that a student learns from, as users name it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rs_adapt.api.checkpoints import find_checkpoint
from rs_adapt.runs.hub_packs import hub_origin
from rs_adapt.runs.packs import pack_folder, read_manifest

if TYPE_CHECKING:
    from rs_adapt.api.progress import Progress
    from rs_adapt.api.reading import RunLike
    from rs_adapt.engine.teacher import Teacher


def find_teacher(run: RunLike | None, *, progress: Progress = True) -> Teacher | None:
    """Return the teacher that a user names; its tensors are read later.

    Args:
        run: A finished run, its folder, an adapter pack or `hf:OWNER/NAME[@REVISION]`; None for no teacher.
        progress: The argument of a public function.

    Raises:
        CheckpointMismatch: There is no pack, its manifest is damaged, or an ONNX model is named.
        ConfigError: Its configuration can no longer be composed.
        HubError: The pack cannot be downloaded.
    """
    if run is None:
        return None
    folder = pack_folder(find_checkpoint(run, progress=progress))
    # Before torch is loaded, which takes seconds.
    manifest = read_manifest(folder)
    from rs_adapt.engine.teacher import Teacher
    from rs_adapt.inference.checkpoint import recompose

    return Teacher(folder=folder, manifest=manifest, cfg=recompose(folder), pack_source=hub_origin(folder))
