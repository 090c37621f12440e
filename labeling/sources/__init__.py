"""Kinds of sources. To add one: a module with a class like `base.Kind` or `base.Site`, and a line here."""

from typing import Any

from django.utils.translation import gettext_lazy as _

from labeling.sources.base import Kind, Site
from labeling.sources.fer2013 import Fer2013
from labeling.sources.flickr import Flickr
from labeling.sources.folder import Folder
from labeling.sources.google import Google
from labeling.sources.labelled import Labelled
from labeling.sources.s3 import S3, SCHEME
from labeling.sources.single import Single
from labeling.sources.web import Web
from labeling.sources.youtube import YouTube
from labeling.sources.zipped import Zip

KINDS: dict[str, Kind] = {
    "folder": Folder(),
    "zip": Zip(),
    "fer2013": Fer2013(),
    "web": Web(),
    "file": Single(),
}
"""In the order in which a path is tried on them."""
SITES: dict[str, Site] = {
    "s3": S3(),
    "flickr": Flickr(),
    "google": Google(),
    "youtube": YouTube(),
    "labelled": Labelled(),
}
"""Kinds whose location is an address; that of a labelled set may be a path as well."""
PAGES = ("flickr", "google", "youtube")
"""Those of SITES whose address is one of a page of the web."""
KIND_WORDS: dict[str, Any] = {
    "folder": _("folder"),
    "zip": _("zip"),
    "fer2013": "fer2013",
    "web": _("web addresses"),
    "file": _("file"),
    "s3": _("S3 bucket"),
    "labelled": _("labelled set"),
    "flickr": "Flickr",
    "google": "Google",
    "youtube": "YouTube",
}
"""Their names for people."""


def is_elsewhere(kind: str, location: str) -> bool:
    """Whether the location is an address and no path of this machine."""
    if kind == "labelled":
        return location.lower().startswith(SCHEME)
    return kind in SITES or (not kind and location.lower().startswith((SCHEME, "http://", "https://")))
