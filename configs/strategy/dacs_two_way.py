"""`dacs` that mixes in both directions, and trains on source images in the target's colours too.

    rs-adapt train --bench loveda-da --strategy dacs-two-way

For regions that differ in haze, sensor or season. Half of the source images get the band statistics of the target
region (`strategy.style.band_match`), so that the teacher's first labels are not those of a model that has never seen
the target's colours. As in Bidirectional Domain Mixup (Kim et al., arXiv 2303.09779), classes of the target are also
pasted onto source images, with the weight that `dacs` has for the other direction; whole classes are pasted here, and
patches there. The rest is `dacs`.

The pieces were chosen with a frozen backbone on the development pairs of `shifts`; both values (0.5) were set by hand.
With Earth-Adapter it gains most where the colours differ most, and loses on two of the six pairs
(docs/project/results-pairs.md), which is why it is not the default: band statistics also carry different shares of the
classes over into the colours.
"""

_base_ = "dacs.py"

strategy = dict(
    name="dacs_two_way",
    title="class mixing in both directions, on source images in the target's colours too",
    style=dict(band_match=0.5),
    back_weight=0.5,
)
