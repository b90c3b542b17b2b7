"""DPT (arXiv 2103.13413), the head of DINOv2's and DINOv3's dense tasks; layers of mmsegmentation.

$ rs-adapt train --bench loveda-da --head dpt

19 518 151 parameters train with DINOv2-L and 7 classes. Scores at half the image with patches of 16 px. Made for a GPU;
`dpt_small` is the same head for a CPU.
"""

head = dict(maps="tokens")

model = dict(
    decode_head=dict(
        type="rs_adapt.DptHead",
        channels=256,
        level_channels=[96, 192, 384, 768],
        dropout=0.1,
        ignore_index=255,
        align_corners=False,
    )
)
