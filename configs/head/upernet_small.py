"""UPerNet in a size that trains on a CPU: 64 channels; for trials, not for tables.

$ rs-adapt train --bench synthetic-da --head upernet-small

604 038 parameters train on the nano backbone with 6 classes.
"""

_base_ = "upernet.py"

model = dict(decode_head=dict(channels=64))
