"""What the frame of every page asks for."""

from django import template
from django.conf import settings
from django.http import HttpRequest

from vemo.pages.rooms import Room, rooms_of

register = template.Library()


@register.simple_tag(takes_context=True)
def rooms(context: template.Context) -> list[Room]:
    """The rooms this user may enter, for the navigation. Empty without a request (error pages)."""
    request: HttpRequest | None = context.get("request")
    if request is None or not hasattr(request, "user"):
        return []
    match = request.resolver_match
    return rooms_of(request.user, match.route if match is not None else "")


@register.simple_tag
def languages() -> list[tuple[str, str]]:
    """Code and own name of each language the site speaks."""
    return list(settings.LANGUAGES)
