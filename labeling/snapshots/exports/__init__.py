"""Somebody's formats. A new one is a module with a `write` and a line here."""

from labeling.sayings import gettext_noop
from labeling.snapshots.exports import attribution, fer2013, imagefolder
from labeling.snapshots.exports.format import Format

FORMATS: dict[str, Format] = {
    "imagefolder": Format(gettext_noop("ImageFolder zip"), ".zip", imagefolder.write),
    "fer2013": Format(gettext_noop("FER2013 CSV"), ".csv", fer2013.write),
    "attribution": Format(gettext_noop("Attribution CSV"), ".csv", attribution.write),
}
