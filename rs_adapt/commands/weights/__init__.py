"""`rs-adapt weights`: base weights, and pre-training of those that come with the package."""

from __future__ import annotations

from rs_adapt.commands.lazy import Verb, build_group

VERBS = {
    "list": Verb(
        "rs_adapt.commands.weights.list:list_weights",
        "List files of base weights: size, checksum, licence, and which are on this machine.",
    ),
    "fetch": Verb("rs_adapt.commands.weights.fetch:fetch_weights", "Fetch base weights into $RS_ADAPT_HOME/weights."),
    "verify": Verb(
        "rs_adapt.commands.weights.verify:verify_weights",
        "Compare files of base weights with the published ones, and describe them.",
    ),
    "convert": Verb(
        "rs_adapt.commands.weights.convert:convert_weights",
        "Convert base weights of any layout to one safetensors file.",
    ),
    "import": Verb(
        "rs_adapt.commands.weights.import_:import_weights",
        "Convert a released checkpoint of Earth-Adapter, Rein or Mask2Former to an adapter pack.",
    ),
    "build": Verb(
        "rs_adapt.commands.weights.build:build_weights",
        "Pre-train a nano backbone on synthetic scenes, as the shipped weights were made.",
    ),
}
weights_app = build_group(VERBS, help="Base weights: list, fetch, verify, convert, import, build.")
