"""Decaying isotropic turbulence, simulated on the spot: as `flow`, without forcing and for a shorter time.

Launch: `rs-adapt train --bench flow-decaying-sr`.
"""

_base_ = "_flow.py"

bench = dict(
    name="flow_decaying",
    direction="decaying",
    title="Simulated turbulence, decaying",
    prepare=dict(
        kind="turbulence",
        seed=0,
        num_points=48,
        viscosity=0.01,
        power=0.0,
        spin_up=2.0,
        refine=2.0,
        snapshots=dict(train=12, val=2, test=8),
        slice_step=4,
    ),
)
