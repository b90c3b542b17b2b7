"""Scene classification by class names: a CLIP whose prompts train, with or without a model of the domain.

A class is imported when it is first accessed: learners and head import transformers, which takes seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rs_adapt.lazy_names import load_names

if TYPE_CHECKING:
    from rs_adapt.classification.class_names import ClassNames
    from rs_adapt.classification.classifier import SceneClassifier
    from rs_adapt.classification.learners.cocoop import CoCoOp
    from rs_adapt.classification.learners.coop import CoOp
    from rs_adapt.classification.learners.domain_controlled import DomainControlled
    from rs_adapt.classification.learners.linear_probe import LinearProbe
    from rs_adapt.classification.learners.maple import MaPLe
    from rs_adapt.classification.learners.quaternion import QuaternionPrompts
    from rs_adapt.classification.learners.zero_shot import ZeroShot

__all__ = [
    "ClassNames",
    "CoCoOp",
    "CoOp",
    "DomainControlled",
    "LinearProbe",
    "MaPLe",
    "QuaternionPrompts",
    "SceneClassifier",
    "ZeroShot",
]

_MODULES = {
    "ClassNames": "class_names",
    "CoCoOp": "learners.cocoop",
    "CoOp": "learners.coop",
    "DomainControlled": "learners.domain_controlled",
    "LinearProbe": "learners.linear_probe",
    "MaPLe": "learners.maple",
    "QuaternionPrompts": "learners.quaternion",
    "SceneClassifier": "classifier",
    "ZeroShot": "learners.zero_shot",
}

__getattr__ = load_names(__name__, _MODULES)
