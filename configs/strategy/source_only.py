"""Train on the labelled region alone."""

strategy = dict(
    name="source_only",
    title="train on the labelled region alone",
    settings=["da", "dg", "ss", "ov"],
    needs_target=False,
    # Enlarge tiles of a target with larger pixels to the pixel size of the source, where the bench states both.
    match_gsd=False,
)
