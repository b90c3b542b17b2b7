"""Velocity images of your own: NumPy, HDF5, NetCDF or TIFF files below the data root.

Launch: `rs-adapt train --bench flow-files-sr --data-root FOLDER --set 'bench.prepare.files.train=["train/*.npy"]' --set
'bench.prepare.files.test=["test/*.npy"]'`. A file is one snapshot; no snapshot may be in two splits. Three patterns in
a list of their own name files of one component each: `[["u_*.npy", "v_*.npy", "w_*.npy"]]`.
"""

_base_ = "_flow.py"

bench = dict(
    name="flow_files",
    direction="files",
    title="Velocity images of your own",
    prepare=dict(
        kind="velocity_files",
        files=dict(train=[], val=[], test=[]),
        # Names of the components in HDF5 and NetCDF files.
        variables=["u", "v", "w"],
        # Whether images continue at their borders.
        is_periodic=False,
    ),
)
