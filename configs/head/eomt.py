"""EoMT (arXiv 2503.19108): 100 queries in the last four blocks of the ViT, without a decoder; for full fine-tuning.

$ rs-adapt train --bench loveda-dg --method full --head eomt

11 674 632 parameters of the head train with DINOv2-L and 7 classes. The loss looks at 12 544 points per mask.
Made for a GPU; `eomt_small` is the same head for a CPU. With a frozen backbone the blocks cannot learn what the queries
need: take `pmt`.
"""

_base_ = "_joint.py"

head = dict(maps="joint")

# Of the end of the ViT: 3 blocks with S and B, 4 with L, 5 with g in the paper.
model = dict(decode_head=dict(type="rs_adapt.EomtHead", joint_blocks=4))
