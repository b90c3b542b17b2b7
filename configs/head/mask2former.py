"""Mask2Former (arXiv 2112.01527), the decode head of the Earth-Adapter and Rein papers; 100 queries, 9 decoder layers.

$ rs-adapt train --bench loveda-da --head mask2former

20 562 120 parameters train with four levels of 1024 channels (DINOv2-L) and 7 classes. The loss looks at
12 544 = 112 x 112 points per mask. Made for a GPU; `mask2former_small` is the same head for a CPU.
"""

model = dict(
    decode_head=dict(
        type="rs_adapt.Mask2FormerHead",
        channels=256,
        num_queries=100,
        encoder_layers=6,
        decoder_layers=9,
        num_heads=8,
        encoder_ffn=1024,
        decoder_ffn=2048,
        learned_query_pos=True,
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
