"""CLIP as it is, by hand-written sentences (arXiv 2103.00020): the reference of every method that trains.

    rs-adapt train --bench synthetic-b2n --method zero-shot

Nothing trains: a run scores CLIP, whatever its iterations (--iters 1 saves time).
"""

_base_ = "_recipe.py"

method = dict(
    name="zero_shot",
    title="zero-shot (CLIP as it is)",
    paper="https://arxiv.org/abs/2103.00020",
    task="classification",
)

model = dict(backbone=dict(adapter=dict(type="rs_adapt.ZeroShot"), frozen=True))
