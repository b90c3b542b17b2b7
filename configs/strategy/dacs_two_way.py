"""`dacs` that mixes in both directions, and trains on source images in the target's colours too.

    rs-adapt train --bench loveda-da --strategy dacs-two-way

For regions that differ in haze, sensor or season. Half of the source images get the band statistics of the target
region (`strategy.style.band_match`), so that the teacher's first labels are not those of a model that has never seen
the target's colours. As in Bidirectional Domain Mixup (Kim et al., arXiv 2303.09779), classes of the target are also
pasted onto source images, with the weight that `dacs` has for the other direction; whole classes are pasted here, and
patches there. The rest is `dacs`.

The pieces and both values (0.5) were chosen on the development pairs of `shifts` (docs/project/results-pairs.md), with
the frozen backbone and a linear head. None of them assumes that both regions hold the classes in similar shares.
"""

_base_ = "dacs.py"

strategy = dict(
    name="dacs_two_way",
    title="class mixing in both directions, on source images in the target's colours too",
    style=dict(band_match=0.5),
    back_weight=0.5,
)
