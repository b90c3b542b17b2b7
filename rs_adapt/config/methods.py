"""Composite methods: `lora+earth_adapter` is a stack, `gate:lora+adaptformer` a gated one, `peft:dora` of peft."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rs_adapt.config import axis_files
from rs_adapt.config.names import normalize, unknown_name_message
from rs_adapt.config.plugin_methods import plugin_faults, plugin_methods
from rs_adapt.config.segmentor import segmentor_config
from rs_adapt.config.tree import copy_tree
from rs_adapt.errors import ConfigError, IncompatibleCell, UnknownName

if TYPE_CHECKING:
    from rs_adapt.config.facts import ConfigNode

PEFT = "peft"
GATE = "gate:"
_GATE_TYPE = "rs_adapt.Gate"
_STACK_FACTS = ("embed_dim", "depth", "patch_px", "mlp_dim", "gated_mlp")


def is_composite(name: str) -> bool:
    """Return whether a name is a stack, a gated method, one of peft, or `peft` alone; none has its own file."""
    return "+" in name or ":" in name or normalize(name) == PEFT


def find(name: str) -> str:
    """Return the canonical spelling of a composite name.

    Raises:
        UnknownName: A part does not exist.
        ConfigError: A stack names a method twice.
    """
    if _is_gated(name):
        inner = name[len(GATE) :]
        return GATE + (find(inner) if "+" in inner else _find_part(inner))
    if "+" not in name:
        return _find_peft(name)
    parts = [_find_part(part) for part in name.split("+")]
    if len(set(parts)) != len(parts):
        raise ConfigError(f"The stack {name!r} names a method twice. Name each once, such as lora+earth-adapter.")
    return "+".join(parts)


def names(stem: str) -> tuple[str, ...]:
    """Return the names of the methods in a file: its stem, or for peft the methods of the library."""
    if stem != PEFT:
        return (stem,)
    return tuple(f"{PEFT}:{kind}" for kind in _peft_file()["method"]["kinds"])


def read(name: str) -> ConfigNode:
    """Return the content of the method file that a canonical composite name stands for.

    Raises:
        IncompatibleCell: A method in a stack has no adapter.
        ConfigError: A file cannot be read.
    """
    if _is_gated(name):
        return _gate(name)
    return _stack(name) if "+" in name else _peft(name)


def _is_gated(name: str) -> bool:
    return name[: len(GATE)].lower() == GATE


def _gate(name: str) -> ConfigNode:
    inner = name[len(GATE) :]
    content = _stack(inner) if "+" in inner else _load_part(inner)
    host = content["model"]["backbone"]["adapter"]
    if host is None:
        raise IncompatibleCell(
            f"{name} gates {inner}, which has no adapter. Gate a method that adds to a frozen backbone, or a stack, "
            "such as gate:lora+adaptformer."
        )
    requires = content["method"].get("requires")
    if requires:
        prefix = "model.backbone.adapter."
        unless = {key.replace(prefix, f"{prefix}host."): free for key, free in requires.get("unless", {}).items()}
        requires = {**requires, "unless": unless}
    title = f"{content['method']['title']}, gated"
    return {
        **content,
        "method": {**content["method"], "name": name, "title": title, "paper": None, "requires": requires},
        "model": {
            "backbone": {
                "adapter": {
                    "type": _GATE_TYPE,
                    **dict.fromkeys(_STACK_FACTS),
                    "k": "25%",
                    "every": 50,
                    "measure": 3,
                    "compare": "method",
                    "host": host,
                },
                "frozen": True,
            }
        },
        # Values tuned for a method do not carry over to its gate.
        "tuned": {},
    }


def _stack(name: str) -> ConfigNode:
    files = {part: _load_part(part) for part in name.split("+")}
    for part, file in files.items():
        if file["model"]["backbone"]["adapter"] is None:
            raise IncompatibleCell(
                f"The stack {name} holds {part}, which has no adapter to stack: it only decides whether the whole "
                "backbone trains. Stack methods that add to a frozen backbone, such as lora+earth-adapter."
            )
        if file["model"]["backbone"]["adapter"]["type"] == _GATE_TYPE:
            raise IncompatibleCell(
                f"The stack {name} holds {part}, which is a gate: what stands beside it would train outside of its "
                "schedule. Gate the whole stack, such as gate:lora+adaptformer."
            )
    first = next(iter(files.values()))["method"]
    ends = [file["method"]["weight_decay_end"] for file in files.values() if "weight_decay_end" in file["method"]]
    requires = [file["method"]["requires"] for file in files.values() if file["method"].get("requires")]
    return {
        "method": {
            **first,
            "name": name,
            "title": " + ".join(file["method"]["title"] for file in files.values()),
            "paper": None,
            # Methods require a head only if they pass queries to it, which at most one adapter may do.
            "requires": _move_into_stack(requires[0], files) if requires else None,
            # The decay of all falls where that of one does.
            **({"weight_decay_end": ends[0]} if ends else {}),
            "adds_tokens": any(file["method"].get("adds_tokens", False) for file in files.values()),
        },
        "model": {
            "backbone": {
                "adapter": {
                    "type": "rs_adapt.Stack",
                    **dict.fromkeys(_STACK_FACTS),
                    "adapters": {part: file["model"]["backbone"]["adapter"] for part, file in files.items()},
                },
                "frozen": True,
            }
        },
        # Values tuned for a single method do not carry over to a stack.
        "tuned": {},
    }


def _find_part(name: str) -> str:
    if not name.strip():
        raise UnknownName(
            "A part of the method's name is empty. Name two or more methods with + between them, such as "
            "lora+earth-adapter, and a gate's host, such as gate:lora+adaptformer. LoRA+ is peft:lora-plus."
        )
    if _is_gated(name):
        raise UnknownName(
            f"{name!r} is a gate within a gate or a stack. A gate stands before all of it, once: gate:lora+adaptformer."
        )
    if is_composite(name):
        return _find_peft(name)
    methods = (*(method for stem in axis_files.stems("method") for method in names(stem)), *plugin_methods())
    if normalize(name) not in methods:
        raise UnknownName(" ".join([unknown_name_message("method", name, methods), *plugin_faults()]))
    return normalize(name)


def _load_part(name: str) -> ConfigNode:
    if name in plugin_methods():
        return copy_tree(plugin_methods()[name].content)
    return _peft(name) if is_composite(name) else axis_files.load_file("method", name)


def _move_into_stack(requires: ConfigNode, files: dict[str, ConfigNode]) -> ConfigNode:
    """Return a requirement with the keys that lift it moved into the stack."""
    prefix = "model.backbone.adapter."
    owner = next(part for part, file in files.items() if file["method"].get("requires") == requires)
    unless = {
        key.replace(prefix, f"{prefix}adapters.{owner}."): free for key, free in requires.get("unless", {}).items()
    }
    return {**requires, "unless": unless}


def _find_peft(name: str) -> str:
    library, _, kind = normalize(name).partition(":")
    if library != PEFT:
        raise UnknownName(unknown_name_message("library of methods", library, (PEFT,)))
    facts = _peft_file()["method"]
    kinds = tuple(facts["kinds"])
    if kind in facts["refused"]:
        raise UnknownName(f"There is no method {name!r}: peft has it, but {facts['refused'][kind]}.")
    if kind not in kinds:
        text = unknown_name_message("method of peft", kind, kinds)
        raise UnknownName(f"{text} Name one as peft:{kinds[0]}.")
    return f"{PEFT}:{kind}"


def _peft(name: str) -> ConfigNode:
    content, kind = _peft_file(), name.partition(":")[2]
    facts = content["method"].pop("kinds")[kind]
    del content["method"]["refused"]
    content["method"] |= {"name": name, "title": f"{facts['title']} (peft)", "paper": facts["paper"]}
    adapter = content["model"]["backbone"]["adapter"]
    adapter |= {
        "kind": facts.get("tuner", kind),
        "options": {**adapter["options"], **facts["options"]},
        **facts.get("adapter", {}),
    }
    return content


def check_form(name: str, resolved: ConfigNode) -> None:
    """Refuse a method that options of peft make a different one than its name says: `peft:pissa` that starts as OLoRA.

    Args:
        name: Canonical name of the method; forms within stacks are not looked at.
        resolved: The resolved configuration.

    Raises:
        ConfigError: An option that makes the method has another value.
    """
    library, _, kind = (name[len(GATE) :] if _is_gated(name) else name).partition(":")
    if library != PEFT or "+" in kind:
        return
    facts = _peft_file()["method"]["kinds"][kind]
    adapter = segmentor_config(resolved)["backbone"]["adapter"]
    options = (adapter["host"] if _is_gated(name) else adapter)["options"]
    for option in facts.get("form", ()):
        given, own = options.get(option), facts["options"][option]
        # Some forms have a number: pissa_niter_4.
        if given != own and not (isinstance(own, str) and str(given).startswith(f"{own}_")):
            raise ConfigError(
                f"The option {option} of {PEFT}:{kind.replace('_', '-')} is {given!r}, but {own!r} is what makes it "
                f"{facts['title']}. Leave it out, or use --method {PEFT}:lora with it."
            )


def _peft_file() -> ConfigNode:
    return axis_files.load_file("method", PEFT)
