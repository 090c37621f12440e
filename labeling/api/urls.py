"""labeling's API endpoints, below /api/v1/."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from labeling.api.erasures import ErasureViewSet
from labeling.api.label_studio import LabelStudioViewSet
from labeling.api.me import MeView
from labeling.api.media import FaceViewSet, MediaViewSet
from labeling.api.rights import DecisionViewSet
from labeling.api.snapshots import SnapshotViewSet
from labeling.api.sources import SourceViewSet
from labeling.api.uploads import BatchView, SeveralView, UploadsView, UploadView
from labeling.api.voting import CampaignViewSet

router = SimpleRouter()
router.register("sources", SourceViewSet, "api-sources")
router.register("media", MediaViewSet, "api-media")
router.register("rights-decisions", DecisionViewSet, "api-rights-decisions")
router.register("faces", FaceViewSet, "api-faces")
router.register("campaigns", CampaignViewSet, "api-campaigns")
router.register("snapshots", SnapshotViewSet, "api-snapshots")
router.register("erasures", ErasureViewSet, "api-erasures")
router.register("label-studio", LabelStudioViewSet, "api-label-studio")
urlpatterns = [
    *router.urls,
    path("me/", MeView.as_view(), name="api-me"),
    path("uploads/", UploadsView.as_view(), name="api-uploads"),
    path("uploads/several/", SeveralView.as_view(), name="api-uploads-several"),
    path("uploads/batches/<str:batch>/", BatchView.as_view(), name="api-uploads-batch"),
    path("uploads/<str:key>/", UploadView.as_view(), name="api-upload"),
]
