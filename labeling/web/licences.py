"""Media whose page names another licence now than when they were taken in."""

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from labeling import licence_checks
from labeling.licence_words import licence_line
from labeling.rules import may_manage
from labeling.web import paging
from labeling.web.doors import door

MEDIA_PER_PAGE = 100


@door(may_manage)
@require_safe
def licences_changed(request: HttpRequest) -> HttpResponseBase:
    page = paging.newest_first(licence_checks.changed(), request, "before", MEDIA_PER_PAGE)
    rows = [(media, licence_line(media.licence), licence_line(media.licence_now)) for media in page.rows]
    return render(request, "labeling/licences_changed.html", {"page": page, "rows": rows})
