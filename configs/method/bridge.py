"""Bridge (IEEE TGRS 2026, doi 10.1109/TGRS.2026.3673710): tokens conditioned on the image by a trained stem.

    rs-adapt train --bench isprs_p2v-da --method bridge --strategy dacs-conf

3 676 800 parameters on DINOv2-L. Known of the paper's recipe: DACS with the threshold 0.968, 20 000 iterations, a
learning rate of 6e-5, ten times as much for its head of Segmenter's kind; here recipe and head are the cell's. No score
of the paper is known to us. What is not known of the method itself is in docs/guides/methods.md.
"""

_base_ = "_recipe.py"

method = dict(
    name="bridge",
    title="Bridge",
    paper="https://doi.org/10.1109/TGRS.2026.3673710",
)

model = dict(
    backbone=dict(
        adapter=dict(
            type="rs_adapt.Bridge",
            embed_dim=None,
            depth=None,
            num_tokens=100,
            width=256,
        ),
        frozen=True,
    ),
)
