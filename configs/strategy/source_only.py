"""Train on the labelled region alone."""

strategy = dict(
    name="source_only",
    title="train on the labelled region alone",
    settings=["da", "dg", "ss"],
    needs_target=False,
)
