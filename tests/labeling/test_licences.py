"""Licences: which one a text means, what it allows, and what is asked for."""

import pytest

from labeling.licences import DEMANDS, LICENCES, kept, meeting, understood, why_not
from labeling.sources.flickr.api import licence_name

UNDERSTOOD = {
    "CC BY 4.0": "cc-by-4.0",
    "CC-BY-4.0": "cc-by-4.0",
    "cc by–nc 4.0": "cc-by-nc-4.0",
    "CC BY": "cc-by",
    "CCBY4.0": "cc-by-4.0",
    "CC BY-NC-ND 1.0": "cc-by-nc-nd-1.0",
    "CC BY-SA 3.0 DE": "cc-by-sa-3.0-de",
    "CC BY-SA 3.0 IGO": "cc-by-sa-3.0-igo",
    "(CC BY 2.0)": "cc-by-2.0",
    "Cc-by-sa-2.5": "cc-by-sa-2.5",
    "https://creativecommons.org/licenses/by/2.0/": "cc-by-2.0",
    "http://creativecommons.org/licenses/by-nd-nc/1.0": "cc-by-nc-nd-1.0",
    "//creativecommons.org/licenses/by-sa/3.0/de/deed.en": "cc-by-sa-3.0-de",
    "https://creativecommons.org/licenses/by/4.0/legalcode.de": "cc-by-4.0",
    "https://creativecommons.org/licenses/by/4.0/deed.zh-hans": "cc-by-4.0",
    "CC BY 2.0 (https://creativecommons.org/licenses/by/2.0/).": "cc-by-2.0",
    "[CC BY](https://creativecommons.org/licenses/by/2.0/)": "cc-by-2.0",
    "https://creativecommons.org/publicdomain/zero/1.0/deed.vi": "cc0-1.0",
    "https://creativecommons.org/publicdomain/mark/1.0/": "pdm-1.0",
    "Creative Commons Attribution license (reuse allowed)": "cc-by",
    "Creative Commons Attribution 4.0 International (CC BY 4.0)": "cc-by-4.0",
    "This work is licensed under a Creative Commons Attribution-ShareAlike 4.0 International License.": (
        "cc-by-sa-4.0"
    ),
    "Creative Commons Attribution-NonCommercial-NoDerivs 2.0 Generic": "cc-by-nc-nd-2.0",
    "Attribution-NonCommercial-ShareAlike License": "cc-by-nc-sa",
    "Attribution License": "cc-by",
    "Attribution 3.0 Unported": "cc-by-3.0",
    "Creative Commons Namensnennung - Weitergabe unter gleichen Bedingungen 3.0 Deutschland": "cc-by-sa-3.0-de",
    "Creative-Commons-Lizenz Namensnennung – Nicht kommerziell 4.0 International": "cc-by-nc-4.0",
    "Giấy phép Creative Commons Ghi công – Phi thương mại – Chia sẻ tương tự 4.0": "cc-by-nc-sa-4.0",
    "Flickr license 4": "cc-by-2.0",
    "flickr:9": "cc0-1.0",
    "CC0": "cc0-1.0",
    "CC0 1.0 Universal": "cc0-1.0",
    "Creative Commons Zero v1.0 Universal": "cc0-1.0",
    "Public Domain Dedication (CC0)": "cc0-1.0",
    "Public Domain": "public-domain",
    "Gemeinfrei.": "public-domain",
    "thuộc phạm vi công cộng": "public-domain",
    "Public Domain Mark 1.0": "pdm-1.0",
    "United States Government Work": "us-government",
    "No known copyright restrictions": "no-known-copyright",
    "All Rights Reserved": "reserved",
    "Alle Rechte vorbehalten": "reserved",
    "Standard YouTube License": "youtube",
    "own work": "own",
    "Eigenes Werk": "own",
    "ảnh tự chụp": "own",
    "mit Einwilligung": "consent",
    "theo hợp đồng": "contract",
}


@pytest.mark.parametrize(("text", "code"), UNDERSTOOD.items())
def test_what_is_found_in_the_wild_is_understood(text: str, code: str) -> None:
    assert understood(text) == code


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "4",
        "by",
        "CC",
        "Creative Commons",
        "Attribution",
        "not CC BY 4.0",
        "no CC BY 3.0",
        "CC BY 4.0 for schools only",
        "CC BY 4.0 or ask me",
        "CC BY 4.0, 3.0",
        "CC BY 4.0 DE",
        "CC BY 2.1",
        "CC BY 3.5",
        "CC BY-ND-SA 4.0",
        "CC NC 4.0",
        "CC BY, public domain",
        "CC BY (https://creativecommons.org/licenses/by-nc/2.0/)",
        "https://creativecommons.org/licenses/by/2.0/ https://creativecommons.org/licenses/by/4.0/",
        "https://creativecommons.org/licenses/by/4.0/../../by-nc/4.0/",
        "https://creativecommons.org/licenses/sampling+/1.0/",
        "https://creativecommons.org.example/licenses/by/4.0/",
        "https://a.example/?creativecommons.org/licenses/by/4.0/",
        "Creative Commons Attribution 4.0 International (CC BY-NC 4.0)",
        "GFDL",
        "Flickr license 99",
        "YouTube, reuse allowed",
        "I consent to nothing",
        "CC BY 4.0 " * 100,
    ],
)
def test_what_is_not_sure_is_unknown_and_never_guessed(text: str) -> None:
    assert understood(text) == ""


def test_every_licence_is_understood_by_its_code_its_address_and_its_name() -> None:
    for one in LICENCES.values():
        assert understood(one.code) == one.code
        assert understood(one.name) == one.code
        if "creativecommons.org" in one.url:
            assert understood(one.url) == one.code


def test_what_flickr_names_is_understood_as_it_is_kept() -> None:
    kept = licence_name("Attribution License", "https://creativecommons.org/licenses/by/2.0/")
    assert understood(kept) == "cc-by-2.0"


def test_codes_fit_into_their_column() -> None:
    assert max(map(len, LICENCES)) <= 40


def test_what_is_unknown_meets_no_demand() -> None:
    assert why_not("", list(DEMANDS)) == tuple(DEMANDS)
    assert why_not("of another version", ["no_nc"]) == ("no_nc",)
    assert why_not("", []) == ()


@pytest.mark.parametrize(
    ("code", "unmet"),
    [
        ("cc0-1.0", ()),
        ("own", ()),
        ("cc-by-4.0", ()),
        ("cc-by-sa-2.0", ("no_sa",)),
        ("cc-by-nc-2.0", ("no_nc",)),
        ("cc-by-nc-nd-3.0-de", ("no_nc", "no_nd")),
        ("cc-by-nc-sa", ("no_nc", "no_sa")),
        ("reserved", ("no_reserved", "no_nc", "no_nd")),
        ("youtube", ("no_reserved", "no_nc", "no_nd")),
        ("contract", ("no_nc", "no_nd", "no_sa")),
    ],
)
def test_a_demand_is_met_by_what_surely_allows_it(code: str, unmet: tuple[str, ...]) -> None:
    assert why_not(code, list(DEMANDS)) == unmet


def test_the_licences_that_meet_a_rule_are_those_nothing_is_said_against() -> None:
    free = meeting(["no_nc", "no_sa"])
    assert {"cc0-1.0", "cc-by-4.0", "cc-by-nd-2.0"} <= free
    assert not free & {"cc-by-nc-4.0", "cc-by-sa-4.0", "reserved", "consent", ""}
    assert meeting([]) == LICENCES.keys()


def test_a_rule_is_kept_in_one_order() -> None:
    assert kept(["no_nd", "no_cats", "no_nc", "no_nd"]) == ["no_nc", "no_nd", "no_cats"]
