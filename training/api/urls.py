"""training's API endpoints, below /api/v1/."""

from rest_framework.routers import SimpleRouter

from training.api.runs import RoundViewSet, RunViewSet

router = SimpleRouter()
router.register("runs", RunViewSet, "api-runs")
router.register("relabel-rounds", RoundViewSet, "api-relabel-rounds")
urlpatterns = router.urls
