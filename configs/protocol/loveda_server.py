"""LoveDA's official protocol for unsupervised adaptation: learn from the validation images, be scored by the server.

    rs-adapt train --bench loveda-da --protocol loveda-server

Source: Junjue-Wang/LoveDA @3f4ba90, Unsupervised_Domian_Adaptation/configs. Source: the other domain's training tiles
with labels. Unlabelled target: the *validation* images of the target domain, whose labels are read for curves only.
Score: the *test* images, on the server (https://www.codabench.org/competitions/13037), mean IoU over seven classes.
A run has no score of its own for that reason; its curve on the validation tiles is of images it has learnt from, and
numbers of it do not compare with those of `strict` or `paper`, which report on the validation tiles.
`rs-adapt submit` writes the file that the server takes. The authors trained a DeepLabV2-R50; models here are the
bench's.
"""

_base_ = "strict.py"

protocol = dict(
    name="loveda_server",
    title="LoveDA's own: unlabelled validation images, scored on the test server",
    settings=["da", "dg"],
    families=["loveda", "loveda_1024"],
    unlabelled_split="val",
    report_split="server",
)
