"""CLIP's text tower, last norm, map and scale beside the visual tower (arXiv 2103.00020): captions are its classes.

rs-adapt train --bench synthetic-compose-dg --strategy degla
"""

head = dict(task="captions")

model = dict(
    decode_head=dict(
        type="rs_adapt.CaptionHead",
        # Sizes of the text tower; None for those of the CLIP with this backbone's width.
        text_width=None,
        text_dim=None,
        text_depth=None,
        text_heads=None,
        # quick_gelu or gelu; None for that of the backbone.
        activation=None,
    )
)
