"""`rs-adapt data`: data sets, from the originals to tiles that benches read. Each verb has a file of its own."""

from __future__ import annotations

from rs_adapt.commands.lazy import Verb, build_group

VERBS = {
    "list": Verb(
        "rs_adapt.commands.data.list:list_data",
        "List data sets: images, licence, how to get each, and which are on this machine.",
    ),
    "fetch": Verb(
        "rs_adapt.commands.data.fetch:fetch_data", "Fetch the archives of a data set and verify their checksums."
    ),
    "prepare": Verb(
        "rs_adapt.commands.data.prepare:prepare",
        "Cut the originals of a data set into the tiles of its published protocol.",
    ),
    "verify": Verb(
        "rs_adapt.commands.data.verify:verify",
        "Check every tile of a data set: counts, pairs, sizes, label values, damage, duplicates.",
    ),
    "show": Verb(
        "rs_adapt.commands.data.show:show",
        "Write a page that shows a data set: tiles with labels, classes and colours of each split.",
    ),
    "clean": Verb(
        "rs_adapt.commands.data.clean:clean", "List the prepared tiles in the cache folder, and remove them."
    ),
    "init": Verb("rs_adapt.commands.data.init:init", "Write a commented bench file for your own scenes."),
}
data_app = build_group(VERBS, help="Data sets: list, fetch, prepare, verify, show, clean, start a bench of your own.")
