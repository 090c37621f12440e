"""On what basis media are taken in. Before anything is fetched from elsewhere, somebody has to say so."""

import re
from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _

from labeling.licences import UNKNOWN, understood
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
_NOT_UNDERSTOOD = gettext_noop(
    "Its licence “{licence}” is not understood, so it cannot be taken in as openly licensed. Write the licence’s name "
    "or address, such as CC BY 4.0; or add the source again for the reason that does hold."
)
_CLOSED_CODES = ("reserved", "youtube", "consent", "contract")
_CLOSED = re.compile(r"\b(all rights reserved|copyright(ed)?|proprietary)\b|©", re.IGNORECASE)
AS_GOOGLE_FINDS = ", as Google finds"
"""Behind a licence by which Google filtered: what the page says is for a person to read."""


def why_not(options: Mapping[str, Any], licence: str) -> str:
    """Why a source with these options may not take in something under this licence; empty if it may."""
    if options.get(BASIS) != OPEN:
        return ""
    if not licence:
        return _NO_LICENCE
    code = understood(licence.removesuffix(AS_GOOGLE_FINDS))
    if code in _CLOSED_CODES or (code == UNKNOWN and _CLOSED.search(licence)):
        return _RESERVED.format(licence=licence)
    return _NOT_UNDERSTOOD.format(licence=licence) if code == UNKNOWN else ""
