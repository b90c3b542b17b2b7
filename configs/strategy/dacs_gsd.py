"""`dacs` on regions that are brought to one pixel size.

    rs-adapt train --bench isprs-da --strategy dacs-gsd

The region with the larger pixels is enlarged to the pixel size of the other, in training and in prediction, where the
bench states both (`gsd_m`): the same things have the same size then, and nothing has to be learnt for it. Where sizes
are equal or not stated it is `dacs`, number for number. It was tried on the development pairs of `shifts` alone
(docs/project/results-pairs.md).
"""

_base_ = "dacs.py"

strategy = dict(
    name="dacs_gsd",
    title="dacs on regions brought to one pixel size",
    match_gsd=True,
)
