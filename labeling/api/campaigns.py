"""The life of a campaign by API: made, given faces, changed, copied, paused, closed."""

from collections.abc import Callable
from functools import partial
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from labeling import campaigns, quality_rule
from labeling import kept_out as queries
from labeling.api.asking import asked
from labeling.api.paging import Asked
from labeling.api.permissions import those_who
from labeling.api.serializers.campaigns import (
    AddedSerializer,
    CampaignSerializer,
    ChangeCampaignSerializer,
    ChosenFacesSerializer,
    DuplicateSerializer,
    ExtendSerializer,
)
from labeling.api.serializers.media import FaceSerializer
from labeling.campaign_queries import FaceChoice
from labeling.models import Campaign, Face
from labeling.quality_rule import REASONS
from labeling.rules import may_manage
from labeling.vision import quality

Managers = those_who(may_manage)


class KeptOutFilterSerializer(serializers.Serializer[Any]):
    reason = serializers.ChoiceField(
        choices=list(REASONS.values()), required=False, help_text="Only those against which this speaks."
    )


class KeptOutFaceSerializer(FaceSerializer):
    against = serializers.SerializerMethodField(help_text="What speaks against it, by the campaign's rule.")

    class Meta(FaceSerializer.Meta):
        fields = (*FaceSerializer.Meta.fields, "against")  # type: ignore[assignment]

    def get_against(self, face: Face) -> list[str]:
        limits: quality.Limits = self.context["limits"]
        return list(quality.reasons(quality_rule.measured(face, limits), limits))


class CampaignLifeMixin(viewsets.GenericViewSet[Campaign]):
    """Of a view set of campaigns: what managers do with a whole campaign."""

    def _shown(self, campaign: Campaign, code: int = status.HTTP_200_OK) -> Response:
        context = self.get_serializer_context()
        return Response(CampaignSerializer(campaign, context=context).data, status=code)

    @extend_schema(request=CampaignSerializer, responses={201: CampaignSerializer})
    def create(self, request: Request) -> Response:
        made = campaigns.create(**asked(CampaignSerializer, request), created_by=request.user)
        return self._shown(made, status.HTTP_201_CREATED)

    @extend_schema(request=ChangeCampaignSerializer, responses=CampaignSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change settings, also while people vote: the votes stay, and the faces follow."""
        campaign = self.get_object()
        read = ChangeCampaignSerializer(campaign, data=request.data, partial=True)
        read.is_valid(raise_exception=True)
        campaigns.change(campaign=campaign, by=request.user, **read.validated_data)
        return self._shown(campaign)

    @extend_schema(request=DuplicateSerializer, responses={201: CampaignSerializer})
    @action(detail=True, methods=["post"])
    def duplicate(self, request: Request, pk: str) -> Response:
        """A paused campaign with the same settings, and the same faces without their votes."""
        made = campaigns.duplicate(
            campaign=self.get_object(), by=request.user, **asked(DuplicateSerializer, request)
        )
        return self._shown(made, status.HTTP_201_CREATED)

    @extend_schema(request=ExtendSerializer, responses=CampaignSerializer)
    @action(detail=True, methods=["post"])
    def extend(self, request: Request, pk: str) -> Response:
        """Move the deadline; a campaign that its deadline had closed is open again."""
        campaigns.extend(
            campaign=(campaign := self.get_object()), by=request.user, **asked(ExtendSerializer, request)
        )
        return self._shown(campaign)

    @extend_schema(request=ChosenFacesSerializer, responses=AddedSerializer)
    @action(detail=True, methods=["post"])
    def faces(self, request: Request, pk: str) -> Response:
        """Take faces into the campaign; those already in it stay as they are.

        Left out are those whose media's licence does not meet the campaign's `licence_rule`, and those that its
        `quality_rule` keeps out.
        """
        wanted = asked(ChosenFacesSerializer, request)
        source = wanted.pop("source", None)
        sources = (*wanted.pop("sources", ()), *(() if source is None else (source,)))
        campaign = self.get_object()
        limit, whatever = wanted.pop("limit", None), wanted.pop("whatever_quality", False)
        chosen = FaceChoice(sources=sources, **wanted).matching(without=campaign)
        made = campaigns.add_faces(
            campaign=campaign, faces=chosen, limit=limit, by=request.user, whatever_quality=whatever
        )
        return Response(AddedSerializer(made).data)

    @extend_schema(responses=KeptOutFaceSerializer(many=True), parameters=[KeptOutFilterSerializer])
    @action(detail=True, url_path="kept-out", pagination_class=Asked, permission_classes=[Managers])
    def kept_out(self, request: Request, pk: str) -> Response:
        """Faces of its sources that the campaign's rule on quality keeps out of it: those of the newest media first.

        `faces/` with `whatever_quality` takes some of them in all the same.
        """
        campaign = self.get_object()
        reason = asked(KeptOutFilterSerializer, request).get("reason", "")
        faces: Any = self.paginate_queryset(partial(queries.page, campaign, reason))  # type: ignore[arg-type]
        context = {**self.get_serializer_context(), "limits": quality_rule.limits(campaign.quality_rule)}
        return self.get_paginated_response(KeptOutFaceSerializer(faces, many=True, context=context).data)

    @extend_schema(request=None, responses=CampaignSerializer)
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, pk: str) -> Response:
        """Take no votes for now."""
        return self._moved(request, campaigns.pause)

    @extend_schema(request=None, responses=CampaignSerializer)
    @action(detail=True, methods=["post"])
    def reopen(self, request: Request, pk: str) -> Response:
        """Take votes again."""
        return self._moved(request, campaigns.reopen)

    @extend_schema(request=None, responses=CampaignSerializer)
    @action(detail=True, methods=["post"])
    def close(self, request: Request, pk: str) -> Response:
        """Take no more votes."""
        return self._moved(request, campaigns.close)

    def _moved(self, request: Request, move: Callable[..., None]) -> Response:
        move(campaign=(campaign := self.get_object()), by=request.user)
        return self._shown(campaign)
