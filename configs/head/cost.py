"""CAT-Seg's cost aggregation (arXiv 2303.11797): maps of cosines with class names, refined in space and over classes.

$ rs-adapt train --bench loveda-ov --backbone clip-b-16 --head cost

2 256 433 parameters train with DINOv2-L, 1 717 809 with CLIP ViT-B/16. No weight belongs to a class: any names may be
scored or mapped after training (`rs-adapt predict ... --classes`). Text weights as for the head `text`.
"""

head = dict(maps="text_levels")

model = dict(
    decode_head=dict(
        type="rs_adapt.CostHead",
        # None for the backbone's own file where it is CLIP's; `random` only to try things without weights.
        text_weights=None,
        # quick_gelu, of OpenAI's models, or gelu; None for that of the backbone where it is CLIP's.
        text_activation=None,
        # Dimensions of the space; None for those of the backbone's model.
        text_dim=None,
        # Your own wording: text_names.CLASS=WORDS, several of them separated by |.
        text_names=dict(_open_=True),
        # Ours, for images from above.
        templates=[
            "an aerial image of {}.",
            "a satellite image of {}.",
            "an aerial photograph of {}.",
            "a remote sensing image of {}.",
            "a top-down view of {}.",
            "{} seen from above.",
        ],
        # The paper's: 128 channels, two layers, windows of 12, decoder 64 and 32.
        channels=128,
        guide_channels=128,
        num_layers=2,
        num_heads=4,
        mlp_ratio=4,
        window=12,
        decoder_channels=[64, 32],
        decoder_guide_channels=[32, 16],
        ignore_index=255,
        align_corners=False,
    )
)
