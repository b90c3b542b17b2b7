"""Trained on captions, scored by choosing between texts; the last weights are the result.

    rs-adapt train --bench synthetic-compose-dg

The default of captions. The accuracy is over all items of the bench's kinds, except those that stand beside it.
"""

_base_ = "strict.py"

protocol = dict(
    name="captions",
    title="choosing the true text; the last weights",
    settings=["dg"],
    task="captions",
)
