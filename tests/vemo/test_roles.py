"""Role × door: every address of the site, and whom it lets in.

Objects asked for do not exist: who is refused must be refused before anything is looked up, and who is let in
finds nothing (404), a form to mend (400) or a wrong method (405), never a closed door.
"""

from collections.abc import Iterator

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from tests.factories import make_user

pytestmark = pytest.mark.django_db

ROLES = ("stranger", "nobody", "annotator", "manager", "trainer", "admin")
EVERYBODY = set(ROLES)
SIGNED_IN = EVERYBODY - {"stranger"}
VOTERS = {"annotator", "admin"}
MANAGERS = {"manager", "admin"}
TRAINERS = {"trainer", "admin"}
READERS = MANAGERS | TRAINERS
ANY_ROLE = VOTERS | READERS

PAGES: dict[str, set[str]] = {
    "home": SIGNED_IN,
    "signin": EVERYBODY,
    "signout": EVERYBODY,
    "health": EVERYBODY,
    "doctor": MANAGERS,
    "language": EVERYBODY,
    "account": SIGNED_IN,
    "token_renew": SIGNED_IN,
    "labeling:vote_home": VOTERS,
    "labeling:vote": VOTERS,
    "labeling:vote_next": VOTERS,
    "labeling:vote_cast": VOTERS,
    "labeling:vote_skip": VOTERS,
    "labeling:vote_undo": VOTERS,
    "labeling:vote_qualify": VOTERS,
    "labeling:vote_preferences": VOTERS,
    "labeling:vote_context": VOTERS,
    "labeling:vote_second": VOTERS,
    "labeling:vote_mine": VOTERS,
    "labeling:vote_change": VOTERS,
    "labeling:crop": ANY_ROLE,
    "labeling:campaigns": MANAGERS,
    "labeling:campaign_new": MANAGERS,
    "labeling:campaign_draft": MANAGERS,
    "labeling:campaign_draft_faces": MANAGERS,
    "labeling:campaign_draft_quality": MANAGERS,
    "labeling:campaign_kept_out": MANAGERS,
    "labeling:campaign_let_in": MANAGERS,
    "labeling:campaign_draft_trial": MANAGERS,
    "labeling:campaign_edit": MANAGERS,
    "labeling:campaign_duplicate": MANAGERS,
    "labeling:campaign_extend": MANAGERS,
    "labeling:campaign": MANAGERS,
    "labeling:campaign_live": MANAGERS,
    "labeling:campaign_add": MANAGERS,
    "labeling:campaign_faces": MANAGERS,
    "labeling:campaign_disputes": MANAGERS,
    "labeling:campaign_decide": MANAGERS,
    "labeling:campaign_annotators": MANAGERS,
    "labeling:campaign_annotator": MANAGERS,
    "labeling:annotator_pause": MANAGERS,
    "labeling:annotator_resume": MANAGERS,
    "labeling:annotator_discard": MANAGERS,
    "labeling:discard_restore": MANAGERS,
    "labeling:campaign_log": MANAGERS,
    "labeling:campaign_gold": MANAGERS,
    "labeling:gold_set": MANAGERS,
    "labeling:gold_remove": MANAGERS,
    "labeling:example_remove": MANAGERS,
    "labeling:attempts_reset": MANAGERS,
    "labeling:campaign_integrity": MANAGERS,
    "labeling:adjudicate": MANAGERS,
    "labeling:retract": MANAGERS,
    "labeling:campaign_pause": MANAGERS,
    "labeling:campaign_reopen": MANAGERS,
    "labeling:campaign_close": MANAGERS,
    "labeling:sources": MANAGERS,
    "labeling:licences_changed": MANAGERS,
    "labeling:source_new": MANAGERS,
    "labeling:labelled_new": MANAGERS,
    "labeling:label_studio_new": MANAGERS,
    "labeling:label_studio": MANAGERS,
    "labeling:label_studio_live": MANAGERS,
    "labeling:label_studio_stop": MANAGERS,
    "labeling:label_studio_resume": MANAGERS,
    "labeling:source": MANAGERS,
    "labeling:source_live": MANAGERS,
    "labeling:source_stop": MANAGERS,
    "labeling:source_restart": MANAGERS,
    "labeling:source_retry": MANAGERS,
    "labeling:source_watch": MANAGERS,
    "labeling:source_detect": MANAGERS,
    "labeling:source_search": MANAGERS,
    "labeling:detection_stop": MANAGERS,
    "labeling:detection_restart": MANAGERS,
    "labeling:media": MANAGERS,
    "labeling:thumbnail": MANAGERS,
    "labeling:faces": READERS,
    "labeling:face": READERS,
    "labeling:media_draw": MANAGERS,
    "labeling:media_whose": MANAGERS,
    "labeling:media_moment": MANAGERS,
    "labeling:media_licence": MANAGERS,
    "labeling:face_remove": MANAGERS,
    "labeling:face_correct": MANAGERS,
    "labeling:face_uncorrect": MANAGERS,
    "labeling:faces_act": MANAGERS,
    "labeling:faces_undo": MANAGERS,
    "labeling:faces_alike": MANAGERS,
    "labeling:alike_merge": MANAGERS,
    "labeling:alike_part": MANAGERS,
    "labeling:snapshots": READERS,
    "labeling:snapshot_new": MANAGERS,
    "labeling:snapshot_preview": MANAGERS,
    "labeling:snapshot": READERS,
    "labeling:snapshot_live": READERS,
    "labeling:snapshot_stop": MANAGERS,
    "labeling:snapshot_restart": MANAGERS,
    "labeling:snapshot_verify": MANAGERS,
    "labeling:verification_stop": MANAGERS,
    "labeling:snapshot_compare": READERS,
    "labeling:snapshot_nearest": READERS,
    "labeling:snapshot_compare_csv": READERS,
    "labeling:snapshot_compare_json": READERS,
    "labeling:frozen_face": READERS,
    "labeling:lineage_snapshot": READERS,
    "labeling:lineage_campaign": READERS,
    "labeling:lineage_source": READERS,
    "labeling:snapshot_export": MANAGERS,
    "labeling:erasures": MANAGERS,
    "labeling:erasure_new": MANAGERS,
    "labeling:erasure": MANAGERS,
    "labeling:erasure_live": MANAGERS,
    "labeling:erasure_resume": MANAGERS,
    "labeling:export_stop": MANAGERS,
    "labeling:export_download": MANAGERS,
    "training:runs": TRAINERS,
    "training:run_new": TRAINERS,
    "training:compare": TRAINERS,
    "training:ensemble": TRAINERS,
    "training:run": TRAINERS,
    "training:run_live": TRAINERS,
    "training:run_log": TRAINERS,
    "training:run_stop": TRAINERS,
    "training:run_resume": TRAINERS,
    "training:run_delete": TRAINERS,
    "training:run_file": TRAINERS,
    "training:run_predict": TRAINERS,
    "training:run_mistakes": TRAINERS,
    "training:run_doubts": TRAINERS,
    "training:relabel_open": TRAINERS,
    "training:relabel_rounds": TRAINERS,
    "training:relabel_round": TRAINERS,
}

POST_ONLY = {"labeling:vote_next", "labeling:vote_cast", "labeling:vote_skip", "labeling:vote_undo"}
"""Doors that answer 405 to any GET, whoever asks."""

API: dict[str, tuple[set[str], set[str]]] = {
    # name: who may GET, who may POST
    "schema": (EVERYBODY, EVERYBODY),
    "api-docs": (EVERYBODY, EVERYBODY),
    "api-token": (EVERYBODY, EVERYBODY),
    "api-me": (SIGNED_IN, SIGNED_IN),
    "api-sources-list": (MANAGERS, MANAGERS),
    "api-sources-detail": (MANAGERS, MANAGERS),
    "api-sources-items": (MANAGERS, MANAGERS),
    "api-sources-progress": (MANAGERS, MANAGERS),
    "api-sources-retry": (MANAGERS, MANAGERS),
    "api-sources-stop": (MANAGERS, MANAGERS),
    "api-sources-restart": (MANAGERS, MANAGERS),
    "api-sources-watch": (MANAGERS, MANAGERS),
    "api-sources-detect": (MANAGERS, MANAGERS),
    "api-uploads": (MANAGERS, MANAGERS),
    "api-uploads-several": (MANAGERS, MANAGERS),
    "api-uploads-batch": (MANAGERS, MANAGERS),
    "api-upload": (MANAGERS, MANAGERS),
    "api-media-list": (READERS, MANAGERS),
    "api-media-detail": (READERS, MANAGERS),
    "api-faces-list": (READERS, MANAGERS),
    "api-faces-detail": (READERS, MANAGERS),
    "api-faces-correct": (MANAGERS, MANAGERS),
    "api-faces-uncorrect": (MANAGERS, MANAGERS),
    "api-faces-remove": (MANAGERS, MANAGERS),
    "api-campaigns-list": (ANY_ROLE, MANAGERS),
    "api-campaigns-detail": (ANY_ROLE, MANAGERS),
    "api-campaigns-faces": (ANY_ROLE, MANAGERS),
    "api-campaigns-kept-out": (MANAGERS, MANAGERS),
    "api-campaigns-duplicate": (ANY_ROLE, MANAGERS),
    "api-campaigns-extend": (ANY_ROLE, MANAGERS),
    "api-campaigns-pause": (ANY_ROLE, MANAGERS),
    "api-campaigns-reopen": (ANY_ROLE, MANAGERS),
    "api-campaigns-close": (ANY_ROLE, MANAGERS),
    "api-campaigns-adjudicate": (ANY_ROLE, MANAGERS),
    "api-campaigns-retract": (ANY_ROLE, MANAGERS),
    "api-campaigns-progress": (READERS, READERS),
    "api-campaigns-annotators": (MANAGERS, MANAGERS),
    "api-campaigns-pause-annotator": (MANAGERS, MANAGERS),
    "api-campaigns-resume-annotator": (MANAGERS, MANAGERS),
    "api-campaigns-preview-discard": (MANAGERS, MANAGERS),
    "api-campaigns-discard": (MANAGERS, MANAGERS),
    "api-campaigns-restore": (MANAGERS, MANAGERS),
    "api-campaigns-log": (MANAGERS, MANAGERS),
    "api-campaigns-gold": (MANAGERS, MANAGERS),
    "api-campaigns-set-gold": (MANAGERS, MANAGERS),
    "api-campaigns-remove-gold": (MANAGERS, MANAGERS),
    "api-campaigns-examples": (MANAGERS, MANAGERS),
    "api-campaigns-set-example": (MANAGERS, MANAGERS),
    "api-campaigns-remove-example": (MANAGERS, MANAGERS),
    "api-campaigns-reset-attempts": (MANAGERS, MANAGERS),
    "api-campaigns-mine": (VOTERS, VOTERS),
    "api-campaigns-lease": (VOTERS, VOTERS),
    "api-campaigns-vote": (VOTERS, VOTERS),
    "api-campaigns-skip": (VOTERS, VOTERS),
    "api-campaigns-undo": (VOTERS, VOTERS),
    "api-snapshots-list": (READERS, MANAGERS),
    "api-snapshots-detail": (READERS, MANAGERS),
    "api-snapshots-preview": (READERS, MANAGERS),
    "api-snapshots-export": (READERS, MANAGERS),
    "api-snapshots-file": (MANAGERS, MANAGERS),
    "api-snapshots-stop": (READERS, MANAGERS),
    "api-snapshots-restart": (READERS, MANAGERS),
    "api-snapshots-file-stop": (READERS, MANAGERS),
    "api-snapshots-file-restart": (READERS, MANAGERS),
    "api-snapshots-verify": (READERS, MANAGERS),
    "api-snapshots-verifications": (READERS, MANAGERS),
    "api-snapshots-changes": (READERS, MANAGERS),
    "api-snapshots-lineage": (READERS, MANAGERS),
    "api-media-changed-licences": (MANAGERS, MANAGERS),
    "api-media-disputed": (MANAGERS, MANAGERS),
    "api-media-decide-licence": (MANAGERS, MANAGERS),
    "api-media-decide-whose": (MANAGERS, MANAGERS),
    "api-media-draw": (MANAGERS, MANAGERS),
    "api-rights-decisions-list": (MANAGERS, MANAGERS),
    "api-erasures-list": (MANAGERS, MANAGERS),
    "api-erasures-detail": (MANAGERS, MANAGERS),
    "api-erasures-preview": (MANAGERS, MANAGERS),
    "api-erasures-resume": (MANAGERS, MANAGERS),
    "api-label-studio-list": (MANAGERS, MANAGERS),
    "api-label-studio-detail": (MANAGERS, MANAGERS),
    "api-label-studio-preview": (MANAGERS, MANAGERS),
    "api-label-studio-stop": (MANAGERS, MANAGERS),
    "api-label-studio-resume": (MANAGERS, MANAGERS),
    "api-runs-list": (TRAINERS, TRAINERS),
    "api-runs-detail": (TRAINERS, TRAINERS),
    "api-runs-curves": (TRAINERS, TRAINERS),
    "api-runs-stop": (TRAINERS, TRAINERS),
    "api-runs-resume": (TRAINERS, TRAINERS),
    "api-runs-delete-weights": (TRAINERS, TRAINERS),
    "api-runs-predict": (TRAINERS, TRAINERS),
    "api-runs-ensemble": (TRAINERS, TRAINERS),
    "api-relabel-rounds-list": (TRAINERS, TRAINERS),
    "api-relabel-rounds-detail": (TRAINERS, TRAINERS),
}
ADMIN = {
    "admin:accounts_user_changelist": {"admin"},
    "admin:authtoken_tokenproxy_changelist": {"admin"},
    "admin:labeling_campaign_changelist": READERS,
    "admin:training_trainingrun_changelist": TRAINERS,
    "admin:training_trainingrun_add": TRAINERS,
}
NOWHERE = 999_999


def doors(patterns: list[URLPattern | URLResolver], space: str = "") -> Iterator[tuple[str, list[str]]]:
    """Every named address of the site and its arguments; the admin has a table of its own."""
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            if pattern.namespace != "admin":
                inner = f"{pattern.namespace}:" if pattern.namespace else ""
                yield from doors(pattern.url_patterns, space + inner)
        else:
            assert pattern.name, f"{pattern} has no name"
            yield space + pattern.name, list(pattern.pattern.regex.groupindex)


DOORS = dict(doors(get_resolver().url_patterns))


def is_shut(client: Client, url: str, method: str) -> bool:
    answer = client.generic(method, url, data="{}", content_type="application/json")
    to_signin = answer.status_code == 302 and answer.url.startswith("/signin/?next=")
    to_admin_signin = answer.status_code == 302 and answer.url.startswith("/admin/login/")
    return to_signin or to_admin_signin or answer.status_code in (401, 403)


def client_as(role: str) -> Client:
    client = Client()
    if role != "stranger":
        user = make_user(role)
        user.is_staff = role in ("manager", "trainer", "admin")
        user.save()
        client.force_login(user)
    return client


def let_in(name: str, method: str) -> set[str]:
    url = reverse(name, kwargs=dict.fromkeys(DOORS.get(name, []), NOWHERE))
    return {role for role in ROLES if not is_shut(client_as(role), url, method)}


def test_every_door_is_in_the_table() -> None:
    assert set(DOORS) == set(PAGES) | set(API)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_lets_in_its_roles_and_nobody_else(name: str) -> None:
    assert let_in(name, "POST") == PAGES[name]
    if name not in POST_ONLY:
        assert let_in(name, "GET") == PAGES[name]


@pytest.mark.parametrize("name", API)
def test_an_endpoint_lets_in_its_roles_and_nobody_else(name: str) -> None:
    assert (let_in(name, "GET"), let_in(name, "POST")) == API[name]


@pytest.mark.parametrize("name", ADMIN)
def test_a_section_of_the_admin_lets_in_its_roles_and_nobody_else(name: str) -> None:
    assert let_in(name, "GET") == ADMIN[name]
