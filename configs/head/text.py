"""Class names as classifier (arXiv 2103.00020): cosines of pixels with the vectors of the names by CLIP's text tower.

$ rs-adapt train --bench loveda-dg --backbone clip-b-16 --head text

Text weights: the backbone's own file where it is CLIP's, else that of clip-b-16 (`rs-adapt weights fetch clip-b-16`),
or `--set model.decode_head.text_weights=FILE`. CLIP's last block then passes values alone (MaskCLIP, arXiv 2112.01071).
With LoveDA's 7 classes, 789 249 parameters train with CLIP ViT-L/14, and 2 105 857 with DINOv2-L.
"""

head = dict(maps="text")

model = dict(
    decode_head=dict(
        type="rs_adapt.TextHead",
        # None for the file above; `random` only to try things without weights, as --weights random has it too.
        text_weights=None,
        # quick_gelu, of OpenAI's models, or gelu; None for that of the backbone where it is CLIP's, else quick_gelu.
        text_activation=None,
        # Dimensions of the space: 512 with the text towers of B/32 and B/16, 768 with that of L/14.
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
        # Classes whose name describes no thing: their vectors start at the text and train.
        learned_names=["background", "clutter", "other"],
        ignore_index=255,
        align_corners=False,
    )
)
