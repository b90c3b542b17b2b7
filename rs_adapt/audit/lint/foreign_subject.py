"""The subject of lint in a configuration that another program runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rs_adapt.audit.foreign.datasets import find_sets
from rs_adapt.audit.foreign.found import FoundSets
from rs_adapt.audit.foreign.node import Node, Site, walk
from rs_adapt.audit.foreign.reader import read_foreign
from rs_adapt.audit.foreign.steps import last_part
from rs_adapt.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A key that selects a checkpoint by a score on the validation tiles.

    Attributes:
        key: The dotted key.
        words: The key and its value, for people.
        site: The place that sets it.
    """

    key: str
    words: str
    site: Site


@dataclass(frozen=True, kw_only=True)
class ForeignSubject:
    """A configuration that another program runs, with what the rules look at.

    Attributes:
        title: The file, for people.
        root: All of its values.
        sets: Its data sets.
        choices: What selects a checkpoint by scores.
        earlier: First lines of the configurations in a log that differ from the last, which is the one looked at.
    """

    title: str
    root: Node
    sets: FoundSets
    choices: tuple[Choice, ...]
    earlier: tuple[int, ...] = ()

    def parts(self, name: str) -> Iterator[tuple[str, Node]]:
        """Yield key and node of the entries of a name within the model, such as `test_cfg`."""
        model = self.root.at("model")
        for key, node in walk(model, "model") if model else ():
            if key.rpartition(".")[2] == name:
                yield key, node


def foreign_subject(path: Path) -> ForeignSubject:
    """Return the subject in a configuration of mmengine or mmcv, or in a training log; nothing in it is executed.

    Raises:
        ConfigError: It is not read, or states no data set.
    """
    config = read_foreign(path)
    sets = find_sets(config.root)
    if not sets.all:
        if sets.unknown:
            raise ConfigError(
                f"{config.file} states data sets in {', '.join(sets.unknown)} alone, and these names do not say "
                "whether they are for training, validation or test. Name them as train_dataloader, test_dataloader."
            )
        raise ConfigError(
            f"{config.file} states no data set: there is none in train_dataloader, val_dataloader, test_dataloader or "
            "data. Name the configuration that a training starts from, not one of its bases or of its models."
        )
    bases = f", with {len(config.bases)} bases" if len(config.bases) > 1 else ", with 1 base" if config.bases else ""
    return ForeignSubject(
        title=f"{config.file}{bases}",
        root=config.root,
        sets=sets,
        choices=tuple(_choices(config.root)),
        earlier=config.earlier,
    )


def _choices(root: Node) -> Iterator[Choice]:
    default, custom = root.at("default_hooks"), root.at("custom_hooks")
    places = [(f"default_hooks.{name}", hook) for name, hook in (default.entries if default else {}).items()]
    places += [(f"custom_hooks.{place}", hook) for place, hook in enumerate(custom.items if custom else ())]
    # Before mmengine, the hook of the evaluation saved the best.
    places += [(name, node) for name in ("evaluation", "checkpoint_config") if (node := root.at(name)) is not None]
    for place, hook in places:
        save_best = hook.at("save_best")
        if save_best is not None and save_best.value:
            yield Choice(key=f"{place}.save_best", words=f"save_best={save_best.plain()!r}", site=save_best.site)
        elif last_part(hook.at("type")) == "EarlyStoppingHook":
            yield Choice(key=place, words="EarlyStoppingHook, which ends the training by a score,", site=hook.site)
