"""The licences that are known, and what each allows."""

from collections.abc import Iterator
from dataclasses import dataclass

from labeling.sayings import gettext_noop

UNKNOWN = ""
"""The code of whatever is not understood."""


@dataclass(frozen=True)
class Licence:
    """What a licence allows and asks for; None where its name alone does not say."""

    code: str
    name: str
    url: str
    """Its text; empty where there is none, or where it is not known which version is meant."""
    commercial: bool | None
    """It may be used to make money."""
    derivatives: bool | None
    """Changed versions, crops among them, may be passed on."""
    share_alike: bool | None
    """What is made of it has to carry the same licence."""
    attribution: bool | None
    """The author has to be named."""


PARTS = ("by", "by-sa", "by-nc", "by-nd", "by-nc-sa", "by-nc-nd")
"""The six licences of Creative Commons as their addresses name them since version 2.0."""
PORTS: dict[str, tuple[str, ...]] = {
    version: tuple(ports.split())
    for version, ports in {
        "1.0": "fi il nl",
        "2.0": "at au be br ca cl de es fr hr it jp kr nl pl tw uk za",
        "2.1": "au ca es jp",
        "2.5": "ar au bg br ca ch cn co dk es hr hu il in it mk mt mx my nl pe pl pt scotland se si tw za",
        "3.0": (
            "at au br ch cl cn cr cz de ec ee eg es fr gr gt hk hr ie igo it lu nl no nz ph pl pr pt ro rs sg "
            "th tw ug us ve vn za"
        ),
        "4.0": "",
    }.items()
}
"""Version → the jurisdictions it was adapted to. Version 2.1 exists in such adaptations only; 4.0 has none."""
WITHOUT_PORT = ("1.0", "2.0", "2.5", "3.0", "4.0")
_CC = "https://creativecommons.org"


def code_of(parts: str, version: str = "", port: str = "") -> str:
    """The code of a Creative Commons licence; UNKNOWN if there is no such licence."""
    code = "-".join(filter(None, ("cc", parts, version, port)))
    return code if code in LICENCES else UNKNOWN


def licence(code: str) -> Licence | None:
    """The licence with this code; None for what is unknown."""
    return LICENCES.get(code)


def _creative_commons(parts: str, version: str = "", port: str = "") -> Licence:
    has = parts.split("-")
    # In version 1.0 the last two stand the other way round.
    path = "by-nd-nc" if (parts, version) == ("by-nc-nd", "1.0") else parts
    place = f"{port}/" if port else ""
    shown = {"igo": "IGO", "scotland": "Scotland"}.get(port, port.upper())
    return Licence(
        code="-".join(filter(None, ("cc", parts, version, port))),
        name=" ".join(filter(None, ("CC", parts.upper(), version, shown))),
        url=f"{_CC}/licenses/{path}/{version}/{place}" if version else "",
        commercial="nc" not in has,
        derivatives="nd" not in has,
        share_alike="sa" in has,
        attribution=True,
    )


def _all() -> Iterator[Licence]:
    for parts in PARTS:
        # What one of the six allows is the same in every version, so it is understood without one too.
        yield _creative_commons(parts)
        for version in WITHOUT_PORT:
            yield _creative_commons(parts, version)
        for version, ports in PORTS.items():
            for port in ports:
                yield _creative_commons(parts, version, port)
    free = {"commercial": True, "derivatives": True, "share_alike": False, "attribution": False}
    yield Licence("cc0-1.0", "CC0 1.0", f"{_CC}/publicdomain/zero/1.0/", **free)
    yield Licence("pdm-1.0", "Public Domain Mark 1.0", f"{_CC}/publicdomain/mark/1.0/", **free)
    yield Licence("public-domain", gettext_noop("Public domain"), "", **free)
    yield Licence("us-government", gettext_noop("Work of the United States government"), "", **free)
    yield Licence("own", gettext_noop("Own work"), "", **free)
    closed = {"commercial": False, "derivatives": False, "share_alike": False, "attribution": True}
    yield Licence("reserved", gettext_noop("All rights reserved"), "", **closed)
    yield Licence(
        "youtube", gettext_noop("Standard YouTube licence"), "https://www.youtube.com/t/terms", **closed
    )
    # What was agreed on is written elsewhere; the word alone promises nothing.
    unsaid = {"commercial": None, "derivatives": None, "share_alike": None, "attribution": None}
    yield Licence("consent", gettext_noop("By consent"), "", **unsaid)
    yield Licence("contract", gettext_noop("By contract"), "", **unsaid)
    yield Licence(
        "no-known-copyright",
        gettext_noop("No known copyright restrictions"),
        "https://rightsstatements.org/vocab/NKC/1.0/",
        **unsaid,
    )


LICENCES: dict[str, Licence] = {one.code: one for one in _all()}
"""Code → licence. Codes are kept with media, so none is ever renamed."""
