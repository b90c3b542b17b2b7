"""Colour images of a region, coarse to fine: learnt from the images of the bench that `bench.prepare.bench` names.

Launch: `rs-adapt train --bench images-sr` (the source of `synthetic`; no download, no GPU), or with `--set
bench.prepare.bench=loveda-r2u`. Coarse images are means of 2 x 2 pixels; labels are not read. `--set
bench.resolve=RUN` of a training then brings the coarser of two regions to the pixel size of the finer one with it.
"""

_base_ = "_images.py"

bench = dict(
    name="images",
    direction="",
    default=True,
    title="Colour images of a region",
    prepare=dict(kind="region_images", bench="synthetic", region="source"),
)
