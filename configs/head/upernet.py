"""UPerNet (arXiv 1807.10221), the convolutional head of most published ViT segmentation; layers of mmsegmentation.

$ rs-adapt train --bench loveda-da --head upernet

10 690 311 parameters train with four levels of 1024 channels (DINOv2-L) and 7 classes. Made for a GPU;
`upernet_small` is the same head for a CPU.
"""

model = dict(
    decode_head=dict(
        type="rs_adapt.UperNetHead",
        # mmsegmentation's configurations have 512, at four times the cost.
        channels=256,
        dropout=0.1,
        ignore_index=255,
        align_corners=False,
    )
)
