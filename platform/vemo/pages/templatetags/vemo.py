"""What the frame of every page asks for."""

from dataclasses import dataclass

from django import template
from django.conf import settings
from django.http import HttpRequest

from vemo.pages.rooms import rooms_of

register = template.Library()


@dataclass(frozen=True)
class Room:
    name: str
    url: str
    here: bool


@register.simple_tag(takes_context=True)
def rooms(context: template.Context) -> list[Room]:
    """The rooms this user may enter, for the navigation. Empty without a request (error pages)."""
    request: HttpRequest | None = context.get("request")
    if request is None or not hasattr(request, "user"):
        return []
    return [Room(name, url, request.path.startswith(url)) for name, url in rooms_of(request.user)]


@register.simple_tag
def languages() -> list[tuple[str, str]]:
    """Code and own name of each language the site speaks."""
    return list(settings.LANGUAGES)
