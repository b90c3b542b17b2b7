"""Losses on labelled source images: the head's, and terms that keep what the frozen backbone knows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from rs_adapt.errors import ConfigError
from rs_adapt.strategies.feature_distance import feature_distance
from rs_adapt.strategies.pair import Batch


class SourceLosses(nn.Module):
    """The losses of a segmentor on source images.

    With `feature_weight`, the distance to the frozen features (`feature_distance`) is among them. With
    `distill_weight`, it is one minus the cosine between the frozen features and a learnt linear map of the adapted
    ones, mean over all cells of the last map: features may turn to the task as long as the frozen ones can be read
    from them (the adapted feature distillation of VFM-UDA++, arXiv 2503.10685, whose form and weight are not known
    here). The map starts as the identity and is no part of the segmentor. The frozen features come from the same
    backbone, without its adapter; a backbone without one has neither term.

    Args:
        segmentor: The segmentor; it is asked for its sizes and not kept.
        feature_weight: Weight of the feature distance, 0 or more.
        feature_classes: Classes whose cells the feature distance covers; None for all.
        feature_min_share: Least share of a cell that one class must cover, 0 to 1.
        distill_weight: Weight of the distillation, 0 or more.

    Raises:
        ConfigError: A term is on, and the whole backbone trains.
    """

    def __init__(
        self,
        segmentor: Any,
        *,
        feature_weight: float,
        feature_classes: Sequence[int] | None,
        feature_min_share: float,
        distill_weight: float,
    ) -> None:
        super().__init__()
        for name, weight in (("feature_weight", feature_weight), ("distill_weight", distill_weight)):
            if weight and not getattr(segmentor.backbone, "frozen", True):
                raise ConfigError(
                    f"strategy.{name} keeps features close to those of the frozen backbone, but here the whole "
                    f"backbone is trained. Set strategy.{name}=0.0, or use a method that keeps the backbone frozen."
                )
        self.feature_weight, self.feature_classes = feature_weight, feature_classes
        self.feature_min_share, self.distill_weight = feature_min_share, distill_weight
        self.map: nn.Linear | None = None
        if distill_weight and getattr(segmentor.backbone, "adapter", None) is not None:
            self.map = nn.Linear(segmentor.backbone.embed_dim, segmentor.backbone.embed_dim)
            nn.init.eye_(self.map.weight)
            nn.init.zeros_(self.map.bias)

    def forward(self, segmentor: Any, source: Batch, labels_BHW: Tensor) -> dict[str, Tensor]:
        """Return the losses `source.*` of a batch with labels (B, H, W)."""
        # Without an adapter the features are the frozen ones.
        compares = bool(self.feature_weight) or self.map is not None
        if not compares or getattr(segmentor.backbone, "adapter", None) is None:
            losses: dict[str, Tensor] = segmentor(**source, mode="loss")
            return {f"source.{name}": value for name, value in losses.items()}
        features = segmentor.extract_feat(source["inputs"])
        losses = segmentor.decode_head.loss(features, source["data_samples"], segmentor.train_cfg)
        named = {f"source.decode.{name}": value for name, value in losses.items()}
        frozen_BDhw = segmentor.backbone.base_map(source["inputs"])
        if self.feature_weight:
            distance = feature_distance(
                features[-1],
                frozen_BDhw,
                labels_BHW,
                num_classes=segmentor.decode_head.num_classes,
                classes=self.feature_classes,
                min_share=self.feature_min_share,
            )
            named["source.loss_feature_distance"] = self.feature_weight * distance
        if self.map is not None:
            mapped_BhwD = self.map(features[-1].movedim(1, -1))
            alike_Bhw = nn.functional.cosine_similarity(mapped_BhwD.float(), frozen_BDhw.movedim(1, -1).float(), dim=-1)
            named["source.loss_distillation"] = self.distill_weight * (1 - alike_Bhw).mean()
        return named
