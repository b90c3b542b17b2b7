"""DPT in a size that trains on a CPU: 32 channels; for trials, not for tables.

$ rs-adapt train --bench synthetic-da --head dpt-small

678 278 parameters train on the nano backbone with 6 classes.
"""

_base_ = "dpt.py"

model = dict(decode_head=dict(channels=32, level_channels=[32, 48, 96, 192]))
