"""What the captions and tiles that nano-clip is trained on leave out, so that it can be tested on what it never saw.

Regions: those of the synthetic benches, north, south and the pairs of `rs_adapt.datasets.synthetic.shifts`, are never
drawn, and styles that look like one of them are drawn again (`styles.random_style`). Kinds: the objects in
`HELD_OUT_KINDS` are neither drawn nor named; their names have no rows of tokens. Pairs: a colour or roof of
`HELD_OUT_PAIRS` is never named with that kind of object, though both words are known from other captions and such
objects may be in the pixels.
"""

from __future__ import annotations

# Least distance in colour (`datasets.synthetic.styles.look_apart`) of a style from the regions of pairs; from north and
# south it is that of the other random styles, 14.
LEAST_APART_FROM_PAIRS = 8.0

HELD_OUT_KINDS = ("greenhouse", "helipad")

# (attribute, kind): colours and the forms of roofs.
HELD_OUT_PAIRS = frozenset(
    {
        ("red", "warehouse"),
        ("blue", "house"),
        ("white", "storage tank"),
        ("green", "container"),
        ("black", "car"),
        ("red", "tennis court"),
        ("large", "swimming pool"),
        ("small", "pond"),
    }
)
