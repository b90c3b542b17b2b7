"""The training of VFM-UDA (WACV 2025): masked target images, a teacher over mirrored views, no feature distance.

    rs-adapt train --bench loveda-da --strategy vfm-uda --method full --backbone dinov2-l

Known of it: DINOv2 trains as a whole at 0.1 times the head's rate (`--method full`), the teacher's decay is 0.999, the
threshold 0.968, rare classes of the source are drawn more often, 70 % of the tokens are hidden, and the teacher
averages over flips. Here blocks of the image of a token's size (16 px of a crop of 512 px, 1/32) take the mean colour
instead of tokens that are left out, and the flip is the mirror image, left to right. The rest is `daformer`.
"""

_base_ = "daformer.py"

strategy = dict(
    name="vfm_uda",
    title="DAFormer without feature distance, with masked tokens and a mirrored teacher (VFM-UDA)",
    teacher_mirror=True,
    feature_weight=0.0,
    mask_weight=1.0,
    mask_block_share=1 / 32,
)
