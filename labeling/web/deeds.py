"""The last thing a manager did to faces, told once in a toast, with Undo."""

import secrets
from dataclasses import dataclass

from django.http import HttpRequest
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from labeling.gallery import Deed

_KEY = "gallery_deed"


@dataclass(frozen=True)
class Told:
    text: str
    key: str


def tell(request: HttpRequest, deed: Deed, *, campaign: str = "") -> None:
    """Keep the deed for the next page, and how to undo it."""
    request.session[_KEY] = {
        "key": secrets.token_urlsafe(9),
        "text": _words(deed, campaign),
        "token": deed.token if deed.faces else "",
        "fresh": True,
    }


def last(request: HttpRequest) -> Told | None:
    """What was just done, if it was not told yet."""
    kept = request.session.get(_KEY)
    if not kept or not kept["fresh"]:
        return None
    request.session[_KEY] = kept | {"fresh": False}
    return Told(kept["text"], kept["key"] if kept["token"] else "")


def token(request: HttpRequest, key: str) -> str:
    """How to undo the deed of this key; empty if it is not the last one, or undone already."""
    kept = request.session.get(_KEY)
    return kept["token"] if kept and key and kept["key"] == key else ""


def forget(request: HttpRequest) -> None:
    request.session.pop(_KEY, None)


def _words(deed: Deed, campaign: str) -> str:
    count = number_format(deed.faces, force_grouping=True)
    beside = number_format(deed.beside, force_grouping=True)
    return {
        "left_out": _left_out,
        "taken_back": _taken_back,
        "added": _added,
        "let_in": _let_in,
        "merged": _merged,
        "corrected": _corrected,
    }.get(deed.verb, _parted)(deed, count, beside, campaign)


def _left_out(deed: Deed, count: str, beside: str, campaign: str) -> str:
    text = ngettext("{count} face left out.", "{count} faces left out.", deed.faces).format(count=count)
    if not deed.beside:
        return text
    if deed.faces == 1:
        return _("{text} It is in a campaign and stays in it.").format(text=text)
    stay = ngettext(
        "{count} of them is in a campaign and stays in it.",
        "{count} of them are in a campaign and stay in it.",
        deed.beside,
    )
    return f"{text} {stay.format(count=beside)}"


def _taken_back(deed: Deed, count: str, beside: str, campaign: str) -> str:
    text = ngettext("{count} face taken back.", "{count} faces taken back.", deed.faces).format(count=count)
    if not deed.beside:
        return text
    corrected = ngettext(
        "Another face stands for {count} with a corrected box: undo that on its page.",
        "Other faces stand for {count} with corrected boxes: undo that on their pages.",
        deed.beside,
    )
    return f"{text} {corrected.format(count=beside)}"


def _corrected(deed: Deed, count: str, beside: str, campaign: str) -> str:
    text = _("The box is corrected.")
    if not deed.beside:
        return text
    stays = ngettext(
        "In {count} campaign somebody has seen the old face: there it stays.",
        "In {count} campaigns somebody has seen the old face: there it stays.",
        deed.beside,
    )
    return f"{text} {stays.format(count=beside)}"


def _added(deed: Deed, count: str, beside: str, campaign: str) -> str:
    text = ngettext(
        "{count} face added to {campaign}.", "{count} faces added to {campaign}.", deed.faces
    ).format(count=count, campaign=campaign)
    if deed.kept_out:
        kept_out = ngettext(
            "{count} does not meet its rule on quality.",
            "{count} do not meet its rule on quality.",
            deed.kept_out,
        )
        text = f"{text} {kept_out.format(count=number_format(deed.kept_out, force_grouping=True))}"
    if not deed.beside:
        return text
    not_added = ngettext(
        "{count} is left out and was not added.", "{count} are left out and were not added.", deed.beside
    )
    return f"{text} {not_added.format(count=beside)}"


def _let_in(deed: Deed, count: str, beside: str, campaign: str) -> str:
    return ngettext(
        "{n} face added, whatever its quality.", "{n} faces added, whatever their quality.", deed.faces
    ).format(n=count)


def _merged(deed: Deed, count: str, beside: str, campaign: str) -> str:
    return ngettext(
        "Merged: {count} face in one group.", "Merged: {count} faces in one group.", deed.faces
    ).format(count=count)


def _parted(deed: Deed, count: str, beside: str, campaign: str) -> str:
    return _("The face is in a group of its own now.")
