"""The classes of RSICD, for the benches that are scored on them."""

_base_ = "_scene_classes.py"

bench = dict(
    # Those of AID and playfields, as the lists of the data set (txtclasses_rsicd) name them.
    classes=[
        "airport",
        "bare land",
        "baseball field",
        "beach",
        "bridge",
        "center",
        "church",
        "commercial",
        "dense residential",
        "desert",
        "farmland",
        "forest",
        "industrial",
        "meadow",
        "medium residential",
        "mountain",
        "park",
        "parking",
        "playfields",
        "playground",
        "pond",
        "port",
        "railway station",
        "resort",
        "river",
        "school",
        "sparse residential",
        "square",
        "stadium",
        "storage tanks",
        "viaduct",
    ],
)
