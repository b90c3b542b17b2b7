"""What in a sweep's file can run code: the file says how cells are started, and its overrides may name any class."""

from __future__ import annotations

from rs_adapt.config import overrides
from rs_adapt.errors import ConfigError
from rs_adapt.inference.pack_overrides import names_code
from rs_adapt.sweeps.spec import Spec


def find_code(spec: Spec) -> list[str]:
    """Return the keys of a sweep's file that can run code which is not the package's."""
    keys = [*(["plugins"] if spec.plugins else []), *(["launcher.command"] if spec.launcher.command else [])]
    # Among them are commands for the shell of a job.
    keys += [f"launcher.slurm.{name}" for name in spec.launcher.slurm]
    texts = [text for group in spec.groups for text in group.set]
    return [*keys, *dict.fromkeys(f"set {one.key}" for one in overrides.parse(texts) if names_code(one))]


def refuse_code(spec: Spec) -> None:
    """Refuse a sweep that can run code which is not the package's.

    Raises:
        ConfigError: Names the keys.
    """
    if keys := find_code(spec):
        raise ConfigError(
            f"{spec.file} can run programs or code of its own: {', '.join(keys)}. Nothing was started, because of "
            "--no-code. Delete these keys, or leave --no-code out if you trust the file."
        )
