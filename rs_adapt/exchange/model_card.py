"""The model card of a pack on the Hugging Face Hub: `README.md`, written from the manifest alone."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from rs_adapt.config import axes
from rs_adapt.datasets.manifest import Manifest as DataManifest
from rs_adapt.datasets.manifest import load_manifest
from rs_adapt.downloads.hub import LIBRARY, HubAddress
from rs_adapt.render.document import hyphenate, join_words, text_table
from rs_adapt.render.text import escape_markdown, markdown_table
from rs_adapt.runs.records import Manifest, ManifestScores

CARD_FILE = "README.md"
# Repositories of the published base weights on the Hub; those of other backbones are named in words alone.
_BASE_MODELS = {
    "dinov2_s": "facebook/dinov2-small",
    "dinov2_b": "facebook/dinov2-base",
    "dinov2_l": "facebook/dinov2-large",
    "dinov2_g": "facebook/dinov2-giant",
    "dinov2_s_reg": "facebook/dinov2-with-registers-small",
    "dinov2_b_reg": "facebook/dinov2-with-registers-base",
    "dinov2_l_reg": "facebook/dinov2-with-registers-large",
    "dinov2_g_reg": "facebook/dinov2-with-registers-giant",
    "clip_b_16": "openai/clip-vit-base-patch16",
    "clip_b_32": "openai/clip-vit-base-patch32",
    "clip_l_14": "openai/clip-vit-large-patch14",
    "clip_l_14_336": "openai/clip-vit-large-patch14-336",
    "sam_b": "facebook/sam-vit-base",
    "sam_l": "facebook/sam-vit-large",
    "sam_h": "facebook/sam-vit-huge",
    "mae_b": "facebook/vit-mae-base",
    "mae_l": "facebook/vit-mae-large",
    "prithvi_2_l": "ibm-nasa-geospatial/Prithvi-EO-2.0-300M",
    "remoteclip_b_32": "chendelong/RemoteCLIP",
    "remoteclip_l_14": "chendelong/RemoteCLIP",
    "georsclip_b_32": "Zilun/GeoRSCLIP",
}
# Identifiers of licences that the Hub knows, among those of data sets and weights here.
_HUB_LICENCES = ("Apache-2.0", "MIT", "CC0-1.0", "CC-BY-4.0", "CC-BY-NC-SA-4.0")
_PERMISSIVE = ("Apache-2.0", "MIT", "CC0-1.0")
_SETTINGS = {
    "da": "unsupervised domain adaptation",
    "dg": "domain generalization",
    "ss": "supervised training on the target",
    "b2n": "scene classification from base classes to novel ones",
    "xd": "scene classification across data sets",
}


def write_card(manifest: Manifest, address: HubAddress) -> str:
    """Return the text of the model card of a pack.

    Args:
        manifest: The manifest as it is pushed.
        address: Where it is pushed to; the commands of the card name it.
    """
    card = _Card(manifest, address)
    lines = [*card.header(), "", f"# {address.repository.partition('/')[2]}", "", *card.summary()]
    for title, section in (
        ("Scores", card.scores()),
        ("Use of source, target and labels", card.labels()),
        ("Use", card.use()),
        ("Training data and licences", card.licences()),
        ("Limits", card.limits()),
        ("Reproduction", card.reproduction()),
    ):
        lines += ["", f"## {title}", "", *section]
    return "\n".join(lines) + "\n"


class _Card:
    def __init__(self, manifest: Manifest, address: HubAddress) -> None:
        self._manifest = manifest
        self._address = address
        cell = manifest.cell
        is_shipped = manifest.own_bench is None and cell.bench in axes.values("bench")
        self._bench = axes.bench_facts(cell.bench) if is_shipped else None
        names = [] if self._bench is None else self._bench["data"]
        self._data: list[DataManifest] = [
            load_manifest(name) for name in ([names] if isinstance(names, str) else names)
        ]
        known = cell.backbone in axes.values("backbone")
        weights = axes.backbone_facts(cell.backbone).get("weights") if known else None
        self._base_licence = None if weights is None else weights.get("licence")
        self._has_base_file = weights is not None and manifest.base.weights != "random"
        self._is_shipped_base = weights is not None and weights.get("shipped", False)
        self._is_gated_base = weights is not None and "gated" in weights

    def header(self) -> Iterator[str]:
        """Return the front matter. Values are written as JSON, which is YAML too: nothing in them ends a string."""
        cell = self._manifest.cell
        tags = ["remote-sensing", "semantic-segmentation", "adapter", "domain-adaptation", hyphenate(cell.method)]
        yield "---"
        licence = self._licence()
        yield f"license: {licence or 'other'}"
        if licence is None:
            yield 'license_name: "terms-of-data-and-base-weights"'
            yield f'license_link: "{CARD_FILE}"'
        yield f"library_name: {LIBRARY}"
        yield "pipeline_tag: image-segmentation"
        yield f"tags: {json.dumps(tags)}"
        if self._data:
            yield f"datasets: {json.dumps([data.name for data in self._data])}"
        if cell.backbone in _BASE_MODELS:
            yield f"base_model: {_BASE_MODELS[cell.backbone]}"
            yield "base_model_relation: adapter"
        yield "---"

    def summary(self) -> Iterator[str]:
        """Return what the pack is."""
        manifest, cell = self._manifest, self._manifest.cell
        yield (
            "An adapter pack of rs-adapt for semantic segmentation of overhead "
            "images: the trained tensors of one run (adapter and decode head) and the manifest that describes them. "
            "The frozen backbone is not part of it."
        )
        yield ""
        metrics = manifest.metrics or ManifestScores()
        rows = [
            ("bench", self._bench_name()),
            ("setting", f"{cell.setting} ({_SETTINGS.get(cell.setting, cell.setting)})"),
            ("method", hyphenate(cell.method)),
            ("backbone", hyphenate(cell.backbone)),
            ("head", hyphenate(cell.head)),
            ("strategy", hyphenate(cell.strategy)),
            ("protocol", hyphenate(cell.protocol)),
            ("seed", str(cell.seed)),
            ("iterations", "not recorded" if metrics.iter is None else str(metrics.iter)),
            ("classes", ", ".join(manifest.classes)),
            ("ground size", "not stated" if manifest.gsd_m is None else f"{manifest.gsd_m} m"),
        ]
        if manifest.normalisation is not None:
            rows.append(("bands", manifest.normalisation.bands))
        if manifest.tensors is not None:
            rows.append(("tensors", f"{manifest.tensors.bytes} bytes, SHA-256 {manifest.tensors.sha256}"))
        yield from _table(("", "value"), rows)

    def scores(self) -> Iterator[str]:
        """Return the scores as the manifest states them, and what they were measured on."""
        metrics = self._manifest.metrics or ManifestScores()
        if metrics.score_pct is None:
            yield "The manifest has no scores: this pack was not scored when it was made."
            return
        protocol = metrics.protocol
        where = "a split that is not recorded" if protocol is None else protocol.report_split or "no split"
        yield f"Measured on {escape_markdown(where)}, in percent, as stored in `manifest.json`."
        yield ""
        title = metrics.score_title
        totals = ((title, metrics.score_pct), ("pixel accuracy", metrics.aacc_pct), ("mean accuracy", metrics.macc_pct))
        rows = [(name, str(value)) for name, value in totals if value is not None]
        if (interval := metrics.interval) is not None and interval.low is not None:
            over = f"{interval.units} {interval.unit}s{', rough' if interval.rough else ''}"
            title = f"{100 * interval.level:g} % interval of {title} (over {over})"
            rows.append((title, f"{interval.low} to {interval.high}"))
        by_class = metrics.iou_pct if metrics.score_key == "miou_pct" else metrics.acc_pct
        of = "IoU" if metrics.score_key == "miou_pct" else "accuracy"
        rows += [(f"{of} of {name}", str(value)) for name, value in (by_class or {}).items()]
        yield from _table(("", "%"), rows)

    def labels(self) -> Iterator[str]:
        """Return in plain sentences which labels and which images of the target were used."""
        setting = self._manifest.cell.setting
        metrics = self._manifest.metrics or ManifestScores()
        protocol = metrics.protocol
        source, target = self._regions()
        if setting == "ss":
            yield f"- Trained on labelled tiles of the target itself ({target})."
        elif self._manifest.data and "labelled" not in self._manifest.data:
            yield f"- Trained without any image or label of the source ({source}), from weights that had learnt there."
        else:
            yield f"- Trained on labelled tiles of the source ({source})."
        if protocol is not None and protocol.unlabelled_split is not None:
            yield (
                f"- Images of the target ({escape_markdown(protocol.unlabelled_split)}) were seen in training, without "
                "their labels."
            )
        elif setting in ("dg", "ov"):
            yield f"- No image of the target ({target}) was seen in training."
        if protocol is not None and protocol.target_crops == "by_labels":
            yield "- Crops of the target's images were chosen by their labels, which nobody has who needs a map."
        if "oracle" in (metrics.headline, None if protocol is None else protocol.selection):
            yield "- Labels of the target chose the checkpoint, so its scores are better than those of a blind choice."
        elif metrics.headline in ("guarded", "best_label_free"):
            yield "- Images of the target chose the checkpoint, without their labels."
        elif metrics.headline is not None:
            yield f"- The checkpoint was chosen without labels of the target ({escape_markdown(metrics.headline)})."
        if (start := self._manifest.initialised_from) is not None:
            yield f"- {escape_markdown(start.note())}"
        if (teacher := self._manifest.teacher) is not None:
            yield f"- {escape_markdown(teacher.note())}"
        for note in self._manifest.notes:
            yield f"- {escape_markdown(note)}"

    def use(self) -> Iterator[str]:
        """Return commands that use the pack."""
        name = str(self._address)
        plugins = " --plugins PATH" if self._manifest.plugins else ""
        if self._manifest.plugins:
            files = join_words([plugin.name for plugin in self._manifest.plugins])
            yield f"The method comes from outside ({escape_markdown(files)}): name its file with `--plugins`."
            yield ""
        yield "```"
        if self._has_base_file and not self._is_shipped_base and not self._is_gated_base:
            yield f"rs-adapt weights fetch {hyphenate(self._manifest.cell.backbone)}"
        yield f"rs-adapt predict scene.tif --checkpoint {name} --out map.tif{plugins}"
        if self._bench is not None:
            is_drawn = all(data.access == "drawn" for data in self._data)
            yield f"rs-adapt eval {name}{'' if is_drawn else ' --data-root DATA'}{plugins}"
        yield f"rs-adapt export {name} --out pack"
        yield "```"
        yield ""
        yield "```python"
        yield "import rs_adapt as rsa"
        yield ""
        yield f'rsa.predict("{name}", "scene.tif", "map.tif")'
        yield "```"
        yield ""
        yield (
            f"A commit in place of the branch (`{name.partition('@')[0]}@COMMIT`) always names the same bytes; the "
            "commands state the one that they use. Tensors are compared with the manifest's SHA-256 before they are "
            "loaded, and no file of the pack can hold code."
        )
        if self._is_gated_base:
            yield ""
            yield "The base weights are gated: get them from their authors, and name the file with `--weights`."

    def licences(self) -> Iterator[str]:
        """Return the licences of the data and the base weights, as far as they are known."""
        for data in self._data:
            yield f"- {escape_markdown(f'{data.title}: {data.licence}. {data.conditions}')}"
            yield f"  Citation: {escape_markdown(data.citation)}"
        if self._bench is None:
            yield "- The training data are the author's own; their licence is not recorded."
        base = self._manifest.base
        facts = f"{hyphenate(base.name)} (SHA-256 {base.sha256}): {self._base_licence or 'licence not recorded'}"
        yield f"- Base weights {escape_markdown(facts)}. They are not part of the pack."
        yield ""
        yield (
            "The licence in the header of this card follows from these alone. Whether and how the licence of data "
            "binds a model that was trained on them differs by country; who publishes the pack decides."
        )

    def limits(self) -> Iterator[str]:
        """Return what the pack is not."""
        calibration = self._manifest.calibration
        if calibration is None:
            yield "- Its probabilities are not calibrated: of pixels with a confidence of 0.9, fewer may be right."
        else:
            yield (
                f"- Its probabilities have a temperature of {calibration.temperature:g}, fitted on "
                f"{escape_markdown(calibration.split)}. Under a shift they are no longer calibrated: on a different "
                "region they are usually too high."
            )
        if self._manifest.metrics is not None and self._manifest.metrics.score_pct is not None:
            yield "- Its scores hold for the tiles above. Nothing is known of other regions, sensors and seasons."
        yield "- It is no survey: a map has errors, which `rs-adapt judge` and labels by hand can make visible."

    def reproduction(self) -> Iterator[str]:
        """Return the versions, and the settings beside the names of the cell."""
        environment = self._manifest.environment
        versions = {"rs-adapt": self._manifest.rs_adapt, "python": environment.python, **environment.packages}
        listed = ", ".join(f"{name} {version}" for name, version in versions.items() if version)
        yield f"Made {self._manifest.created or 'at a time that is not recorded'} with {escape_markdown(listed)}."
        if self._manifest.overrides:
            yield ""
            yield "Settings that differ from those of the cell:"
            yield ""
            yield from (f"    {' '.join(text.split())}" for text in self._manifest.overrides)

    def _licence(self) -> str | None:
        """Return the licence for the header: the strictest, where one includes the others; None where none does."""
        licences = {self._base_licence, *(data.licence for data in self._data)}
        if self._bench is None or not all(licence in _HUB_LICENCES for licence in licences):
            return None
        strict = [str(licence) for licence in licences if licence not in _PERMISSIVE]
        if len(strict) > 1:
            return None
        return (strict or ["Apache-2.0" if "Apache-2.0" in licences else str(self._base_licence)])[0].lower()

    def _bench_name(self) -> str:
        bench = self._manifest.cell.bench
        own = self._manifest.own_bench
        if own is not None:
            return f"{own.get('name', Path(bench).stem)} (a bench of the author's own)"
        return hyphenate(bench) if self._bench is None else f"{hyphenate(bench)}: {self._bench['title']}"

    def _regions(self) -> tuple[str, str]:
        if self._bench is not None:
            return self._bench["source"]["region"], self._bench["target"]["region"]
        return "the labelled region of the author's bench", "the other region of the author's bench"


def _table(header: tuple[str, str], rows: Sequence[tuple[str, str]]) -> list[str]:
    # Two columns of names: values are texts, and numbers as the manifest has them.
    return markdown_table(replace(text_table("", [header, *rows]), name_columns=2))
