"""Addresses of voting, and of the campaigns behind it."""

from django.urls import path

from labeling.web import campaign_wizard, campaigns, context, kept_out, mine, preferences, vote, vote_api

urlpatterns = [
    path("vote/", vote.vote_home, name="vote_home"),
    path("vote/preferences/", preferences.vote_preferences, name="vote_preferences"),
    path("vote/<int:campaign_pk>/", vote.vote, name="vote"),
    path("vote/<int:campaign_pk>/next", vote_api.vote_next, name="vote_next"),
    path("vote/<int:campaign_pk>/cast", vote_api.vote_cast, name="vote_cast"),
    path("vote/<int:campaign_pk>/skip", vote_api.vote_skip, name="vote_skip"),
    path("vote/<int:campaign_pk>/undo", vote_api.vote_undo, name="vote_undo"),
    path(
        "vote/<int:campaign_pk>/context/<int:campaign_face_pk>.jpg",
        context.vote_context,
        name="vote_context",
    ),
    path(
        "vote/<int:campaign_pk>/second/<int:campaign_face_pk>.jpg",
        context.vote_second,
        name="vote_second",
    ),
    path("vote/<int:campaign_pk>/mine/", mine.vote_mine, name="vote_mine"),
    path("vote/<int:campaign_pk>/mine/change/", mine.vote_change, name="vote_change"),
    path("campaigns/", campaigns.campaigns, name="campaigns"),
    path("campaigns/new/", campaign_wizard.campaign_new, name="campaign_new"),
    path("campaigns/draft/", campaign_wizard.draft, name="campaign_draft"),
    path("campaigns/draft/faces/", campaign_wizard.draft_faces, name="campaign_draft_faces"),
    path("campaigns/draft/quality/", campaign_wizard.draft_quality, name="campaign_draft_quality"),
    path("campaigns/draft/trial/", campaign_wizard.draft_trial, name="campaign_draft_trial"),
    path("campaigns/<int:pk>/edit/", campaign_wizard.campaign_edit, name="campaign_edit"),
    path("campaigns/<int:pk>/duplicate/", campaign_wizard.campaign_duplicate, name="campaign_duplicate"),
    path("campaigns/<int:pk>/extend/", campaign_wizard.campaign_extend, name="campaign_extend"),
    path("campaigns/<int:pk>/", campaigns.campaign, name="campaign"),
    path("campaigns/<int:pk>/live.json", campaigns.campaign_live, name="campaign_live"),
    path("campaigns/<int:pk>/add/", campaigns.campaign_add, name="campaign_add"),
    path("campaigns/<int:pk>/faces/", campaigns.campaign_faces, name="campaign_faces"),
    path("campaigns/<int:pk>/kept-out/", kept_out.kept_out, name="campaign_kept_out"),
    path("campaigns/<int:pk>/kept-out/add/", kept_out.let_in, name="campaign_let_in"),
    path("campaigns/<int:pk>/integrity/", campaigns.campaign_integrity, name="campaign_integrity"),
    path("campaigns/<int:pk>/pause/", campaigns.campaign_pause, name="campaign_pause"),
    path("campaigns/<int:pk>/reopen/", campaigns.campaign_reopen, name="campaign_reopen"),
    path("campaigns/<int:pk>/close/", campaigns.campaign_close, name="campaign_close"),
]
