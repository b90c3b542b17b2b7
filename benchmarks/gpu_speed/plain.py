"""The plain form of a training step, written from the equations: what a straightforward implementation does.

- Earth-Adapter (arXiv 2504.06220) with an FFT over all channels in frequency layers, in fp32 also under autocast.
- Mask2Former's loss (arXiv 2112.01527, sections 3.2.2 and 3.3) on masks of whole images, with a matching on the CPU for
  every prediction and image, as mmdetection's is organised.
- Autocast to bf16 casts frozen weights in every pass.
- A teacher (Tarvainen and Valpola, arXiv 1703.01780) that is a second segmentor with a frozen backbone of its own; all
  tensors are averaged one by one, frozen ones too.

Everything else is shared with ours, so both start at equal losses: random points are drawn in the same order. Nothing
here was taken from the code of the methods' authors.

Shapes: B images, N tokens (prefix first), D embed, L predictions, Q queries, K classes, C = K + 1, T classes of an
image, P points, M matched masks of one prediction, h/w grid of the predicted masks, H/W pixels.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
import torch.nn.functional as F
from mmseg.structures import SegDataSample
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from rs_adapt.adapters._earth_adapter_plain import Bottleneck, earth_adapter_plain
from rs_adapt.adapters.contract.adapter import Adapter
from rs_adapt.adapters.earth_adapter import EarthAdapter
from rs_adapt.backbones.cast_once import CastOnce
from rs_adapt.engine.parts import segmentor_of
from rs_adapt.heads.mask2former_loss import Mask2FormerLoss
from rs_adapt.strategies import PseudoLabels, SelfTraining
from rs_adapt.strategies.ema import EmaWeights
from rs_adapt.strategies.pseudo_labels import valid_pixels
from rs_adapt.strategies.scoring import predict_scores


def plain_model(model: Any, cfg: Any) -> Any:
    """Return the plain form of an untrained model, with copies of its weights.

    Args:
        model: A segmentor, or `SelfTraining` around one; it stays as it is.
        cfg: Its configuration.
    """
    segmentor = copy.deepcopy(segmentor_of(model))
    for layer in segmentor.modules():
        if type(layer) is CastOnce:
            layer.__class__ = nn.Linear
    if isinstance(segmentor.backbone.adapter, EarthAdapter):
        segmentor.backbone.adapter = PlainEarthAdapter(segmentor.backbone.adapter)
    segmentor.decode_head.criterion = PlainMask2FormerLoss(segmentor.decode_head.criterion)
    if not isinstance(model, SelfTraining):
        return segmentor
    settings = {name: value for name, value in cfg.model.items() if name not in ("type", "segmentor")}
    return PlainSelfTraining(segmentor=segmentor, **settings).to(next(segmentor.parameters()).device)


class PlainEarthAdapter(Adapter):
    """Earth-Adapter with a module for each matrix, computed by `earth_adapter_plain` in fp32.

    Args:
        ours: The adapter whose weights are copied.
    """

    def __init__(self, ours: EarthAdapter) -> None:
        super().__init__()
        self.cutoff, self.num_prefix = ours.cutoff, ours.num_prefix
        self.scale = nn.Parameter(ours.scale.detach().clone())
        self.layers = nn.ModuleList(_unstack(mixture) for mixture in ours.layers)

    def after_block(self, x_BND: Tensor, layer: int, grid_hw: tuple[int, int]) -> Tensor:
        """Add the layer's mixture to the patch tokens (B, N, D)."""
        part: Any = self.layers[layer]
        half_hw = int(grid_hw[0] * self.cutoff // 2), int(grid_hw[1] * self.cutoff // 2)
        with torch.autocast(x_BND.device.type, enabled=False):
            y_BND = earth_adapter_plain(
                x_BND.float(),
                grid_hw,
                experts=tuple(
                    Bottleneck(down_RD=down.weight, down_bias_R=down.bias, up_DR=up.weight, up_bias_D=up.bias)
                    for down, up in zip(part["down"], part["up"], strict=True)
                ),
                router=(part["router"].weight, part["router"].bias) if "router" in part else None,
                scale=self.scale[layer],
                half_hw=half_hw,
                num_prefix=self.num_prefix,
            )
        return y_BND.to(x_BND.dtype)


def _unstack(mixture: Any) -> nn.ModuleDict:
    """Return the matrices of one layer of ours as modules: `down` and `up` of each expert, and the `router`."""
    rank, count = mixture.rank, mixture.num_experts
    down, bias, up = (tensor.detach() for tensor in (mixture.down_weight, mixture.down_bias, mixture.up_weight))

    def rows(start: int, stop: int | None) -> nn.Linear:
        return _linear(down[start:stop], bias[start:stop])

    parts = nn.ModuleDict(
        {
            "down": nn.ModuleList(rows(i * rank, (i + 1) * rank) for i in range(count)),
            "up": nn.ModuleList(
                _linear(up[:, i * rank : (i + 1) * rank], up[:, count * rank + i]) for i in range(count)
            ),
        }
    )
    if count > 1:
        parts["router"] = rows(count * rank, None)
    return parts


def _linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0], device=weight.device)
    layer.weight = nn.Parameter(weight.clone(memory_format=torch.contiguous_format))
    layer.bias = nn.Parameter(bias.clone())
    return layer


class PlainMask2FormerLoss(nn.Module):
    """Mask2Former's loss with whole masks as targets, and a matching for every prediction and image.

    Ignored pixels are outside of every mask; the benchmark's labels have none.

    Args:
        ours: The loss whose settings are taken.
    """

    class_weight_C: Tensor

    def __init__(self, ours: Mask2FormerLoss) -> None:
        super().__init__()
        self.num_classes, self.ignore_index = ours.num_classes, ours.ignore_index
        self.num_points, self.num_candidates, self.num_uncertain = (
            ours.num_points,
            ours.point_losses.num_candidates,
            ours.point_losses.num_uncertain,
        )
        self.weights = {"cls": ours.class_weight, "mask": ours.mask_weight, "dice": ours.dice_weight}
        self.register_buffer("class_weight_C", ours.class_weight_C.clone(), persistent=False)

    def forward(self, class_logits: list[Tensor], mask_logits: list[Tensor], labels_BHW: Tensor) -> dict[str, Tensor]:
        """Return the weighted losses by the names of ours.

        Args:
            class_logits: L maps of logits (B, Q, K + 1), "no object" last.
            mask_logits: L maps of logits (B, Q, h, w).
            labels_BHW: Labels in [0, K) or the ignore value.
        """
        with torch.autocast(labels_BHW.device.type, enabled=False):
            present = [label.unique() for label in labels_BHW]
            present = [values[values != self.ignore_index] for values in present]
            masks = [(label == ids[:, None, None]).float() for label, ids in zip(labels_BHW, present, strict=True)]
            points_BP2 = torch.rand(len(labels_BHW), self.num_points, 2, device=labels_BHW.device)
            losses: dict[str, Tensor] = {}
            for index, (logits, maps) in enumerate(zip(class_logits, mask_logits, strict=True)):
                cls, mask, dice = self._prediction(logits.float(), maps.float(), present, masks, points_BP2)
                prefix = "" if index == len(class_logits) - 1 else f"d{index}."
                losses[f"{prefix}loss_cls"] = self.weights["cls"] * cls
                losses[f"{prefix}loss_mask"] = self.weights["mask"] * mask
                losses[f"{prefix}loss_dice"] = self.weights["dice"] * dice
        return losses

    def _prediction(
        self,
        logits_BQC: Tensor,
        maps_BQhw: Tensor,
        present: list[Tensor],
        masks: list[Tensor],
        points_BP2: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the classification, mask and dice loss of one prediction, without weights."""
        target_BQ = torch.full(logits_BQC.shape[:2], self.num_classes, device=logits_BQC.device)
        matched_maps, matched_masks = [], []
        for image, (ids, masks_THW) in enumerate(zip(present, masks, strict=True)):
            query, pick = self._match(logits_BQC[image], maps_BQhw[image], ids, masks_THW, points_BP2[image])
            target_BQ[image, query] = ids[pick].long()
            matched_maps.append(maps_BQhw[image, query])
            matched_masks.append(masks_THW[pick])
        cls = F.cross_entropy(logits_BQC.transpose(1, 2), target_BQ, weight=self.class_weight_C)
        maps_Mhw, masks_MHW = torch.cat(matched_maps), torch.cat(matched_masks)
        with torch.no_grad():
            points_MP2 = self._uncertain_points(maps_Mhw)
            target_MP = _at_points(masks_MHW[:, None], points_MP2)[:, 0]
        x_MP = _at_points(maps_Mhw[:, None], points_MP2)[:, 0]
        p_MP = x_MP.sigmoid()
        dice_M = 1 - (2 * (p_MP * target_MP).sum(1) + 1) / (p_MP.sum(1) + target_MP.sum(1) + 1)
        return cls, F.binary_cross_entropy_with_logits(x_MP, target_MP), dice_M.mean()

    @torch.no_grad()
    def _match(
        self, logits_QC: Tensor, maps_Qhw: Tensor, ids_T: Tensor, masks_THW: Tensor, points_P2: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return queries (T) and positions in `ids_T` (T) of the cheapest assignment of an image's masks."""
        x_QP = _at_points(maps_Qhw[None], points_P2[None])[0]
        target_TP = _at_points(masks_THW[None], points_P2[None])[0]
        positive_QP = F.binary_cross_entropy_with_logits(x_QP, torch.ones_like(x_QP), reduction="none")
        negative_QP = F.binary_cross_entropy_with_logits(x_QP, torch.zeros_like(x_QP), reduction="none")
        bce_QT = (positive_QP @ target_TP.T + negative_QP @ (1 - target_TP).T) / x_QP.shape[1]
        p_QP = x_QP.sigmoid()
        sums_QT = p_QP.sum(1)[:, None] + target_TP.sum(1)[None]
        dice_QT = 1 - (2 * p_QP @ target_TP.T + 1) / (sums_QT + 1)
        cost_QT = self.weights["mask"] * bce_QT + self.weights["dice"] * dice_QT
        cost_QT = cost_QT - self.weights["cls"] * logits_QC.softmax(-1)[:, ids_T.long()]
        query, pick = linear_sum_assignment(cost_QT.cpu().numpy())
        return torch.from_numpy(query).to(x_QP.device), torch.from_numpy(pick).to(x_QP.device)

    def _uncertain_points(self, maps_Mhw: Tensor) -> Tensor:
        """Draw points (M, P, 2): the most uncertain of many candidates, and the rest uniformly."""
        count, device = len(maps_Mhw), maps_Mhw.device
        candidates = torch.rand(count, self.num_candidates, 2, device=device)
        uniform = torch.rand(count, self.num_points - self.num_uncertain, 2, device=device)
        uncertainty_MP = -_at_points(maps_Mhw[:, None], candidates)[:, 0].abs()
        best = uncertainty_MP.topk(self.num_uncertain, dim=1).indices
        return torch.cat([candidates.gather(1, best[..., None].expand(-1, -1, 2)), uniform], dim=1)


def _at_points(maps_NChw: Tensor, points_NP2: Tensor) -> Tensor:
    """Return bilinear values (N, C, P) at points (x, y) in [0, 1)."""
    grid_NP12 = 2 * points_NP2[:, :, None] - 1
    return F.grid_sample(maps_NChw, grid_NP12, align_corners=False)[..., 0]


class CopiedTeacher(EmaWeights):
    """A second segmentor, backbone included, that follows the first.

    Args:
        segmentor: The segmentor that is copied.
    """

    def __init__(self, segmentor: nn.Module) -> None:
        # Nothing is averaged by the base class.
        super().__init__(nn.Identity())
        self.segmentor = copy.deepcopy(segmentor).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, module: nn.Module, iteration: int, decay: float) -> None:
        """Move every tensor of the copy, one by one; see `EmaWeights.update`."""
        alpha = min(1.0 - 1.0 / (iteration + 1), decay)
        for average, current in zip(self.segmentor.parameters(), module.parameters(), strict=True):
            average.mul_(alpha).add_(current, alpha=1.0 - alpha)


class PlainSelfTraining(SelfTraining):
    """Self-training whose teacher is a second segmentor."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.ema = CopiedTeacher(self.segmentor)

    @torch.no_grad()
    def label_target(self, inputs: Tensor, data_samples: list[SegDataSample]) -> PseudoLabels:
        """Return the copy's labels for target images (B, 3, H, W)."""
        valid_BHW = valid_pixels(data_samples, inputs.shape[-2], inputs.shape[-1], inputs.device)
        pseudo: PseudoLabels = self.labeler(predict_scores(self.ema.segmentor, inputs, {}), valid_BHW)
        return pseudo
