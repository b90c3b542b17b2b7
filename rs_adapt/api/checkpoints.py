"""Checkpoints as users name them: a run, its folder, a folder with an adapter pack, or a pack on the Hugging Face Hub.

This is the one place where `hf:OWNER/NAME@REVISION` becomes a folder. Loads no torch.
"""

from __future__ import annotations

from pathlib import Path

from rs_adapt.api.progress import Progress, print_notes, progress_callback
from rs_adapt.api.reading import RunLike
from rs_adapt.downloads.hub import is_hub_address, parse_hub_address
from rs_adapt.runs.hub_packs import pull_pack
from rs_adapt.runs.run import Run


def find_checkpoint(run: RunLike, *, progress: Progress = True) -> Path:
    """Return the folder of a run or a pack; one on the Hub is downloaded first.

    Args:
        run: A run, a folder, a file in one, or `hf:OWNER/NAME[@REVISION]`.
        progress: The argument of a public function; True also prints the commit that is used.

    Raises:
        ConfigError: The address cannot be read.
        HubError: The pack cannot be downloaded.
    """
    if isinstance(run, Run):
        return run.folder
    if not is_hub_address(run):
        return Path(run).expanduser()
    address = parse_hub_address(run)
    with progress_callback(progress) as on_progress:
        return pull_pack(address, on_progress=on_progress, on_note=lambda note: print_notes(progress, [note]))
