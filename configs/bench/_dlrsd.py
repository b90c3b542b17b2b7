"""What benches that train on DLRSD share: tiles, augmentation and schedule.

The images are enlarged to 384 px, at which CAT-Seg and its successors train CLIP (Cho et al., arXiv 2303.11797). The
number of iterations and all else that no source gives is ours.
"""

_base_ = "_paper.py"

bench = dict(
    # Label value 0 is no class; no pixel of DLRSD has it.
    reduce_zero_label=True,
    tile_px=384,
    crop_px=384,
    schedule=dict(iters=20000, eval_every=2000, batch_size=dict(da=4, dg=4, ss=4)),
    inference=dict(mode="slide", crop_px=384, stride_px=256),
    defaults=dict(method="lora", backbone="clip_b_16", head="cost"),
)
