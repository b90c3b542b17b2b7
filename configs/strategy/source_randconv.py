"""Train on the labelled region alone, with images mixed with random convolutions of themselves.

    rs-adapt train --bench loveda-dg --strategy source-randconv

After RandConv (Xu et al., arXiv 2007.13003): kernels of 1, 3, 5 or 7 px change texture and colour and keep shapes, and
the mixing variant leaves a random share of the image in it. Half of the images stay as they are, which is the paper's
value for its variant without mixing; the consistency loss of three such images is left out. Images are normalised when
they are convolved (rs_adapt/pipelines/random_convolution.py). In `dg` no target image is read. The values were set
once, before any score.
"""

_base_ = "source_only.py"

strategy = dict(
    name="source_randconv",
    title="train on the labelled region alone, mixed with random convolutions (RandConv)",
    style=dict(band_match=0.0, band_jitter=0.0, random_convolution=0.5),
)
