"""Addresses of a campaign's people, of its disputes and its log."""

from django.urls import path

from labeling.web import adjudication, people

urlpatterns = [
    path("campaigns/<int:pk>/disputes/", adjudication.campaign_disputes, name="campaign_disputes"),
    path("campaigns/<int:pk>/disputes/decide/", adjudication.campaign_decide, name="campaign_decide"),
    path("campaign-faces/<int:pk>/adjudicate/", adjudication.adjudicate, name="adjudicate"),
    path("campaign-faces/<int:pk>/retract/", adjudication.retract, name="retract"),
    path("campaigns/<int:pk>/log/", people.campaign_log, name="campaign_log"),
    path("campaigns/<int:pk>/annotators/", people.campaign_annotators, name="campaign_annotators"),
    path(
        "campaigns/<int:pk>/annotators/<int:user_pk>/", people.campaign_annotator, name="campaign_annotator"
    ),
    path(
        "campaigns/<int:pk>/annotators/<int:user_pk>/pause/", people.annotator_pause, name="annotator_pause"
    ),
    path(
        "campaigns/<int:pk>/annotators/<int:user_pk>/resume/",
        people.annotator_resume,
        name="annotator_resume",
    ),
    path(
        "campaigns/<int:pk>/annotators/<int:user_pk>/discard/",
        people.annotator_discard,
        name="annotator_discard",
    ),
    path("discards/<int:pk>/restore/", people.discard_restore, name="discard_restore"),
]
