"""Bicubic interpolation, which trains nothing: the reference of every method of super-resolution.

rs-adapt train --bench flow-sr --method bicubic
"""

_base_ = "_recipe.py"

method = dict(name="bicubic", title="Bicubic interpolation", paper=None, task="super-resolution")

model = dict(backbone=dict(adapter=None, frozen=True))
