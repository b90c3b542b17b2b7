"""Learn from pairs of coarse and fine images."""

strategy = dict(
    name="supervised",
    title="learn from pairs of coarse and fine images",
    task="super-resolution",
    settings=["sr"],
    needs_target=False,
)
