"""Mask2Former in a size that trains on a CPU: 64 channels, 20 queries, 3 decoder layers; for trials, not for tables.

$ rs-adapt train --bench synthetic-da --head mask2former-small

395 015 parameters train on the nano backbone with 6 classes. The loss looks at 1 024 = 32 x 32 points
per mask.
"""

model = dict(
    decode_head=dict(
        type="rs_adapt.Mask2FormerHead",
        channels=64,
        num_queries=20,
        encoder_layers=2,
        decoder_layers=3,
        num_heads=8,
        encoder_ffn=128,
        decoder_ffn=256,
        learned_query_pos=True,
        num_points=1024,
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
