"""What PatternNet's benches of generalization share: the classes that four data sets have under some name."""

_base_ = "_scene_classes.py"

bench = dict(
    family="shared_scenes",
    settings=["dg"],
    prepare=None,
    data="scene_classes",
    classes=[
        "baseball field",
        "beach",
        "bridge",
        "dense residential",
        "forest",
        "harbor",
        "overpass",
        "parking lot",
        "river",
        "sparse residential",
        "storage tank",
    ],
    # PatternNet has these classes under these names.
    source=dict(region="patternnet", images="patternnet", split="patternnet/split_rs_adapt.json", class_names={}),
)
