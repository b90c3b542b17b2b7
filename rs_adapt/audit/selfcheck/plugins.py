"""Checks of a method that comes from a plugin: which file it was, by hash. None of its code runs."""

from __future__ import annotations

from collections.abc import Iterator

from rs_adapt.audit.selfcheck.bundle import METHOD_DIR
from rs_adapt.audit.selfcheck.outcome import Check, conclude, give_up
from rs_adapt.audit.selfcheck.subject import Subject
from rs_adapt.plugins import plugins, read_plugin


def check_plugins(subject: Subject) -> Iterator[Check]:
    """Compare the plugins in all files of the run, and with their source where it is available."""
    recorded = subject.start.plugins
    of_pack = [] if subject.manifest is None else [facts.content() for facts in subject.manifest.plugins]
    if not recorded and not of_pack:
        return
    contradictions = []
    if subject.manifest is not None and [facts.content() for facts in recorded] != of_pack:
        contradictions.append("manifest.json and cell.json name different plugins.")
    folder = subject.folder / METHOD_DIR
    in_bundle = [read_plugin(path) for path in sorted(folder.iterdir())] if folder.is_dir() else []
    hashes = {plugin.sha256 for plugin in in_bundle}
    known = {facts.sha256 for facts in recorded}
    contradictions += [
        f"{METHOD_DIR}/{plugin.name} is no plugin that the run names."
        for plugin in in_bundle
        if plugin.sha256 not in known
    ]
    missing = []
    for facts in recorded:
        used = [plugin for plugin in plugins() if plugin.name == facts.name]
        if used and used[0].sha256 != facts.sha256:
            contradictions.append(f"The plugin {facts.name} in use is not that of the run: its SHA-256 differs.")
        elif not used and facts.sha256 not in hashes:
            missing.append(f"{facts.name} (SHA-256 {facts.sha256[:16]}...)")
    if contradictions or not missing:
        yield from conclude("plugins", contradictions, checked=f"SHA-256 of {len(recorded)} plugins")
    if missing:
        yield from give_up("plugins", f"not available here: {', '.join(missing)}; name them with --plugins PATH")
