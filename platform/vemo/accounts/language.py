"""Which language a person reads: by their profile, else by the browser's cookie, else as the browser asks."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.middleware.locale import LocaleMiddleware
from django.utils import translation
from django.utils.cache import patch_vary_headers

from labeling.refusals import Refusal
from vemo.accounts.models import User

BY_COOKIE_ALONE = frozenset(f"labeling:vote_{deed}" for deed in ("next", "cast", "skip", "undo"))
"""Addresses asked so often that the profile is not read for them: the vote page has set the cookie by then."""
SPOKEN = ("text/", "application/json")


class NoSuchLanguage(Refusal):
    """The site does not speak this language; the message says what to do."""


def choose(*, user: User, language: str) -> None:
    """Keep the language in the profile; empty: as the browser says. Raises NoSuchLanguage."""
    demand(language)
    user.language = language
    user.save(update_fields=["language"])


def demand(language: str) -> None:
    if language and language not in dict(settings.LANGUAGES):
        raise NoSuchLanguage(
            translation.gettext("This site does not speak that language. Choose one of the list.")
        )


def remember(response: HttpResponseBase, language: str) -> None:
    """Have the browser keep the language; empty: forget it."""
    name, path, domain = (
        settings.LANGUAGE_COOKIE_NAME,
        settings.LANGUAGE_COOKIE_PATH,
        settings.LANGUAGE_COOKIE_DOMAIN,
    )
    same_site: Any = settings.LANGUAGE_COOKIE_SAMESITE
    if not language:
        response.delete_cookie(name, path=path, domain=domain, samesite=same_site)
        return
    response.set_cookie(
        name,
        language,
        max_age=settings.LANGUAGE_COOKIE_AGE,
        path=path,
        domain=domain,
        secure=settings.LANGUAGE_COOKIE_SECURE,
        httponly=settings.LANGUAGE_COOKIE_HTTPONLY,
        samesite=same_site,
    )


class LanguageMiddleware(LocaleMiddleware):
    """Cookie or browser first, then the profile once the view is known; the cookie follows the profile."""

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> None:
        match = request.resolver_match
        if match is not None and match.view_name not in BY_COOKIE_ALONE and (language := _own(request)):
            translation.activate(language)
            request.LANGUAGE_CODE = language

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        match = request.resolver_match
        if match is not None and match.view_name not in BY_COOKIE_ALONE:
            language = _own(request)
            if language and request.COOKIES.get(settings.LANGUAGE_COOKIE_NAME) != language:
                remember(response, language)
        if response.headers.get("Content-Type", "").startswith(SPOKEN):
            response.headers.setdefault(
                "Content-Language", translation.get_language() or settings.LANGUAGE_CODE
            )
            patch_vary_headers(response, ("Accept-Language", "Cookie"))
        return response


def _own(request: HttpRequest) -> str:
    """The language of the signed-in person's profile, if it is one the site speaks; else empty."""
    language = getattr(request.user, "language", "")
    return language if language in dict(settings.LANGUAGES) else ""
