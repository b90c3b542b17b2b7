"""Files beside a map of classes: a style for QGIS, and a small picture with a legend."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree

import rasterio
from rasterio.errors import NotGeoreferencedWarning

from rs_adapt.files import atomic_file, write_bytes
from rs_adapt.prediction.writing import MapClasses
from rs_adapt.render.overlays import draw_map

Companion = Literal["style", "preview"]
_SUFFIXES: dict[Companion, str] = {"style": ".qml", "preview": ".png"}
# The version whose layout of style files is written; newer ones read it.
_QGIS = "3.22.0"
# Longest side of a preview.
_PREVIEW_PX = 1600


def companion_file(out: Path, companion: Companion) -> Path:
    """Return the file of a companion beside a map."""
    return out.with_suffix(_SUFFIXES[companion])


def write_companion(out: Path, companion: Companion, classes: MapClasses) -> Path:
    """Write a companion of a map of classes, and return its file."""
    return write_style(out, classes) if companion == "style" else write_preview(out, classes)


def write_style(out: Path, classes: MapClasses) -> Path:
    """Write the colours and names of a map of classes as a style that QGIS applies when it opens the map.

    Args:
        out: The map; the style has its name with the ending .qml.
        classes: Names and colours.

    Returns:
        The file.
    """
    root = ElementTree.Element("qgis", version=_QGIS, styleCategories="Symbology")
    pipe = ElementTree.SubElement(root, "pipe")
    renderer = ElementTree.SubElement(
        pipe, "rasterrenderer", type="paletted", band="1", opacity="1", alphaBand="-1", nodataColor=""
    )
    ElementTree.SubElement(renderer, "rasterTransparency")
    palette = ElementTree.SubElement(renderer, "colorPalette")
    for value, (name, (red, green, blue)) in enumerate(zip(classes.names, classes.palette, strict=True)):
        colour = f"#{red:02x}{green:02x}{blue:02x}"
        ElementTree.SubElement(palette, "paletteEntry", value=str(value), color=colour, alpha="255", label=name)
    ElementTree.SubElement(root, "blendMode").text = "0"
    ElementTree.indent(root)
    head = b"<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
    style = companion_file(out, "style")
    write_bytes(style, head + ElementTree.tostring(root, encoding="utf-8") + b"\n")
    return style


def write_preview(out: Path, classes: MapClasses) -> Path:
    """Write a picture of a map of classes with its legend, at most 1600 pixels a side.

    Args:
        out: The map; the picture has its name with the ending .png.
        classes: Names and colours.

    Returns:
        The file.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        dataset = rasterio.open(out)
    with dataset:
        step = max(dataset.width, dataset.height, _PREVIEW_PX) / _PREVIEW_PX
        shape = (max(1, round(dataset.height / step)), max(1, round(dataset.width / step)))
        labels_HW = dataset.read(1, out_shape=shape)
    picture = companion_file(out, "preview")
    with atomic_file(picture) as temporary:
        draw_map(labels_HW, classes=classes.names, palette=classes.palette).save(temporary, format="PNG")
    return picture
