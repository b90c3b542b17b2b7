"""Train on the labelled region alone, with feature statistics of the images of a batch mixed.

    rs-adapt train --bench loveda-dg --strategy source-mixstyle

After MixStyle (Zhou et al., arXiv 2104.02008), with the paper's probability and Beta distribution. Ours: statistics of
a ViT are those of its patch tokens, and the places are the ends of the first two quarters of its blocks, for the first
two of four stages of a ResNet (rs_adapt/strategies/mix_style.py). The paper mixes images of different regions; here
all are of one. In `dg` no target image is read. The values were set once, before any score.
"""

_base_ = "source_only.py"

strategy = dict(
    name="source_mixstyle",
    title="train on the labelled region alone, feature statistics mixed between images (MixStyle)",
    type="rs_adapt.MixStyle",
    # Chance that a batch is mixed, for each of the blocks.
    mixstyle_prob=0.5,
    # Weights are drawn from Beta(a, a): the smaller a, the nearer to one of the two images.
    mixstyle_beta=0.1,
    # Blocks whose output is mixed, such as "first 2" or [0, 3]; None for the ends of the first two of four quarters.
    mixstyle_layers=None,
)
