"""EoMT (arXiv 2503.19108): 100 queries in the last four blocks of the ViT, without a decoder; for full fine-tuning.

$ rs-adapt train --bench loveda-dg --method full --head eomt

11 674 632 parameters of the head train with DINOv2-L and 7 classes. The loss looks at 12 544 points per mask.
Made for a GPU; `eomt_small` is the same head for a CPU. With a frozen backbone the blocks cannot learn what the queries
need: take `pmt`.
"""

head = dict(maps="joint")

model = dict(
    decode_head=dict(
        type="rs_adapt.EomtHead",
        num_queries=100,
        # Of the end of the ViT: 3 with S and B, 4 with L, 5 with g in the paper.
        joint_blocks=4,
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
