"""Campaigns and the votes in them."""

from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from labeling import adjudication, campaigns, own
from labeling.api.asking import asked
from labeling.api.campaigns import CampaignLifeMixin
from labeling.api.gold import GoldMixin
from labeling.api.paging import NewestFirst
from labeling.api.people import PeopleMixin
from labeling.api.permissions import those_who
from labeling.api.serializers.campaigns import CampaignSerializer, ProgressSerializer
from labeling.api.serializers.voting import (
    AdjudicateSerializer,
    AdjudicationSerializer,
    CastSerializer,
    LeasedSerializer,
    LimitSerializer,
    OwnStatisticsSerializer,
    RetractSerializer,
    SkipSerializer,
    UndoSerializer,
    VoteSerializer,
    WithdrawnSerializer,
)
from labeling.models import Campaign
from labeling.rules import may_manage, may_see_labels, may_vote
from labeling.voting import votes

Voters = those_who(may_vote)
Managers = those_who(may_manage)


def _anybody_with_a_role(user: Any) -> bool:
    return may_vote(user) or may_see_labels(user)


class CampaignViewSet(
    CampaignLifeMixin,
    PeopleMixin,
    GoldMixin,
    mixins.ListModelMixin,
    mixins.RetrieveModelMixin,
    viewsets.GenericViewSet[Campaign],
):
    """Questions about sets of faces."""

    queryset = Campaign.objects.prefetch_related("groups")
    serializer_class = CampaignSerializer
    permission_classes = [those_who(_anybody_with_a_role, may_manage)]
    pagination_class = NewestFirst

    @extend_schema(responses=ProgressSerializer)
    @action(detail=True, permission_classes=[those_who(may_see_labels)])
    def progress(self, request: Request, pk: str) -> Response:
        """How far it is and what came out. Not for annotators: votes are blind."""
        return Response(ProgressSerializer(campaigns.progress(self.get_object())).data)

    @extend_schema(responses=OwnStatisticsSerializer)
    @action(detail=True, permission_classes=[Voters])
    def mine(self, request: Request, pk: str) -> Response:
        """Your own figures in the campaign. Of what others say, only sums over many faces are told."""
        return Response(OwnStatisticsSerializer(own.statistics(self.get_object(), request.user)).data)

    @extend_schema(request=AdjudicateSerializer, responses=AdjudicationSerializer)
    @action(detail=True, methods=["post"])
    def adjudicate(self, request: Request, pk: str) -> Response:
        """Decide on a settled face, whatever its votes say; they stay beside the decision."""
        wanted = asked(AdjudicateSerializer, request)
        made = adjudication.adjudicate(
            campaign_face_id=self._face(wanted),
            label=wanted["label"],
            reason=wanted["reason"],
            by=request.user,
            seen=wanted.get("seen"),
        )
        return Response(AdjudicationSerializer(made).data)

    @extend_schema(request=RetractSerializer, responses=AdjudicationSerializer)
    @action(detail=True, methods=["post"])
    def retract(self, request: Request, pk: str) -> Response:
        """Take the standing decision back: the face says again what its votes say."""
        face = self._face(asked(RetractSerializer, request))
        return Response(
            AdjudicationSerializer(adjudication.retract(campaign_face_id=face, by=request.user)).data
        )

    def _face(self, wanted: dict[str, Any]) -> int:
        return get_object_or_404(self.get_object().campaign_faces, pk=wanted["campaign_face"]).pk

    @extend_schema(request=LimitSerializer, responses=LeasedSerializer(many=True))
    @action(detail=True, methods=["post"], permission_classes=[Voters], pagination_class=None)
    def lease(self, request: Request, pk: str) -> Response:
        """Hold up to `limit` faces for your vote; those you hold already come first."""
        wanted = asked(LimitSerializer, request)
        held = votes.lease(campaign=self.get_object(), annotator=request.user, limit=wanted["limit"])
        return Response(LeasedSerializer(held, many=True).data)

    @extend_schema(request=VoteSerializer, responses=CastSerializer)
    @action(detail=True, methods=["post"], permission_classes=[Voters])
    def vote(self, request: Request, pk: str) -> Response:
        """Answer a face you hold. Send it again with the same client_key as often as you like."""
        wanted = asked(VoteSerializer, request)
        cast = votes.cast(
            campaign=self.get_object(),
            annotator=request.user,
            campaign_face_id=wanted["campaign_face"],
            answer=wanted["answer"],
            second=wanted["second"],
            client_key=wanted["client_key"],
            took_ms=wanted.get("took_ms"),
        )
        return Response(CastSerializer(cast).data)

    @extend_schema(request=SkipSerializer, responses={204: None})
    @action(detail=True, methods=["post"], permission_classes=[Voters])
    def skip(self, request: Request, pk: str) -> Response:
        """Pass a face on; it is not offered to you again in this round."""
        wanted = asked(SkipSerializer, request)
        votes.skip(
            campaign=self.get_object(),
            annotator=request.user,
            campaign_face_id=wanted["campaign_face"],
            reason=wanted["reason"],
        )
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=UndoSerializer, responses=WithdrawnSerializer)
    @action(detail=True, methods=["post"], permission_classes=[Voters])
    def undo(self, request: Request, pk: str) -> Response:
        """Take back your newest vote, or the one named."""
        wanted = asked(UndoSerializer, request)
        withdrawn = votes.withdraw(
            campaign=self.get_object(), annotator=request.user, client_key=wanted.get("client_key")
        )
        return Response(WithdrawnSerializer(withdrawn).data)
