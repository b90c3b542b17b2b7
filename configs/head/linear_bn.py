"""Linear classifier after batch norm, the head of DINOv2's published linear results (arXiv 2304.07193).

$ rs-adapt train --bench loveda-dg --head linear-bn

36 871 parameters train with four levels of 1024 channels (DINOv2-L) and 7 classes: 4 x (2 x 1024 + 7 x 1024) + 7.
Scores on the token grid, 32 x 32 for 512 px.
"""

head = dict(maps="tokens")

model = dict(decode_head=dict(type="rs_adapt.LinearBnHead", ignore_index=255, align_corners=False))
