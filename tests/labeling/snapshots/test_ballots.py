"""Raw votes beside a frozen snapshot, and the exports that hold them."""

import csv
import io
import json
import uuid
import warnings
from collections import Counter
from typing import Any

import pytest

from labeling import campaign_changes, discards
from labeling.cells import as_meant
from labeling.models import Campaign, Export, Snapshot, Vote
from labeling.snapshots import ballots, freezing
from labeling.snapshots import format as snapshots
from labeling.voting import simulate, votes
from tests.factories import make_campaign, make_user
from tests.labeling.snapshots.making import frozen
from tests.labeling.snapshots.test_exporting import inside, made

pytestmark = pytest.mark.django_db
ANSWERS = ("happy", "sad", "cant_tell", "not_a_face")


def voted(faces: int = 12, people: int = 3, called: str = "person") -> Campaign:
    """A campaign answered by people, most of whom see the same in a face."""
    campaign = make_campaign(faces, votes_per_face=people, gold_share=0)
    simulate.simulate(
        campaign=campaign,
        annotators=[make_user(name=f"{called}{number}") for number in range(people)],
        opinion=lambda face: {ANSWERS[face.pk % 2]: 0.9, ANSWERS[face.pk % 4]: 0.1},
    )
    return campaign


def lines(row: Export) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(inside(row, "votes.csv").decode())))


def counted(snapshot: Snapshot) -> dict[str, Counter[str]]:
    answers = (*snapshot.campaign.expressions, "cant_tell", "not_a_face")
    table = snapshots.read_table(freezing.local_folder(snapshot), ["face_key", "votes"])
    return {
        row["face_key"]: Counter({name: n for name, n in zip(answers, row["votes"], strict=True) if n})
        for row in table.to_pylist()
    }


def added_up(found: list[dict[str, Any]]) -> dict[str, Counter[str]]:
    tally: dict[str, Counter[str]] = {}
    for line in found:
        tally.setdefault(line["task"], Counter())[line["label"]] += 1
    return tally


def test_raw_votes_add_up_to_what_was_frozen_and_name_nobody() -> None:
    snapshot = frozen(voted())
    row = made(snapshot, "votes")
    found = lines(row)
    assert (row.state, row.message, list(found[0])) == ("done", "", ["task", "worker", "label"])
    assert added_up(found) == counted(snapshot)
    workers = {line["worker"] for line in found}
    assert len(workers) == 3
    assert all(len(worker) == 16 and int(worker, 16) >= 0 for worker in workers)
    annotators = Vote.objects.values_list("annotator", flat=True)
    assert workers == {ballots.pseudonym(snapshot.digest, pk) for pk in annotators}
    assert not workers & {ballots.pseudonym("another digest", pk) for pk in annotators}


def test_a_vote_cast_after_the_freezing_is_not_in_it(django_user_model: Any) -> None:
    campaign = voted()
    snapshot = frozen(campaign)
    row = campaign.campaign_faces.first()
    assert row is not None
    extra = make_user(name="late")
    Vote.objects.create(
        campaign=campaign,
        campaign_face=row,
        annotator=extra,
        round=2,
        answer="sad",
        client_key=uuid.uuid4(),
        cast_at=snapshot.ended_at + (snapshot.ended_at - snapshot.started_at),
    )
    export = made(snapshot, "votes")
    assert export.message == ""
    assert added_up(lines(export)) == counted(snapshot)


def test_of_a_face_whose_votes_were_put_aside_none_is_given() -> None:
    campaign = voted()
    snapshot = frozen(campaign)
    person = Vote.objects.order_by("pk").values_list("annotator", flat=True)[0]
    newest = Vote.objects.filter(annotator=person).order_by("-cast_at")[2]
    discards.discard(
        campaign=campaign,
        annotator=newest.annotator,
        since=newest.cast_at,
        reason="random",
        by=make_user("manager"),
    )
    export = made(snapshot, "votes")
    whole = counted(snapshot)
    found = added_up(lines(export))
    assert 0 < len(whole) - len(found) <= 3
    assert export.message.startswith(f"Of {len(whole) - len(found)} face")
    assert all(found[key] == whole[key] for key in found)


def test_an_answer_of_a_later_round_counts_as_in_the_consensus() -> None:
    campaign = voted(faces=8)
    row = campaign.campaign_faces.filter(outcome="agreed").first()
    assert row is not None
    person = Vote.objects.filter(campaign_face=row)[0].annotator
    votes.reopen(campaign_faces=[row.pk], votes=1)
    (held,) = votes.lease(campaign=campaign, annotator=person, limit=1)
    assert held.campaign_face_id == row.pk
    votes.cast(
        campaign=campaign,
        annotator=person,
        campaign_face_id=row.pk,
        answer="surprise",
        client_key=uuid.uuid4(),
    )
    snapshot = frozen(campaign)
    assert added_up(lines(made(snapshot, "votes"))) == counted(snapshot)


def test_a_class_that_begins_like_a_formula_is_no_formula_in_either_table_and_exact_in_the_snapshot() -> None:
    campaign = voted()
    # Made before such names were refused.
    renamed = {"happy": "=1+1", "sad": "'-sad"}
    expressions = [renamed.get(name, name) for name in campaign.expressions]
    Campaign.objects.filter(pk=campaign.pk).update(expressions=expressions)
    for old, new in renamed.items():
        Vote.objects.filter(answer=old).update(answer=new)
        campaign.campaign_faces.filter(label=old).update(label=new)
    campaign.refresh_from_db()
    for row in campaign.campaign_faces.all():
        counts = {renamed.get(name, name): count for name, count in row.counts.items()}
        campaign.campaign_faces.filter(pk=row.pk).update(counts=counts)
    snapshot = frozen(campaign)
    digest = snapshot.digest
    row = made(snapshot, "votes")
    answers = {line["label"] for line in lines(row)}
    assert {"'=1+1", "''-sad"} <= answers <= {"'=1+1", "''-sad", "cant_tell", "not_a_face"}
    tasks = list(csv.DictReader(io.StringIO(inside(row, "tasks.csv").decode())))
    assert {line["label"] for line in tasks} <= {"'=1+1", "''-sad"}
    assert [as_meant(line["label"]) for line in tasks] == [
        face["label"] for face in snapshots.read_table(freezing.local_folder(snapshot), ["label"]).to_pylist()
    ]
    meant = [{**line, "label": as_meant(line["label"])} for line in lines(row)]
    assert added_up(meant) == counted(snapshot)
    assert "=1+1" in snapshots.read_manifest(freezing.local_folder(snapshot)).classes
    assert (freezing.verify(snapshot=snapshot), frozen(campaign).digest) == ([], digest)


def test_crowd_kit_finds_the_labels_by_the_raw_votes() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pandas = pytest.importorskip("pandas")
        aggregation = pytest.importorskip("crowdkit.aggregation", exc_type=ImportError)
        snapshot = frozen(voted(20, 5))
        row = made(snapshot, "votes")
        table = pandas.read_csv(io.BytesIO(inside(row, "votes.csv")))
        found = aggregation.MajorityVote().fit_predict(table).to_dict()
        tasks = pandas.read_csv(io.BytesIO(inside(row, "tasks.csv"))).set_index("task")
        skills = aggregation.DawidSkene(n_iter=5).fit_predict(table)
    assert found == tasks["label"].to_dict()
    assert set(skills.index) == set(found)


def test_label_studio_has_an_annotation_per_vote_and_every_picture() -> None:
    snapshot = frozen(voted())
    row = made(snapshot, "labelstudio")
    tasks = json.loads(inside(row, "tasks.json"))
    assert [task["id"] for task in tasks] == list(range(1, len(tasks) + 1))
    said = [
        {
            "task": task["meta"]["face_key"],
            "label": annotation["result"][0]["value"]["choices"][0],
            "worker": annotation["worker"],
        }
        for task in tasks
        for annotation in task["annotations"]
    ]
    assert added_up(said) == counted(snapshot)
    faces = {
        face["face_key"]: face for face in snapshots.read_table(freezing.local_folder(snapshot)).to_pylist()
    }
    for task in tasks:
        face = faces[task["meta"]["face_key"]]
        name = task["data"]["image"].removeprefix("/data/local-files/?d=")
        assert inside(row, name) == face["image"]
        assert task["predictions"][0]["result"][0]["value"] == {"choices": [face["label"]]}
    interface = inside(row, "label_config.xml").decode()
    assert all(
        f'<Choice value="{name}"/>' in interface for name in (*snapshot.campaign.expressions, *ANSWERS[2:])
    )


def frozen_with_another() -> tuple[Snapshot, Campaign]:
    """A snapshot whose faces were voted on in two campaigns, and the second of them."""
    first, second = voted(), voted(called="another")
    return frozen(first, also=[second]), second


@pytest.mark.parametrize("knows_keys", [True, False])
def test_a_campaign_that_is_called_otherwise_now_has_its_votes(knows_keys: bool) -> None:
    snapshot, second = frozen_with_another()
    if not knows_keys:
        # As it was frozen before keys were kept.
        snapshot.counts.pop("campaigns")
        snapshot.save(update_fields=["counts"])
    before = snapshot.digest
    name = second.name
    campaign_changes.change(campaign=second, name="Another name")
    make_campaign(2, name=name)
    row = made(snapshot, "votes")
    assert row.message == ""
    assert added_up(lines(row)) == counted(snapshot)
    assert Snapshot.objects.get().digest == before


def test_a_campaign_renamed_before_a_worker_comes_is_taken_in() -> None:
    first, second = voted(), voted(called="another")
    waiting = freezing.freeze(campaign=first, also=[second])
    campaign_changes.change(campaign=second, name="Another name")
    freezing.run_freeze(waiting.pk)
    waiting.refresh_from_db()
    assert (waiting.state, waiting.error) == ("done", "")
    assert waiting.counts["campaigns"] == [first.pk, second.pk]
