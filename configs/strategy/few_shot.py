"""Train on the few labelled images of the source."""

strategy = dict(
    name="few_shot",
    title="train on few labelled images",
    task="classification",
    settings=["b2n", "xd", "dg"],
    needs_target=False,
)
