"""The objectives of compositional contrast: CLIP's with hard negatives, two grounded contrasts, and self-distillation.

DeGLA: "Decoupled Global-Local Alignment", ACM MM 2025, arXiv 2504.16801; equations 4 and 7 to 9. Departures of its
released code (xiaoxing2001/DeGLA @ 1c5e960) from them are stated at each function; the code passes an argument that its
own parser does not know, so it does not run, and the equations are what is implemented.

Shapes: B pairs of an image and its caption, K negative captions a pair, C dimensions of the space. All vectors have
length 1; a scale is the inverse of the temperature.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

# Which negatives stand in the denominator of an image: those of its own caption (equation 4), or those of the whole
# batch (the released code).
NegativePool = Literal["own", "batch"]
# Scale of the contrast between texts, a temperature of 0.1; the paper's code fixes it.
TEXT_SCALE = 10.0


def caption_contrast(
    image_BC: Tensor,
    text_BC: Tensor,
    scale: Tensor | float,
    *,
    negative_BKC: Tensor | None = None,
    pool: NegativePool = "own",
) -> Tensor:
    """Return CLIP's contrastive loss, with the negatives among the texts of the images (equation 4), as a scalar.

    `(CE(image -> text) + CE(text -> image)) / 2`. Image i is compared with the B captions and its own K negatives;
    caption i with the B images. Without negatives it is the loss of CLIP (arXiv 2103.00020, figure 3).

    Args:
        image_BC: Vectors of images.
        text_BC: Vectors of their captions.
        scale: Factor of the cosines, above 0.
        negative_BKC: Vectors of the negatives of each caption; None for none.
        pool: "own" as in the paper; "batch" for all B K negatives in every denominator, as the released code computes.
    """
    logits_BB = scale * image_BC @ text_BC.T
    wanted_B = torch.arange(len(logits_BB), device=logits_BB.device)
    from_images = logits_BB
    if negative_BKC is not None and pool == "own":
        own_BK = scale * torch.einsum("bc,bkc->bk", image_BC, negative_BKC)
        from_images = torch.cat([logits_BB, own_BK], dim=1)
    elif negative_BKC is not None:
        from_images = torch.cat([logits_BB, scale * image_BC @ negative_BKC.flatten(0, 1).T], dim=1)
    return (F.cross_entropy(from_images, wanted_B) + F.cross_entropy(logits_BB.T, wanted_B)) / 2


def grounded_contrast(anchor_BC: Tensor, positive_BC: Tensor, negative_BKC: Tensor, scale: Tensor | float) -> Tensor:
    """Return the mean over pairs of `-log(exp(s a.p) / (exp(s a.p) + sum_k exp(s a.n_k)))`, as a scalar.

    Image-grounded (IGC, equation 8): the anchor is the image, the positive its caption, the scale CLIP's.
    Text-grounded (TGC, equation 9): the anchor is the caption, the positive the averaged teacher's vector of the same
    caption, the scale `TEXT_SCALE`. No other pair of the batch takes part. In the released code, TGC orders the
    negatives by kind and masks them by pair, so most of the negatives of a pair belong to others.

    Args:
        anchor_BC: Vectors of the anchors.
        positive_BC: Vectors of what belongs to them.
        negative_BKC: Vectors of the negatives of each.
        scale: Factor of the cosines, above 0.
    """
    positive_B1 = (anchor_BC * positive_BC).sum(dim=1, keepdim=True)
    negative_BK = torch.einsum("bc,bkc->bk", anchor_BC, negative_BKC)
    logits_BK = scale * torch.cat([positive_B1, negative_BK], dim=1)
    return F.cross_entropy(logits_BK, torch.zeros(len(logits_BK), dtype=torch.int64, device=logits_BK.device))


def embedding_distance(pairs: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """Return the sum, not the mean, of squared distances between a student's and a teacher's vectors (equation 7).

    Args:
        pairs: The student's vectors (..., C) and the teacher's for the same inputs: of images, captions and negatives.
            Being a sum over the batch, it grows with B: the weight 0.005 belongs to the 256 pairs of the paper.
    """
    return torch.stack([(student - teacher).square().sum() for student, teacher in pairs]).sum()
