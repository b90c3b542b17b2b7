"""The image of a STAC item that lies on this machine."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from rs_adapt.documents import read_json
from rs_adapt.errors import ConfigError, DataError, DataNotFound

# Roles of assets that hold the pixels of an item.
_ROLES = frozenset({"data", "visual"})
# Media types of images start with this; an asset without a type may be one.
_IMAGE = "image/"
_SPEC = "https://stacspec.org"


def find_asset(item: Path, *, asset: str | None = None, folders: Sequence[Path] = ()) -> Path:
    """Return the file of an asset of a STAC item.

    Args:
        item: The item, a .json file.
        asset: Key of the asset; None for the one with the role `data` or `visual`, or the only image.
        folders: Folders besides the item's in which the file may lie.

    Raises:
        DataError: The file is no STAC item, or its asset lies in the network or outside of the folders.
        ConfigError: There is no such asset, or several could be meant.
        DataNotFound: The asset's file does not exist.
    """
    assets = _read_assets(item)
    href = assets[_choose(item, assets, asset)].get("href")
    if not isinstance(href, str) or not href:
        raise DataError(f"{item}: the asset has no href, which names its file. See {_SPEC}.")
    file = _local_file(item, href)
    allowed = [Path(os.path.abspath(folder)) for folder in (item.parent, *folders)]
    if not any(file.is_relative_to(folder) for folder in (*allowed, *(folder.resolve() for folder in allowed))):
        raise DataError(
            f"{item} names {file}, which lies outside of the item's folder. If that is meant, allow its folder with "
            f"--parts {file.parent}."
        )
    if not file.is_file():
        raise DataNotFound(f"{item} names {file}, which is not there: download the asset, or correct its href.")
    return file


def _read_assets(item: Path) -> Mapping[str, Mapping[str, object]]:
    content = read_json(item, error=DataError)
    if not isinstance(content, dict) or "stac_version" not in content:
        raise DataError(f"{item} is no STAC item. Of .json files only these are scenes; polygons are given with --aoi.")
    if content.get("type") != "Feature":
        raise DataError(
            f"{item} is a STAC {content.get('type', 'catalog')!s:.40}, which lists items. Name the items, or a "
            "pattern of their files."
        )
    assets = content.get("assets")
    if not isinstance(assets, dict) or not assets or not all(isinstance(entry, dict) for entry in assets.values()):
        raise DataError(f"{item} is a STAC item without assets. See {_SPEC}.")
    return assets


def _choose(item: Path, assets: Mapping[str, Mapping[str, object]], asset: str | None) -> str:
    names = ", ".join(assets)
    if asset is not None:
        if asset not in assets:
            raise ConfigError(f"--asset is {asset}, and {item} has: {names}.")
        return asset
    images = [name for name, entry in assets.items() if str(entry.get("type") or _IMAGE).startswith(_IMAGE)]
    with_role = [name for name in images if _ROLES & {*_texts(assets[name].get("roles"))}]
    chosen = with_role or images
    if len(chosen) != 1:
        several = "several of its assets could be meant" if chosen else "none of its assets is an image"
        raise ConfigError(
            f"{item}: {several}. Choose one with --asset: {names}. Bands in files of their own become one scene with "
            "gdalbuildvrt -separate."
        )
    return chosen[0]


def _local_file(item: Path, href: str) -> Path:
    parts = urlsplit(href)
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):
        return Path(os.path.abspath(unquote(parts.path)))
    if parts.scheme or href.startswith(("/vsi", "//")):
        raise DataError(
            f"{item}: the asset lies at {href[:200]!r}, and only files on this machine are read. Download it beside "
            "the item, and let its href name the file."
        )
    places = [Path(os.path.abspath(item.parent / name)) for name in (href, unquote(href))]
    return next((place for place in places if place.is_file()), places[0])


def _texts(roles: object) -> list[str]:
    return [role for role in roles if isinstance(role, str)] if isinstance(roles, list) else []
