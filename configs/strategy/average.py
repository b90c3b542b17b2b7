"""The mean of the weights of models that were trained in different ways; `rs-adapt average` makes it.

    rs-adapt average RUN RUN --out FOLDER

Packs of it carry this name, so that their scores are never taken for those of a member. It trains nothing itself.
"""

strategy = dict(
    name="average",
    title="the mean of trained models, from `rs-adapt average`; trains nothing",
    settings=["da", "dg", "ss"],
    needs_target=False,
    match_gsd=False,
    trains=False,
)
