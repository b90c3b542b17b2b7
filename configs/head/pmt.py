"""PMT (arXiv 2603.25398): 100 queries in six new blocks on the tokens of a ViT that stays frozen.

$ rs-adapt train --bench loveda-da --head pmt

95 667 208 parameters train with DINOv2-L and 7 classes. The loss looks at 12 544 = 112 x 112 points per mask.
Made for a GPU; `pmt_small` is the same head for a CPU.
"""

_base_ = "_joint.py"

head = dict(maps="tokens")

# One attention head per 64 channels.
model = dict(decode_head=dict(type="rs_adapt.PmtHead", num_blocks=6, num_heads=None))
