"""Campaigns and the votes in them."""

from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from labeling import adjudication, campaigns
from labeling.api.paging import NewestFirst
from labeling.api.people import PeopleMixin
from labeling.api.permissions import those_who
from labeling.api.serializers import (
    AddedSerializer,
    AdjudicateSerializer,
    AdjudicationSerializer,
    CampaignSerializer,
    CastSerializer,
    ChosenFacesSerializer,
    LeasedSerializer,
    LimitSerializer,
    ProgressSerializer,
    RetractSerializer,
    SkipSerializer,
    UndoSerializer,
    VoteSerializer,
    WithdrawnSerializer,
)
from labeling.models import Campaign, Face
from labeling.rules import may_manage, may_see_labels, may_vote
from labeling.voting import votes

Voters = those_who(may_vote)
Managers = those_who(may_manage)


def _anybody_with_a_role(user: Any) -> bool:
    return may_vote(user) or may_see_labels(user)


def _asked(serializer: Any, request: Request) -> dict[str, Any]:
    asked = serializer(data=request.data)
    asked.is_valid(raise_exception=True)
    return dict(asked.validated_data)


class CampaignViewSet(
    PeopleMixin, mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Campaign]
):
    """Questions about sets of faces."""

    queryset = Campaign.objects.all()
    serializer_class = CampaignSerializer
    permission_classes = [those_who(_anybody_with_a_role, may_manage)]
    pagination_class = NewestFirst

    @extend_schema(responses={201: CampaignSerializer})
    def create(self, request: Request) -> Response:
        campaign = campaigns.create(**_asked(CampaignSerializer, request), created_by=request.user)
        return Response(CampaignSerializer(campaign).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=ChosenFacesSerializer, responses=AddedSerializer)
    @action(detail=True, methods=["post"])
    def faces(self, request: Request, pk: str) -> Response:
        """Take faces into the campaign; those already in it stay as they are."""
        asked = _asked(ChosenFacesSerializer, request)
        chosen = Face.objects.all()
        if "source" in asked:
            chosen = chosen.filter(media__items__source_id=asked["source"]).distinct()
        if "detector" in asked:
            chosen = chosen.filter(detector=asked["detector"])
        return Response({"added": campaigns.add_faces(campaign=self.get_object(), faces=chosen)})

    @extend_schema(request=None, responses=CampaignSerializer)
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, pk: str) -> Response:
        campaigns.pause(campaign=(campaign := self.get_object()))
        return Response(CampaignSerializer(campaign).data)

    @extend_schema(request=None, responses=CampaignSerializer)
    @action(detail=True, methods=["post"])
    def reopen(self, request: Request, pk: str) -> Response:
        campaigns.reopen(campaign=(campaign := self.get_object()))
        return Response(CampaignSerializer(campaign).data)

    @extend_schema(request=None, responses=CampaignSerializer)
    @action(detail=True, methods=["post"])
    def close(self, request: Request, pk: str) -> Response:
        campaigns.close(campaign=(campaign := self.get_object()))
        return Response(CampaignSerializer(campaign).data)

    @extend_schema(responses=ProgressSerializer)
    @action(detail=True, permission_classes=[those_who(may_see_labels)])
    def progress(self, request: Request, pk: str) -> Response:
        """How far it is and what came out. Not for annotators: votes are blind."""
        return Response(ProgressSerializer(campaigns.progress(self.get_object())).data)

    @extend_schema(request=AdjudicateSerializer, responses=AdjudicationSerializer)
    @action(detail=True, methods=["post"])
    def adjudicate(self, request: Request, pk: str) -> Response:
        """Decide on a settled face, whatever its votes say; they stay beside the decision."""
        asked = _asked(AdjudicateSerializer, request)
        made = adjudication.adjudicate(
            campaign_face_id=self._face(asked),
            label=asked["label"],
            reason=asked["reason"],
            by=request.user,
            seen=asked.get("seen"),
        )
        return Response(AdjudicationSerializer(made).data)

    @extend_schema(request=RetractSerializer, responses=AdjudicationSerializer)
    @action(detail=True, methods=["post"])
    def retract(self, request: Request, pk: str) -> Response:
        """Take the standing decision back: the face says again what its votes say."""
        face = self._face(_asked(RetractSerializer, request))
        return Response(
            AdjudicationSerializer(adjudication.retract(campaign_face_id=face, by=request.user)).data
        )

    def _face(self, asked: dict[str, Any]) -> int:
        return get_object_or_404(self.get_object().campaign_faces, pk=asked["campaign_face"]).pk

    @extend_schema(request=LimitSerializer, responses=LeasedSerializer(many=True))
    @action(detail=True, methods=["post"], permission_classes=[Voters], pagination_class=None)
    def lease(self, request: Request, pk: str) -> Response:
        """Hold up to `limit` faces for your vote; those you hold already come first."""
        asked = _asked(LimitSerializer, request)
        held = votes.lease(campaign=self.get_object(), annotator=request.user, limit=asked["limit"])
        return Response(LeasedSerializer(held, many=True).data)

    @extend_schema(request=VoteSerializer, responses=CastSerializer)
    @action(detail=True, methods=["post"], permission_classes=[Voters])
    def vote(self, request: Request, pk: str) -> Response:
        """Answer a face you hold. Send it again with the same client_key as often as you like."""
        asked = _asked(VoteSerializer, request)
        cast = votes.cast(
            campaign=self.get_object(),
            annotator=request.user,
            campaign_face_id=asked["campaign_face"],
            answer=asked["answer"],
            client_key=asked["client_key"],
            took_ms=asked.get("took_ms"),
        )
        return Response(CastSerializer(cast).data)

    @extend_schema(request=SkipSerializer, responses={204: None})
    @action(detail=True, methods=["post"], permission_classes=[Voters])
    def skip(self, request: Request, pk: str) -> Response:
        """Pass a face on; it is not offered to you again in this round."""
        asked = _asked(SkipSerializer, request)
        votes.skip(
            campaign=self.get_object(),
            annotator=request.user,
            campaign_face_id=asked["campaign_face"],
            reason=asked["reason"],
        )
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=UndoSerializer, responses=WithdrawnSerializer)
    @action(detail=True, methods=["post"], permission_classes=[Voters])
    def undo(self, request: Request, pk: str) -> Response:
        """Take back your newest vote, or the one named."""
        asked = _asked(UndoSerializer, request)
        withdrawn = votes.withdraw(
            campaign=self.get_object(), annotator=request.user, client_key=asked.get("client_key")
        )
        return Response(WithdrawnSerializer(withdrawn).data)
