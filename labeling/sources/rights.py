"""On what basis media are taken in. Before anything is fetched from elsewhere, somebody has to say so."""

import re
from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _

from labeling.licences import understood
from labeling.sayings import gettext_noop

BASIS = "basis"
"""The option of every kind; those that fetch from elsewhere are not opened without it."""
NOTE = "basis_note"
"""The option of every kind that says more of it: the number of a contract, who keeps the consents."""
LONGEST_NOTE = 500
OWN, LICENSED, CONSENT, CONTRACT, OPEN = "own", "licensed", "consent", "contract", "open"
BASES: dict[str, Any] = {
    OWN: _("They are our own."),
    LICENSED: _("Who owns them has given us a licence for this use."),
    CONSENT: _("The people they show have consented to this use, and who made them agrees."),
    CONTRACT: _("A contract with who owns them allows this use."),
    OPEN: _("They are openly licensed or in the public domain, each as its licence says."),
}
_NO_LICENCE = gettext_noop(
    "It names no licence, so it cannot be taken in as openly licensed. Name one beside it, or for the whole source."
)
_RESERVED = gettext_noop("Its licence is “{licence}”, which is not an open one.")
_CLOSED_CODES = ("reserved", "youtube")
_CLOSED = re.compile(r"\b(all rights reserved|copyright(ed)?|proprietary)\b|©", re.IGNORECASE)
_PUBLIC = re.compile(r"no (known )?copyright|free use", re.IGNORECASE)


def why_not(options: Mapping[str, Any], licence: str) -> str:
    """Why a source with these options may not take in something under this licence; empty if it may."""
    if options.get(BASIS) != OPEN:
        return ""
    if not licence:
        return _NO_LICENCE
    closed = _CLOSED.search(licence) and not _PUBLIC.search(licence)
    if closed or understood(licence) in _CLOSED_CODES:
        return _RESERVED.format(licence=licence)
    return ""
