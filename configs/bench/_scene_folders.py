"""What benches of folders with one class each share: base classes to novel ones within one data set."""

_base_ = "_scene_classes.py"

bench = dict(
    direction="",
    default=True,
    settings=["b2n"],
    prepare=None,
)
