"""Test snapshots of flows that no training saw; the last weights are the result.

    rs-adapt train --bench flow-sr

The default of super-resolution. Nothing is chosen by a score on the test snapshots; validation snapshots are scored
while a run trains. Means and intervals are over snapshots, because slices of one are not independent.
"""

_base_ = "strict.py"

protocol = dict(
    name="snapshots",
    title="test snapshots of other flows, the last weights",
    settings=["sr"],
    task="super-resolution",
)
