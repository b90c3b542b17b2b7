"""Forced isotropic turbulence, simulated on the spot: slices of 48^3 snapshots, each a flow of its own.

Launch: `rs-adapt train --bench flow-sr` (no download, no GPU). The simulation takes about 15 s a snapshot on a core and
is stored. At the viscosity below, the largest wavenumber times the Kolmogorov length is 1.5.
"""

_base_ = "_flow.py"

bench = dict(
    name="flow",
    direction="forced",
    default=True,
    title="Simulated turbulence, forced",
    prepare=dict(
        kind="turbulence",
        seed=0,
        num_points=48,
        viscosity=0.02,
        power=0.1,
        spin_up=10.0,
        refine=2.0,
        snapshots=dict(train=12, val=2, test=8),
        slice_step=4,
    ),
)
