"""Train on the labelled region alone, with its look changed at random.

    rs-adapt train --bench loveda-dg --strategy source-styled

The floor of adaptation for a model that has seen more colours than its region has. In `dg` no target image is read.
Probability and strength (rs_adapt/pipelines/bands.py) were set by hand and tried on the development pairs of `shifts`
(docs/project/results-pairs.md).
"""

_base_ = "source_only.py"

strategy = dict(
    name="source_styled",
    title="train on the labelled region alone, its look changed at random",
    style=dict(band_match=0.0, band_jitter=0.5, random_convolution=0.0),
)
