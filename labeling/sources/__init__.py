"""Kinds of sources. To add one: a module with a class like `base.Kind`, and a line here."""

from labeling.sources.base import Kind
from labeling.sources.fer2013 import Fer2013
from labeling.sources.folder import Folder
from labeling.sources.single import Single
from labeling.sources.zipped import Zip

KINDS: dict[str, Kind] = {
    "folder": Folder(),
    "zip": Zip(),
    "fer2013": Fer2013(),
    "file": Single(),
}
"""In the order in which a path is tried on them."""
