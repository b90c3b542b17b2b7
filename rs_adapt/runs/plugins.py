"""Which plugins a run used, and whether they are in use now. Loads no torch."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from rs_adapt.config.names import normalize
from rs_adapt.config.plugin_methods import plugin_faults, plugin_methods, plugins_of
from rs_adapt.errors import CheckpointMismatch, UnreadableFile
from rs_adapt.runs.files import CELL_FILE
from rs_adapt.runs.records import PluginFacts, RunStart, read_record


def plugin_facts(method: str) -> tuple[PluginFacts, ...]:
    """Return the plugins that a method, or a part of a stack, comes from."""
    methods = plugin_methods()
    parts = [part for part in map(normalize, method.split("+")) if part in methods]
    return tuple(
        PluginFacts(
            name=plugin.name,
            entry_point=plugin.entry_point or None,
            sha256=plugin.sha256,
            methods=[part for part in parts if methods[part].plugin == plugin],
        )
        for plugin in plugins_of(method)
    )


def compare_plugins(recorded: Sequence[PluginFacts], folder: Path) -> list[str]:
    """Check that the plugins of a run are in use; a run never loads one by itself.

    Args:
        recorded: The plugins of the run.
        folder: Its folder, for messages.

    Returns:
        A sentence for each plugin whose content is not that of the run.

    Raises:
        CheckpointMismatch: A method's plugin is not in use; the text says how to give it.
    """
    notes, methods = [], plugin_methods()
    for plugin in recorded:
        for method in plugin.methods:
            used = methods.get(normalize(method))
            if used is None:
                way = (
                    f"install the package with the entry point {plugin.entry_point}, or " if plugin.entry_point else ""
                )
                sentence = (
                    f"{folder}: its method {method} comes from the plugin {plugin.name} (SHA-256 "
                    f"{plugin.sha256[:16]}...), which is not in use. A run never loads code by itself: {way}name the "
                    "plugin with --plugins PATH (plugins=[PATH] in Python)."
                )
                raise CheckpointMismatch(" ".join([sentence, *plugin_faults()]))
            if used.plugin.sha256 != plugin.sha256:
                notes.append(
                    f"The plugin {plugin.name} of method {method} is not the one of the training run (SHA-256 "
                    f"{used.plugin.sha256[:16]}... now, {plugin.sha256[:16]}... then): the scores may be those of a "
                    "different method."
                )
    return list(dict.fromkeys(notes))


def require_same_plugins(run_dir: Path) -> None:
    """Refuse to resume a run with plugins that are not those it was started with.

    Raises:
        CheckpointMismatch: A plugin is not in use, or its content has changed.
    """
    start = None
    # The check of the data, which comes next, says what is wrong with a damaged file.
    with suppress(UnreadableFile):
        start = read_record(run_dir / CELL_FILE, RunStart)
    if start is not None and (changed := compare_plugins(start.plugins, run_dir)):
        raise CheckpointMismatch(
            f"cannot resume {run_dir}: {' '.join(changed)} Put the file back, or start again with --overwrite."
        )
