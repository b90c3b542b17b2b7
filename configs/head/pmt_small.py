"""PMT in a size that trains on a CPU: 20 queries, three blocks; for trials, not for tables.

$ rs-adapt train --bench synthetic-da --head pmt-small

1 900 423 parameters train on the nano backbone with 6 classes. The loss looks at 1 024 = 32 x 32 points per mask.
"""

_base_ = "pmt.py"

# Masks at a quarter of the image with patches of 8 px.
model = dict(decode_head=dict(num_queries=20, num_blocks=3, upscale_blocks=1, num_points=1024))
