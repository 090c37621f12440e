"""Which licence a text means: what people, platforms and pages write.

The whole text has to make sense, or it is unknown: of “not CC BY” and “CC BY, but ask first” nobody should
remember the CC BY.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

from labeling.licences.catalogue import LICENCES, PORTS, UNKNOWN, WITHOUT_PORT, code_of

LONGEST = 400
"""A text with more characters than this is no licence's name."""
_ADDRESS = re.compile(
    r"(?<![\w.-])(?:https?:)?(?://)?(?:www\.)?creativecommons\.org/"
    r"(?:licen[cs]es/(?P<parts>[a-z+-]+)/(?P<version>\d\.\d)(?:/(?P<port>(?!deed|legalcode)[a-z]{2,8})(?![a-z.]))?"
    r"|publicdomain/(?P<tool>zero|mark)/1\.0)"
    r"(?:/(?:deed|legalcode)(?:\.[a-z]{2}(?:[-_][a-z]+)?)?)?/?(?!\.?[\w/?#-])"
)
_DASHES = dict.fromkeys(map(ord, "‐‑‒–—−"), "-") | dict.fromkeys(map(ord, "“”„«»\"'’‘`*<>|"), " ")
_PHRASES = {
    "creativecommon": "cc-by",  # what YouTube's interface calls it
    "creative commons attribution license (reuse allowed)": "cc-by",
    "creative commons - attribution (reuse allowed)": "cc-by",
    "creative commons (wiederverwendung erlaubt)": "cc-by",
    "creative commons-lizenz mit quellenangabe (wiederverwendung erlaubt)": "cc-by",
    "attribution license": "cc-by",
    "public domain": "public-domain",
    "publicdomain": "public-domain",
    "in the public domain": "public-domain",
    "gemeinfrei": "public-domain",
    "phạm vi công cộng": "public-domain",
    "thuộc phạm vi công cộng": "public-domain",
    "thuộc về công chúng": "public-domain",
    "public domain mark": "pdm-1.0",
    "public domain mark 1.0": "pdm-1.0",
    "creative commons public domain mark 1.0": "pdm-1.0",
    "cc public domain mark 1.0": "pdm-1.0",
    "pdm": "pdm-1.0",
    "pdm 1.0": "pdm-1.0",
    "united states government work": "us-government",
    "work of the united states government": "us-government",
    "us government work": "us-government",
    "pd-usgov": "us-government",
    "no known copyright restrictions": "no-known-copyright",
    "no known copyright": "no-known-copyright",
    "all rights reserved": "reserved",
    "alle rechte vorbehalten": "reserved",
    "mọi quyền được bảo lưu": "reserved",
    "bảo lưu mọi quyền": "reserved",
    "standard youtube license": "youtube",
    "standard youtube licence": "youtube",
    "youtube standard license": "youtube",
    "youtube-standardlizenz": "youtube",
    "standard-youtube-lizenz": "youtube",
    "giấy phép chuẩn của youtube": "youtube",
    "giấy phép youtube chuẩn": "youtube",
    "youtube": "youtube",
    "own": "own",
    "own work": "own",
    "our own": "own",
    "our own work": "own",
    "self-made": "own",
    "eigenes werk": "own",
    "eigene aufnahme": "own",
    "selbst aufgenommen": "own",
    "tự chụp": "own",
    "ảnh tự chụp": "own",
    "tự làm": "own",
    "tác phẩm của chính mình": "own",
    "consent": "consent",
    "by consent": "consent",
    "with consent": "consent",
    "einwilligung": "consent",
    "mit einwilligung": "consent",
    "có sự đồng ý": "consent",
    "được đồng ý": "consent",
    "contract": "contract",
    "by contract": "contract",
    "vertrag": "contract",
    "laut vertrag": "contract",
    "hợp đồng": "contract",
    "theo hợp đồng": "contract",
}
_FLICKR = re.compile(r"flickr(?: licen[cs]e)?(?: id)?[ :=#]+(\d{1,2})")
_FLICKR_NUMBERS = (
    "reserved", "cc-by-nc-sa-2.0", "cc-by-nc-2.0", "cc-by-nc-nd-2.0", "cc-by-2.0", "cc-by-sa-2.0", "cc-by-nd-2.0",
    "no-known-copyright", "us-government", "cc0-1.0", "pdm-1.0",
)  # fmt: skip
"""flickr.photos.licenses.getInfo: the place in this list is Flickr's number."""
_WORDS: tuple[tuple[str, str], ...] = (
    # The longer ones first.
    ("weitergabe unter gleichen bedingungen", "sa"),
    ("keine kommerzielle nutzung", "nc"),
    ("keine bearbeitungen", "nd"),
    ("keine bearbeitung", "nd"),
    ("nicht kommerziell", "nc"),
    ("nicht-kommerziell", "nc"),
    ("nichtkommerziell", "nc"),
    ("chia sẻ tương tự", "sa"),
    ("phi thương mại", "nc"),
    ("không phái sinh", "nd"),
    ("ghi công", "attribution"),
    ("namensnennung", "attribution"),
    ("non-commercial", "nc"),
    ("non commercial", "nc"),
    ("noncommercial", "nc"),
    ("no derivatives", "nd"),
    ("no derivative works", "nd"),
    ("noderivatives", "nd"),
    ("no derivs", "nd"),
    ("noderivs", "nd"),
    ("share alike", "sa"),
    ("share-alike", "sa"),
    ("sharealike", "sa"),
    ("creative commons", "cc"),
    ("creative-commons", "cc"),
    ("creativecommons", "cc"),
    ("giấy phép", "license"),
    ("licence", "license"),
    ("lizenz", "license"),
    ("public domain dedication", "public"),
    ("public domain", "public"),
    ("england and wales", "uk"),
    ("united states", "us"),
    ("intergovernmental organisations", "igo"),
    ("germany", "de"),
    ("deutschland", "de"),
    ("austria", "at"),
    ("österreich", "at"),
    ("switzerland", "ch"),
    ("schweiz", "ch"),
    ("việt nam", "vn"),
    ("vietnam", "vn"),
)
_NOISE = frozenset(
    {"license", "licensed", "unported", "generic", "international", "universal"}
    | {"this", "work", "is", "the", "a", "under", "unter"}
)
_FULL = {"attribution": "by", "by": "by", "nc": "nc", "nd": "nd", "sa": "sa"}
_VERSION = re.compile(r"\d\.\d")
_EXACT = re.compile(r"(?P<versioned>(?P<parts>cc-[a-z-]+?)-\d\.\d)(?:-[a-z]+)?")
_TWICE = re.compile(r"([^()]+)\(([^()]+)\)")
"""A name, and the same shorter in brackets."""
_ALL_PORTS = frozenset(port for ports in PORTS.values() for port in ports)


@lru_cache(maxsize=4096)
def understood(text: str) -> str:
    """The code of the licence the text means; UNKNOWN (empty) if that is not sure."""
    if len(text) > LONGEST:
        return UNKNOWN
    plain = " ".join(unicodedata.normalize("NFC", text).casefold().translate(_DASHES).split())
    addresses = [_of_address(found) for found in _ADDRESS.finditer(plain)]
    rest = _bare(_ADDRESS.sub(" ", plain))
    if not addresses:
        return _of_name(rest)
    return _agreed({*addresses, *([_of_name(rest)] if rest else [])})


def same(one: str, other: str) -> bool:
    """Whether two codes mean the same licence, one of them perhaps less exactly: without version or port."""
    return _agreed({one, other}) != UNKNOWN


def _agreed(codes: set[str]) -> str:
    """The most exact of these, if the others mean the same less exactly: without the version, without the port."""
    exact = max(codes, key=len)
    found = _EXACT.fullmatch(exact)
    same = {exact, *((found["parts"], found["versioned"]) if found else ())}
    return exact if codes <= same else UNKNOWN


def _bare(text: str) -> str:
    """Without what stands around a name and says nothing."""
    text = " ".join(text.replace("[ ]", " ").replace("( )", " ").replace("()", " ").split()).strip(
        " .,;:-[]/"
    )
    return (
        text[1:-1].strip() if text.startswith("(") and text.endswith(")") and text.count("(") == 1 else text
    )


def _of_address(found: re.Match[str]) -> str:
    if tool := found["tool"]:
        return {"zero": "cc0-1.0", "mark": "pdm-1.0"}[tool]
    return _creative_commons(found["parts"].split("-"), found["version"], found["port"] or "")


def _of_name(text: str) -> str:
    if text in LICENCES:
        return text
    if text in _PHRASES:
        return _PHRASES[text]
    if number := _FLICKR.fullmatch(text):
        place = int(number[1])
        return _FLICKR_NUMBERS[place] if place < len(_FLICKR_NUMBERS) else UNKNOWN
    if "youtube" in text or "flickr" in text:
        return UNKNOWN
    code = _of_words(list(_words(text)))
    if not code and (twice := _TWICE.fullmatch(text)):
        return _agreed({_of_name(_bare(part)) for part in twice.groups()})
    return code


def _words(text: str) -> Iterator[str]:
    for said, short in _WORDS:
        text = re.sub(rf"(?<!\w){re.escape(said)}(?!\w)", f" {short} ", text)
    # ccby4.0, by-sa3.0; but cc0 is a name
    text = re.sub(r"\bccby", "cc by", text)
    text = re.sub(r"(?<=[a-z])(?<!\bv)(?=[1-9]\.\d)", " ", text)
    for word in re.split(r"[\s,;:/()_-]+", text):
        version = word.removeprefix("v") if _VERSION.fullmatch(word.removeprefix("v")) else word
        if word and word not in _NOISE:
            yield version


def _of_words(words: list[str]) -> str:
    if {"cc0", "zero"} & set(words):
        sure = "cc0" in words or "cc" in words
        return "cc0-1.0" if sure and set(words) <= {"cc", "cc0", "zero", "public", "1.0"} else UNKNOWN
    if words[:2] == ["cc", "0"]:
        return "cc0-1.0" if set(words[2:]) <= {"1.0"} else UNKNOWN
    parts = [_FULL[word] for word in words if word in _FULL]
    versions = [word for word in words if _VERSION.fullmatch(word)]
    others = [word for word in words if word not in _FULL and word not in versions and word != "cc"]
    # Many a port is a word too, and “no CC BY 3.0” is not Norway's.
    if len(versions) > 1 or (others and words[-2:] != [*versions, *others]) or set(others) - _ALL_PORTS:
        return UNKNOWN
    # “by” and “attribution” alone are words of any language.
    named = "cc" in words or len(parts) > 1 or bool(versions and "attribution" in words)
    return _creative_commons(parts, "".join(versions), "".join(others)) if named else UNKNOWN


def _creative_commons(parts: list[str], version: str, port: str) -> str:
    if len(set(parts)) != len(parts) or parts[:1] != ["by"]:
        return UNKNOWN
    if version and not port and version not in WITHOUT_PORT:
        return UNKNOWN
    order = [part for part in ("by", "nc", "nd", "sa") if part in parts]
    return code_of("-".join(order), version, port) if len(order) == len(parts) else UNKNOWN
