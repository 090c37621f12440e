"""Where media can be taken from: which kind a location is of, whether it can be used so, and opening it."""

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from labeling.fetching import targets
from labeling.fetching.refusals import CannotFetch
from labeling.sayings import told
from labeling.sources import KIND_WORDS, KINDS, PAGES, SITES, is_elsewhere, rights
from labeling.sources.base import LONGEST_LOCATOR, Beat, CannotAdd, CannotRead, Place
from labeling.sources.s3 import SCHEME
from labeling.vision import detectors

DETECT = "detect"
"""The option that every kind has: detectors to run when all is in."""


def guess_kind(path: Path | str) -> str:
    """The key of KINDS or SITES that the path or address looks like. Raises CannotAdd."""
    if is_elsewhere("", str(path)):
        return _guess_site(str(path))
    place = _existing(path)
    for name, kind in KINDS.items():
        if kind.fits(place):
            return name
    raise CannotAdd(
        _(
            "“{path}” is neither a folder nor a zip, an image, a video, a FER2013 CSV or a list of web addresses. "
            "Name one of these, or say which kind it is."
        ).format(path=path)
    )


def _guess_site(address: str) -> str:
    for name, site in SITES.items():
        if site.fits(address):
            return name
    raise CannotAdd(
        _(
            "“{address}” is a page of none of the sites that are known here ({known}). To fetch a file from there, "
            "write the file’s own address among the web addresses."
        ).format(address=address, known=", ".join(str(KIND_WORDS[name]) for name in PAGES))
    )


def checked(kind: str, location: str | Path, options: Mapping[str, Any] | None) -> dict[str, Any]:
    """kind, location and options of a source, found to be usable. Raises CannotAdd."""
    place = _address(str(location)) if is_elsewhere(kind, str(location)) else str(_existing(location))
    kind = kind or guess_kind(place)
    if kind not in (*KINDS, *SITES):
        raise CannotAdd(
            _("There is no kind of source “{kind}”; there are {known}.").format(
                kind=kind, known=", ".join((*KINDS, *SITES))
            )
        )
    wanted = {name: value for name, value in (options or {}).items() if value not in (None, "", [])}
    _check_options(kind, wanted)
    if "ferplus" in wanted:
        wanted["ferplus"] = str(_existing(wanted["ferplus"]))
    try:
        with opened(kind, place, wanted, _unheard):
            pass
    except (CannotRead, OSError) as reason:
        raise CannotAdd(told(str(reason))) from reason
    return {"kind": kind, "location": place, "options": wanted}


def _address(text: str) -> str:
    address = text.strip()
    try:
        if not address.lower().startswith(SCHEME):
            targets.parse(address)
    except CannotFetch as reason:
        raise CannotAdd(told(str(reason))) from reason
    if len(address) > LONGEST_LOCATOR:
        raise CannotAdd(
            _("The address has {characters} characters; {most} are allowed.").format(
                characters=len(address), most=LONGEST_LOCATOR
            )
        )
    return address


def _check_options(kind: str, options: Mapping[str, Any]) -> None:
    own = (SITES[kind] if kind in SITES else KINDS[kind]).option_names
    known = {DETECT, rights.BASIS, rights.NOTE, *own}
    for name in options:
        if name not in known:
            raise CannotAdd(
                _("A source of kind {kind} has no option “{name}”; it has {known}.").format(
                    kind=kind, name=name, known=", ".join(sorted(known))
                )
            )
    _check_basis(options, needed=rights.BASIS in own)
    names = options.get(DETECT, [])
    offered = detectors.available(settings.YUNET_MODEL)
    if not isinstance(names, list):
        raise CannotAdd(
            _("The option {option} is a list of detectors, not {value}.").format(
                option=DETECT, value=repr(names)
            )
        )
    for name in names:
        if name not in offered:
            raise CannotAdd(
                _("The detector “{name}” cannot run here; there is {known}.").format(
                    name=name, known=", ".join(offered)
                )
            )


def _check_basis(options: Mapping[str, Any], *, needed: bool) -> None:
    basis, note = options.get(rights.BASIS), options.get(rights.NOTE, "")
    if (basis is not None or needed) and basis not in rights.BASES:
        raise CannotAdd(
            _(
                "Before anything is taken in, say on what basis these media may be used: the option {option} is "
                "{known}."
            ).format(option=rights.BASIS, known=", ".join(rights.BASES))
        )
    if not isinstance(note, str) or len(note) > rights.LONGEST_NOTE:
        raise CannotAdd(
            _("The option {option} is a text of at most {most} characters.").format(
                option=rights.NOTE, most=rights.LONGEST_NOTE
            )
        )


def _unheard(*, message: str = "") -> None:
    """For whom nobody waits or watches."""


def opened(
    kind: str, location: str, options: Mapping[str, Any], alive: Beat
) -> AbstractContextManager[Place]:
    """The place. Raises CannotRead."""
    wanted = {name: value for name, value in options.items() if name not in (DETECT, rights.NOTE)}
    if kind in SITES:
        return SITES[kind].open(location, wanted, alive)
    return KINDS[kind].open(Path(location), wanted)


def name_of(fields: Mapping[str, Any]) -> str:
    """What a source is called whom nobody names."""
    location: str = fields["location"]
    if is_elsewhere(fields["kind"], location):
        return location.partition("://")[2]
    return Path(location).name or location


def _existing(location: Path | str) -> Path:
    path = Path(os.path.abspath(Path(location).expanduser()))
    if not path.exists():
        raise CannotAdd(_("There is nothing at “{location}”.").format(location=location))
    if not (path.is_file() or path.is_dir()):
        raise CannotAdd(_("“{location}” is neither a file nor a folder.").format(location=location))
    return path
