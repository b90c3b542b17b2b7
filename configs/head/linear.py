"""Linear classifier on all four feature levels, the linear protocol of DINOv2 (arXiv 2304.07193); for linear probing.

$ rs-adapt train --bench loveda-dg --head linear

36 871 parameters train with four levels of 1024 channels (DINOv2-L) and 7 classes: 4 x (2 x 1024 + 7 x 1024) + 7.
"""

model = dict(decode_head=dict(type="rs_adapt.LinearHead", ignore_index=255, align_corners=False))
