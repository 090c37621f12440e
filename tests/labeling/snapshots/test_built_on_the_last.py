"""A version shares with the last what is still whole of it."""

from dataclasses import replace
from pathlib import Path

import pytest
from django.core.files.storage import default_storage

from labeling.models import Snapshot
from labeling.snapshots import carried, freezing, verification
from labeling.snapshots import format as snapshots
from tests.factories import settle
from tests.labeling.snapshots.making import frozen, make_settled

pytestmark = pytest.mark.django_db


def test_a_second_version_stores_only_what_is_new() -> None:
    campaign = make_settled()
    first = frozen(campaign)
    settle(campaign.campaign_faces.all()[0], "angry")
    second = frozen(campaign)
    assert first.digest != second.digest
    assert second.packs == first.packs
    assert second.counts["added_bytes"] < first.counts["added_bytes"]
    assert freezing.verify(snapshot=second) == freezing.verify(snapshot=first) == []


def test_a_damaged_picture_of_an_earlier_version_is_stored_anew() -> None:
    campaign = make_settled()
    first = frozen(campaign)
    (name,) = first.packs
    pack = Path(default_storage.path(f"snapshots/packs/{name}"))
    whole = bytearray(pack.read_bytes())
    whole[len(whole) // 2] ^= 1
    pack.write_bytes(whole)
    settle(campaign.campaign_faces.all()[0], "angry")
    second = frozen(campaign)
    assert len(second.packs) == 2
    assert freezing.verify(snapshot=second) == []
    assert [problem.where for problem in freezing.verify(snapshot=first)] == [f"packs/{name}"]


def rot(pack: str, snapshot: Snapshot) -> None:
    """Flip a bit, as if it had happened on the disk itself, which no clock tells."""
    path = Path(default_storage.path(f"snapshots/packs/{pack}"))
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 1
    path.write_bytes(whole)
    last = carried.load(snapshot.campaign_id, snapshot.pk)
    manifest = snapshots.read_manifest(freezing.local_folder(snapshot))
    carried.save(replace(last, files=carried.signatures(snapshot.digest, manifest)), snapshot.campaign_id)


def test_packs_nobody_wrote_to_are_read_again_only_where_damage_was_found() -> None:
    campaign = make_settled()
    first = frozen(campaign)
    (pack,) = first.packs
    rot(pack, first)
    settle(campaign.campaign_faces.all()[0], "angry")
    second = frozen(campaign)
    assert second.packs == first.packs
    found = verification.verify_later(snapshot=second)
    verification.run_verification(found.pk)
    found.refresh_from_db()
    assert [problem["where"] for problem in found.problems] == [f"packs/{pack}"]
    settle(campaign.campaign_faces.all()[0], "fear")
    third = frozen(campaign)
    assert len(third.packs) == 2
    assert freezing.verify(snapshot=third) == []


def test_freezing_again_mends_a_picture_that_is_damaged() -> None:
    campaign = make_settled()
    first = frozen(campaign)
    rot(first.packs[0], first)
    assert freezing.verify(snapshot=first) != []
    again = frozen(campaign)
    assert again.digest == first.digest
    assert freezing.verify(snapshot=again) == freezing.verify(snapshot=first) == []


def test_nothing_is_believed_where_damage_was_found_in_an_older_version() -> None:
    campaign = make_settled()
    first = frozen(campaign)
    settle(campaign.campaign_faces.all()[0], "angry")
    second = frozen(campaign)
    (pack,) = first.packs
    rot(pack, second)
    found = verification.verify_later(snapshot=first)
    verification.run_verification(found.pk)
    settle(campaign.campaign_faces.all()[0], "fear")
    third = frozen(campaign)
    assert len(third.packs) == 2
    assert freezing.verify(snapshot=third) == []
