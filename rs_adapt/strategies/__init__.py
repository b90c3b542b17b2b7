"""Adaptation strategies: each wraps a segmentor and decides what it learns from."""

from __future__ import annotations

from rs_adapt.strategies.class_mix import class_mix
from rs_adapt.strategies.ema import EmaWeights
from rs_adapt.strategies.pseudo_labels import pseudo_labels
from rs_adapt.strategies.self_training import PairPreprocessor, SelfTraining

__all__ = ["EmaWeights", "PairPreprocessor", "SelfTraining", "class_mix", "pseudo_labels"]
