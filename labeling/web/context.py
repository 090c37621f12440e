"""Where a face comes from, for the annotator who is asked about it."""

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from labeling.rules import may_vote
from labeling.sources import pictures, surroundings
from labeling.web.doors import door


@door(may_vote)
@require_safe
def vote_context(request: HttpRequest, campaign_pk: int, campaign_face_pk: int) -> HttpResponse:
    """The whole picture with the face in a frame. No header tells what the file was called."""
    face = surroundings.own_face(
        campaign_pk=campaign_pk, campaign_face_pk=campaign_face_pk, annotator=request.user
    )
    if face is None:
        raise Http404("This face is not before you.")
    try:
        jpeg = surroundings.marked(face)
    except pictures.CannotShow as reason:
        raise Http404("This picture can't be shown.") from reason
    return HttpResponse(jpeg, content_type="image/jpeg", headers={"Cache-Control": "private, max-age=3600"})
