"""EoMT in a size that trains on a CPU: 20 queries in the last two blocks; for trials, not for tables.

$ rs-adapt train --bench synthetic-dg --method full --head eomt-small

266 503 parameters of the head train on the nano backbone with 6 classes. The loss looks at 1 024 = 32 x 32 points per
mask.
"""

_base_ = "eomt.py"

# Masks at a quarter of the image with patches of 8 px.
model = dict(decode_head=dict(num_queries=20, joint_blocks=2, upscale_blocks=1, num_points=1024))
