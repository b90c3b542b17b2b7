"""Of heads whose queries join the tokens of blocks: 100 queries, a token grid doubled twice, Mask2Former's loss."""

model = dict(
    decode_head=dict(
        num_queries=100,
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
