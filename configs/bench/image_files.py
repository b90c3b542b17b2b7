"""Colour images of your own, coarse to fine: PNG, JPEG, TIFF and the like, 8 bit, of one size, below the data root.

Launch: `rs-adapt train --bench image-files-sr --data-root FOLDER --set 'bench.prepare.files.train=["train/*.png"]'
--set 'bench.prepare.files.test=["test/*.png"]'`. No image may be in two splits.
"""

_base_ = "_images.py"

bench = dict(
    name="image_files",
    direction="files",
    title="Colour images of your own",
    prepare=dict(kind="image_files", files=dict(train=[], val=[], test=[])),
)
