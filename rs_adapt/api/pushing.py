"""Adapter packs on the Hugging Face Hub."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rs_adapt.api.checkpoints import find_checkpoint
from rs_adapt.api.presence import require_checkpoint
from rs_adapt.api.progress import Progress, print_loading, print_notes, progress_callback
from rs_adapt.api.reading import RunLike
from rs_adapt.config.tasks import SUPER_RESOLUTION, TASKS
from rs_adapt.downloads.hub import parse_hub_target
from rs_adapt.runs.locking import share_run
from rs_adapt.runs.packs import pack_folder

if TYPE_CHECKING:
    from rs_adapt.exchange.pushing import Push


def push(
    run: RunLike,
    repository: str,
    *,
    revision: str | None = None,
    private: bool = False,
    overwrite: bool = False,
    dry_run: bool = False,
    progress: Progress = True,
) -> Push:
    """Push the adapter pack of a run to the Hugging Face Hub, with a model card written from its manifest.

    All files arrive in one commit. Paths of the machine are replaced in the manifest. The token is that of
    `huggingface_hub` (`HF_TOKEN`, or `hf auth login`). `predict`, `evaluate` and others take the pack as
    `hf:OWNER/NAME@COMMIT`. On the command line it is `rs-adapt export RUN --push OWNER/NAME`.

    Args:
        run: A run from `train`, a run folder, a folder with an adapter pack, or `hf:OWNER/NAME[@REVISION]`.
        repository: `OWNER/NAME`; it is made if it does not exist.
        revision: Branch, made if it does not exist; `main`.
        private: Make a new repository private.
        overwrite: Replace a pack or a card that the branch holds; older commits keep theirs.
        dry_run: Check everything, and write nothing.
        progress: True shows it on standard error; or a callback (stage, done, total).

    Returns:
        `address` (with the commit), `url`, `files`, `card`, `rewritten`, `commit` and `is_new`.

    Raises:
        CheckpointMismatch: There is no adapter pack, or it is damaged.
        ConfigError: A name cannot be used, or the pack names a user or a machine where that cannot be replaced.
        HubError: There is no token, the Hub refuses it, or it cannot be reached.
        OutputExists: The branch holds such files, and `overwrite` is False.

    Examples:
        >>> import rs_adapt as rsa
        >>> plan = rsa.push("work_dirs/first", "alice/first", dry_run=True, progress=False)
        >>> plan.address, sorted(plan.files)
        ('hf:alice/first', ['README.md', 'adapter.safetensors', 'manifest.json'])
    """
    address = parse_hub_target(repository, revision=revision)
    folder = pack_folder(find_checkpoint(run, progress=progress))
    require_checkpoint(folder, tasks=[task for task in TASKS if task != SUPER_RESOLUTION])
    print_loading(progress)
    from rs_adapt.exchange.pushing import push_pack

    with progress_callback(progress) as on_progress, share_run(folder):
        pushed = push_pack(
            folder, address, private=private, overwrite=overwrite, dry_run=dry_run, on_progress=on_progress
        )
    print_notes(progress, [f"paths of this machine are replaced in {name}" for name in pushed.rewritten])
    return pushed
