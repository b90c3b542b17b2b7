"""Segmenter's mask transformer (arXiv 2105.05633): one token a class, two layers; layers of mmsegmentation.

$ rs-adapt train --bench loveda-da --head segmenter

28 348 430 parameters train with DINOv2-L and 7 classes. Scores on the token grid, 32 x 32 for 512 px.
"""

head = dict(maps="tokens")

model = dict(
    decode_head=dict(
        type="rs_adapt.SegmenterHead",
        num_layers=2,
        # One per 64 channels.
        num_heads=None,
        ignore_index=255,
        align_corners=False,
    )
)
