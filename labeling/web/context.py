"""Where a face comes from, for the annotator who is asked about it."""

from collections.abc import Callable

from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from labeling.models import Face
from labeling.rules import may_vote
from labeling.sources import pictures, surroundings
from labeling.web.doors import door


@door(may_vote)
@require_safe
def vote_context(request: HttpRequest, campaign_pk: int, campaign_face_pk: int) -> HttpResponse:
    """The whole picture with the face in a frame."""
    return _shown(request, campaign_pk, campaign_face_pk, surroundings.marked)


@door(may_vote)
@require_safe
def vote_second(request: HttpRequest, campaign_pk: int, campaign_face_pk: int) -> HttpResponse:
    """Of a video, the second around the face: five frames side by side. Nothing (204) for the face of a picture."""
    return _shown(request, campaign_pk, campaign_face_pk, surroundings.second)


def _shown(
    request: HttpRequest, campaign_pk: int, campaign_face_pk: int, drawn: Callable[[Face], bytes]
) -> HttpResponse:
    """For who holds the face or has answered it. No header tells what the file was called."""
    face = surroundings.own_face(
        campaign_pk=campaign_pk, campaign_face_pk=campaign_face_pk, annotator=request.user
    )
    if face is None:
        raise Http404(_("This face is not before you."))
    try:
        jpeg = drawn(face)
    except surroundings.NoVideo:
        return HttpResponse(status=204)
    except pictures.CannotShow as reason:
        raise Http404(_("This picture can't be shown.")) from reason
    return HttpResponse(jpeg, content_type="image/jpeg", headers={"Cache-Control": "private, max-age=3600"})
