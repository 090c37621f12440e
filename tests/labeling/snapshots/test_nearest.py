"""The faces of two splits that look most alike: the pairs the certificate counts."""

from itertools import combinations

import numpy as np
import pytest
from django.test import Client

from labeling import work
from labeling.models import Campaign, Face, Snapshot
from labeling.snapshots import format as snapshots
from labeling.snapshots import nearest, stored
from labeling.vision.fingerprint import to_signed
from tests.factories import make_user
from tests.labeling.snapshots.making import frozen, make_settled

pytestmark = pytest.mark.django_db(transaction=True)


def hashed(campaign: Campaign, *, kinds: int, seed: int) -> None:
    """Give each face one of some hashes, which differ in a few bits; one in ten has none."""
    random = np.random.default_rng(seed)
    bits = random.integers(0, 64, (kinds, 4), dtype=np.uint64)
    some = np.bitwise_or.reduce(np.uint64(1) << bits, axis=1)
    for number, pk in enumerate(campaign.campaign_faces.values_list("face", flat=True)):
        [known] = to_signed(some[random.integers(kinds, size=1)])
        Face.objects.filter(pk=pk).update(fingerprint=None if number % 10 == 9 else known)


def all_pairs(snapshot: Snapshot) -> tuple[dict[frozenset[str], int], list[int]]:
    """By comparing each with each: of two faces of two splits the bits, within RADIUS; and in order those of two
    hashes, each of its split, once each.
    """
    rows = snapshots.read_table(stored.local_folder(snapshot), ["face_key", "face_id", "split"]).to_pylist()
    prints = dict(Face.objects.filter(fingerprint__isnull=False).values_list("pk", "fingerprint"))
    found, of_hashes = {}, {}
    for one, other in combinations([row for row in rows if row["face_id"] in prints], 2):
        both = [(prints[face["face_id"]], face["split"]) for face in (one, other)]
        bits = ((both[0][0] ^ both[1][0]) & (2**64 - 1)).bit_count()
        if one["split"] != other["split"] and bits <= nearest.RADIUS:
            found[frozenset((one["face_key"], other["face_key"]))] = of_hashes[frozenset(both)] = bits
    return found, sorted(of_hashes.values())


@pytest.mark.parametrize(("kinds", "most"), [(12, 60), (200, 60), (200, 5)])
def test_they_are_the_nearest_of_all_pairs(monkeypatch: pytest.MonkeyPatch, kinds: int, most: int) -> None:
    monkeypatch.setattr(nearest, "MOST", most)
    campaign = make_settled(80)
    hashed(campaign, kinds=kinds, seed=kinds)
    snapshot = frozen(campaign)
    pairs, of_hashes = all_pairs(snapshot)
    found = nearest.nearest(snapshot)
    told = {frozenset(face["face_key"] for face in pair.faces): pair.bits for pair in found}
    assert told.items() <= pairs.items()
    assert len(told) == len(found)
    assert [pair.bits for pair in found] == of_hashes[:most]
    assert found[0].bits == snapshot.counts["certificate"]["similarity"]["bits"]


def test_nothing_is_told_of_faces_that_are_far_apart_or_have_no_hash() -> None:
    campaign = make_settled(4)
    for number, pk in enumerate(campaign.campaign_faces.values_list("face", flat=True)):
        [known] = to_signed(np.array([0xFFFF << 16 * number], np.uint64))
        Face.objects.filter(pk=pk).update(fingerprint=known)
    snapshot = frozen(campaign)
    assert nearest.nearest(snapshot) == []
    assert snapshot.counts["certificate"]["similarity"]["bits"] is None
    Face.objects.update(fingerprint=None)
    assert nearest.nearest(snapshot) == []


def test_they_stand_side_by_side_on_a_page_reached_from_the_certificate(client: Client) -> None:
    campaign = make_settled(40)
    hashed(campaign, kinds=3, seed=1)
    snapshot = frozen(campaign)
    client.force_login(make_user("manager"))
    address = f"/snapshots/{snapshot.pk}/nearest/"
    assert address in client.get(f"/snapshots/{snapshot.pk}/").content.decode()
    html = client.get(address).content.decode()
    for pair in nearest.nearest(snapshot):
        for face in pair.faces:
            assert f'src="/crops/{face["face_id"]}.png"' in html
    # What is no longer in the collection is shown as it was frozen.
    Face.objects.update(crop_sha256="0" * 64)
    assert f"/snapshots/{snapshot.pk}/faces/" in client.get(address).content.decode()


def test_a_version_that_cannot_be_read_sends_back_with_a_sentence(client: Client) -> None:
    campaign = make_settled(40)
    hashed(campaign, kinds=3, seed=1)
    snapshot = frozen(campaign)
    for shard in stored.local_folder(snapshot).glob("*.parquet"):
        shard.unlink()
    with pytest.raises(work.Refused, match="Verify it"):
        nearest.nearest(snapshot)
    client.force_login(make_user("manager"))
    answer = client.get(f"/snapshots/{snapshot.pk}/nearest/", follow=True)
    assert answer.redirect_chain == [(f"/snapshots/{snapshot.pk}/", 302)]
    assert "Verify it" in answer.content.decode()
