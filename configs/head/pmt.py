"""PMT (arXiv 2603.25398): 100 queries in six new blocks on the tokens of a ViT that stays frozen.

$ rs-adapt train --bench loveda-da --head pmt

95 667 208 parameters train with DINOv2-L and 7 classes. The loss looks at 12 544 = 112 x 112 points per mask.
Made for a GPU; `pmt_small` is the same head for a CPU.
"""

head = dict(maps="tokens")

model = dict(
    decode_head=dict(
        type="rs_adapt.PmtHead",
        num_queries=100,
        num_blocks=6,
        # One per 64 channels.
        num_heads=None,
        # Masks at a quarter of the image with patches of 16 px.
        upscale_blocks=2,
        # Of the schedule.
        total_iters=None,
        num_points=12544,
        oversample_ratio=3.0,
        importance_ratio=0.75,
        class_weight=2.0,
        mask_weight=5.0,
        dice_weight=5.0,
        no_object_weight=0.1,
        ignore_index=255,
        # "left_out" of all losses or "background" of every mask; None as the protocol has it.
        ignored_pixels=None,
        align_corners=False,
    )
)
