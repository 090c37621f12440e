"""Addresses of gold, of examples and of the qualification."""

from django.urls import path

from labeling.web import gold, qualification

urlpatterns = [
    path("vote/<int:campaign_pk>/qualify/", qualification.vote_qualify, name="vote_qualify"),
    path("campaigns/<int:pk>/gold/", gold.campaign_gold, name="campaign_gold"),
    path("campaigns/<int:pk>/gold/set/", gold.gold_set, name="gold_set"),
    path("campaigns/<int:pk>/gold/remove/", gold.gold_remove, name="gold_remove"),
    path("campaigns/<int:pk>/examples/remove/", gold.example_remove, name="example_remove"),
    path(
        "campaigns/<int:pk>/annotators/<int:user_pk>/attempts/",
        qualification.attempts_reset,
        name="attempts_reset",
    ),
]
