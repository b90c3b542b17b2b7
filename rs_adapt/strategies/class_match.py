"""Class match: each class of a source image is moved towards the colours that the teacher finds for it in the target.

Shapes: B batch, K classes, H/W pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rs_adapt.processes import generator, global_batch_size, local_slice, sum_over_ranks
from rs_adapt.ranges import COUNT, SHARE, SHARE_BELOW_1, check_ranges

# A class with fewer pixels among the recent ones has no colour to rely on.
_LEAST_PIXELS = 512.0
# About half a grey level in the scale of the normalised images: a band of one value has no contrast to scale.
_LEAST_STD = 0.01


class ClassMatch(nn.Module):
    """A module that gives the classes of labelled images the band statistics of the same classes in the target region.

    Seasons and sensors change classes in different ways: fields turn brown where roofs stay as they are, so no change
    of an image as a whole makes one region look like the other. Each class c of an image becomes

        x' = (1 - a) x + a ((x - mean_source,c) / std_source,c * std_target,c + mean_target,c),    a ~ U(0, 1)

    with one `a` for the image. Means and standard deviations of the target are those of the pixels that the teacher
    labels c, weighted by its confidence. Where it is wrong, the moved class keeps its true label and its shape, and as
    `a` varies, the original colours stay in the training. Before the teacher labels anything, and for a class that has
    less than the weight of 512 recent pixels in one of the regions, the statistics are those of all pixels: its first
    labels are then not those of a model that has never seen the target's colours. The formula with a = 1 on features of
    a whole image is AdaIN (Huang and Belongie, arXiv 1703.06868, equation 8); colours by class, and from pseudo-labels,
    are ours.

    Statistics are of recent batches: sums over pixels, of which a batch keeps `momentum` when the next one is added.
    They are buffers, so a resumed run continues with them, and are taken over all processes.

    Args:
        num_classes: K.
        prob: Chance that an image is changed, 0 to 1.
        momentum: Share of the older sums that stays when a batch is added, in [0, 1).

    Raises:
        ConfigError: A number is out of its range.
    """

    def __init__(self, *, num_classes: int, prob: float, momentum: float = 0.99) -> None:
        super().__init__()
        check_ranges("ClassMatch", num_classes=(num_classes, COUNT), momentum=(momentum, SHARE_BELOW_1))
        check_ranges("strategy.", class_match=(prob, SHARE))
        self.prob = prob
        self.momentum = momentum
        # Weight, sums of three bands and sums of their squares: by class, and of all pixels of the target.
        self.source_sums_K7: Tensor
        self.target_sums_K7: Tensor
        self.region_sums_7: Tensor
        for name in ("source_sums_K7", "target_sums_K7"):
            self.register_buffer(name, torch.zeros(num_classes, 7))
        self.register_buffer("region_sums_7", torch.zeros(7))

    @torch.no_grad()
    def observe_source(self, images_B3HW: Tensor, labels_BHW: Tensor) -> None:
        """Add a batch of labelled images, as they were before any change by this module.

        Args:
            images_B3HW: Normalised images, float.
            labels_BHW: Int64 class indices; other values are left out.
        """
        self._add(self.source_sums_K7, images_B3HW, labels_BHW, torch.ones_like(images_B3HW[:, 0]))

    @torch.no_grad()
    def observe_region(self, images_B3HW: Tensor, valid_BHW: Tensor) -> None:
        """Add a batch of target images that nobody has labelled.

        Args:
            images_B3HW: Normalised images, float, as the teacher sees them.
            valid_BHW: Bool, False on padding.
        """
        self._add(self.region_sums_7[None], images_B3HW, valid_BHW.long() - 1, torch.ones_like(images_B3HW[:, 0]))

    @torch.no_grad()
    def observe_target(self, images_B3HW: Tensor, labels_BHW: Tensor, confidence_BHW: Tensor) -> None:
        """Add a batch of target images with the teacher's labels.

        Args:
            images_B3HW: Normalised images, float, as the teacher saw them.
            labels_BHW: Int64 class indices; other values are left out.
            confidence_BHW: Float, 0 or larger; the weight of each pixel.
        """
        self._add(self.target_sums_K7, images_B3HW, labels_BHW, confidence_BHW)

    @torch.no_grad()
    def forward(self, images_B3HW: Tensor, labels_BHW: Tensor, *, mean_3: Tensor, std_3: Tensor) -> Tensor:
        """Return the images, (B, 3, H, W), some of them with classes in the target's colours.

        Draws come from torch's global generator of the CPU, two numbers for each image, so they depend neither on the
        device nor on the number of processes.

        Args:
            images_B3HW: Normalised source images, float.
            labels_BHW: Int64 class indices; pixels of other values stay.
            mean_3: The mean of the normalisation, any shape of three values: colours stay within 0 to 255.
            std_3: The standard deviation of the normalisation, any shape of three values.
        """
        num_classes = len(self.source_sums_K7)
        whole_7 = self.source_sums_K7.sum(dim=0)
        known_K1 = torch.minimum(self.source_sums_K7, self.target_sums_K7)[:, :1] >= _LEAST_PIXELS
        any_K1 = known_K1 | (torch.minimum(whole_7, self.region_sums_7)[0] >= _LEAST_PIXELS)
        source_mean_K3, source_std_K3 = _moments(self.source_sums_K7.where(known_K1, whole_7))
        target_mean_K3, target_std_K3 = _moments(self.target_sums_K7.where(known_K1, self.region_sums_7))
        gain_K3 = (target_std_K3 / source_std_K3).where(any_K1, 1.0)
        offset_K3 = (target_mean_K3 - source_mean_K3 * gain_K3).where(any_K1, 0.0)
        # A last row for pixels without a class.
        gain_L3 = torch.cat([gain_K3, torch.ones_like(gain_K3[:1])])
        offset_L3 = torch.cat([offset_K3, torch.zeros_like(offset_K3[:1])])
        mean_311, std_311 = (value.to(images_B3HW).reshape(3, 1, 1) for value in (mean_3, std_3))
        count = len(images_B3HW)
        draws = [torch.rand(2, generator=generator()).tolist() for _ in range(global_batch_size(count))]
        images = []
        for image_3HW, labels_HW, (chance, amount) in zip(
            images_B3HW, labels_BHW, draws[local_slice(count)], strict=True
        ):
            if chance < self.prob:
                rows_HW = labels_HW.where((labels_HW >= 0) & (labels_HW < num_classes), num_classes)
                gain_3HW, offset_3HW = (table[rows_HW].permute(2, 0, 1) for table in (gain_L3, offset_L3))
                moved_3HW = image_3HW + amount * (image_3HW * gain_3HW + offset_3HW - image_3HW)
                moved_3HW = torch.minimum(torch.maximum(moved_3HW, -mean_311 / std_311), (255 - mean_311) / std_311)
                image_3HW = torch.where(rows_HW < num_classes, moved_3HW, image_3HW)
            images.append(image_3HW)
        return torch.stack(images)

    def _add(self, sums_K7: Tensor, images_B3HW: Tensor, labels_BHW: Tensor, weights_BHW: Tensor) -> None:
        inside_BHW = (labels_BHW >= 0) & (labels_BHW < len(sums_K7))
        pixels_N3 = images_B3HW.permute(0, 2, 3, 1)[inside_BHW].to(sums_K7.dtype)
        weights_N1 = weights_BHW[inside_BHW].to(sums_K7.dtype)[:, None]
        values_N7 = torch.cat([weights_N1, weights_N1 * pixels_N3, weights_N1 * pixels_N3**2], dim=1)
        batch_K7 = torch.zeros_like(sums_K7).index_add_(0, labels_BHW[inside_BHW], values_N7)
        sums_K7.mul_(self.momentum).add_(sum_over_ranks(batch_K7))


def _moments(sums_K7: Tensor) -> tuple[Tensor, Tensor]:
    """Return the means and standard deviations of three bands, (K, 3) each."""
    weight_K1 = sums_K7[:, :1].clamp_min(torch.finfo(sums_K7.dtype).tiny)
    mean_K3 = sums_K7[:, 1:4] / weight_K1
    variance_K3 = sums_K7[:, 4:] / weight_K1 - mean_K3**2
    return mean_K3, variance_K3.clamp_min(_LEAST_STD**2).sqrt()
