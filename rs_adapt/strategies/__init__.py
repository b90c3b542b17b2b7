"""Adaptation strategies: each wraps a segmentor and decides what it learns from."""

from __future__ import annotations

from rs_adapt.strategies.class_mix import class_mix, paste
from rs_adapt.strategies.distill import Distill
from rs_adapt.strategies.ema import EmaWeights
from rs_adapt.strategies.feature_distance import feature_distance
from rs_adapt.strategies.health import PseudoLabelHealth
from rs_adapt.strategies.imitation import feature_loss, probability_loss
from rs_adapt.strategies.masking import mask_blocks
from rs_adapt.strategies.mix_style import MixStyle, mix_statistics
from rs_adapt.strategies.pair import PairPreprocessor
from rs_adapt.strategies.pseudo_labels import PseudoLabeler, PseudoLabels
from rs_adapt.strategies.self_training import SelfTraining
from rs_adapt.strategies.source_free import SourceFree
from rs_adapt.strategies.strong_augment import strong_augment

__all__ = [
    "Distill",
    "EmaWeights",
    "MixStyle",
    "PairPreprocessor",
    "PseudoLabelHealth",
    "PseudoLabeler",
    "PseudoLabels",
    "SelfTraining",
    "SourceFree",
    "class_mix",
    "feature_distance",
    "feature_loss",
    "mask_blocks",
    "mix_statistics",
    "paste",
    "probability_loss",
    "strong_augment",
]
