"""The fingerprints of the data that a cell would read now, to compare with those of its run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

from rs_adapt.config.facts import ConfigNode
from rs_adapt.config.literals import parse_literals
from rs_adapt.errors import RsAdaptError
from rs_adapt.runs.files import CONFIG_FILE
from rs_adapt.runs.records import DataFacts, data_facts

# SHA-256 by role.
Fingerprints: TypeAlias = Mapping[str, str]


class DataFingerprints:
    """The fingerprints of the tiles that are there now; what several cells of a sweep read is looked at once."""

    def __init__(self) -> None:
        self._prepared: set[Path] = set()
        self._by_settings: dict[str, str] = {}

    def of_config(self, config_text: str) -> Fingerprints:
        """Return the fingerprints of the tiles that a configuration reads, by role; empty where they are not known.

        Tiles that were made here are made again first if their scenes have changed. Data that are missing or damaged on
        this machine are not known: the run of the cell reports them.

        Args:
            config_text: The resolved configuration as Python text.
        """
        from rs_adapt.datasets.roles import data_roles

        cfg = parse_literals(config_text, file=CONFIG_FILE, remedy="").values
        try:
            if cfg["prepared_dir"] is not None:
                if not Path(cfg["prepared_dir"]).is_dir():
                    return {}
                self._prepare(cfg)
            fingerprints = {role: self._of_settings(settings) for role, settings in data_roles(cfg).items()}
        except (RsAdaptError, OSError):
            return {}
        return {role: sha256 for role, sha256 in fingerprints.items() if sha256}

    def _prepare(self, cfg: ConfigNode) -> None:
        from rs_adapt.captions.drawn import draw_compose
        from rs_adapt.datasets.prepare import ensure_prepared

        bench, out_dir = cfg["bench"], Path(cfg["prepared_dir"])
        if out_dir not in self._prepared:
            ensure_prepared(
                prepare=bench["prepare"],
                bench=bench,
                data_root=Path(cfg["data_root"]),
                out_dir=out_dir,
                draw_compose=draw_compose,
            )
            self._prepared.add(out_dir)

    def _of_settings(self, settings: ConfigNode) -> str:
        """Return the SHA-256 of a set of tiles; empty where there are none."""
        from rs_adapt.datasets.digests import digest_tiles

        key = repr(settings)
        if key not in self._by_settings:
            digests = digest_tiles(settings)
            self._by_settings[key] = data_facts(digests).sha256 if digests else ""
        return self._by_settings[key]


def describe_changed_data(before: Mapping[str, DataFacts], now: Fingerprints) -> str:
    """Return which data differ from those of a run, as a phrase; empty where none do, or nothing is known."""
    changed = [role for role, facts in before.items() if role in now and facts.sha256 != now[role]]
    return f"its data have changed since: {', '.join(changed)}" if changed else ""
