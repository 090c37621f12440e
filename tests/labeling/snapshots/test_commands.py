"""Freeze, verify and export from the command line."""

import io
import zipfile
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from labeling.models import Export, FaceLabel, Snapshot, Source
from labeling.snapshots import freezing
from tests.factories import make_campaign, settle
from tests.labeling.snapshots.making import frozen, make_settled

pytestmark = pytest.mark.django_db


def said_by(*arguments: object) -> str:
    out = io.StringIO()
    call_command(*map(str, arguments), stdout=out)
    return out.getvalue()


def test_freeze_says_what_it_froze() -> None:
    campaign = make_settled(20, name="Faces", expressions=["happy", "sad"])
    said = said_by("freeze", "Faces", "--in-process", "--seed", "3", "--fractions", "60,20,20").splitlines()
    snapshot = Snapshot.objects.get()
    assert (snapshot.state, snapshot.campaign, snapshot.rule["seed"]) == ("done", campaign, 3)
    assert said[0].startswith(f"Snapshot {snapshot.pk} “Faces v1”: 20 faces, ")
    assert said[1] == f"digest {snapshot.digest}"
    assert [line.split() for line in said[2:5]] == [
        ["train", "validation", "test"],
        ["happy", "6", "2", "2"],
        ["sad", "6", "2", "2"],
    ]
    assert said[5].startswith("Groups: train 12, validation 4, test 4; none stands in two splits")


def test_freeze_previews_and_freezes_nothing() -> None:
    campaign = make_settled(20, name="Faces")
    settle(campaign.campaign_faces.earliest("pk"), "happy", agreement=0.4)
    said = said_by("freeze", "Faces", "--preview", "--agreement-at-least", "0.5", "--folds", "2").splitlines()
    assert said[0] == "19 faces would be frozen."
    assert "left out: 1 less agreement than asked for" in said
    assert not Snapshot.objects.exists()


def test_every_part_of_the_rule_is_an_option() -> None:
    campaign, other = make_settled(6, name="Faces"), make_settled(2, name="More")
    for name in ("ours", "theirs"):
        Source.objects.create(name=name, kind="folder", location=f"/{name}")
    FaceLabel.objects.create(
        face=campaign.campaign_faces.earliest("pk").face, column="expert", label="sad", origin="the team"
    )
    options = (
        "--also More --labels expert votes --labelled-sources ours --votes-at-least 2 --agreement-at-least 0.5 "
        "--classes happy sad --side-at-least 9 --quality min_sharpness=0.3 --quality max_yaw=40 "
        "--sources ours theirs --licences no_nc --splits sources "
        "--validation-sources theirs --test-sources ours --together author --folds 3 --test-may-move"
    )
    said_by("freeze", "Faces", *options.split())
    assert Snapshot.objects.get().rule == {
        "consensus": campaign.rule,
        "minimum_agreement": campaign.minimum_agreement,
        "campaigns": ["Faces", str(other)],
        "labels": ["expert", "votes"],
        "labelled_sources": ["ours"],
        "votes_at_least": 2,
        "agreement_at_least": 0.5,
        "classes": ["happy", "sad"],
        "side_at_least": 9,
        "quality": {"min_sharpness": 0.3, "max_yaw": 40.0},
        "sources": ["ours", "theirs"],
        "licences": ["no_nc"],
        "splits": "sources",
        "split_sources": {"validation": ["theirs"], "test": ["ours"]},
        "groups": ["author", "media"],
        "folds": 3,
        "test_stays": False,
    }


def test_freeze_without_a_process_queues() -> None:
    campaign = make_settled(4)
    said = said_by("freeze", campaign.pk, "--name", "first")
    snapshot = Snapshot.objects.get()
    assert said == f"Snapshot {snapshot.pk} “first” is queued for a worker.\n"
    assert snapshot.state == "waiting"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "There is no campaign “nowhere”."),
        (["empty"], "No face of this campaign has a consensus yet."),
        (["full", "--fractions", "80,20"], "“80,20” are no three shares; write 80,10,10."),
        (["full", "--fractions", "0,50,50"], "Train needs a share"),
        (["full", "--labels", "rumour"], "No face has a label of “rumour”"),
        (["full", "--splits", "sources"], "Name sources for validation or test"),
        (["full", "--preview", "--folds", "101"], "Folds are 2 to 100, or none"),
        (["full", "--splits", "given", "--in-process"], "came without a split of their own"),
    ],
)
def test_freeze_says_why_it_does_not(arguments: list[str], said: str) -> None:
    make_campaign(3, name="empty")
    make_settled(4, name="full")
    with pytest.raises(CommandError, match=said):
        said_by("freeze", *arguments)


def test_verify_snapshot_says_that_nothing_has_changed_or_what_has() -> None:
    snapshot = frozen(make_settled())
    folder = freezing.local_folder(snapshot)
    for which in (snapshot.pk, snapshot.name, snapshot.digest[:8], folder):
        assert said_by("verify_snapshot", which) == f"Snapshot {which}: nothing has changed.\n"
    (folder / "faces-00000.parquet").unlink()
    (folder / "notes.txt").write_text("mine")
    out = io.StringIO()
    with pytest.raises(SystemExit) as exit_:
        call_command("verify_snapshot", str(snapshot.pk), stdout=out)
    assert exit_.value.code == 1
    assert out.getvalue().splitlines() == [
        "faces-00000.parquet: This file is missing.",
        "notes.txt: This file is not part of the snapshot.",
    ]


def test_verify_snapshot_needs_a_frozen_one(tmp_path: Path) -> None:
    waiting = freezing.freeze(campaign=make_settled(4))
    with pytest.raises(CommandError, match="is waiting, not frozen yet"):
        said_by("verify_snapshot", waiting.pk)
    with pytest.raises(SystemExit):
        said_by("verify_snapshot", tmp_path)


def test_a_name_that_two_snapshots_have_is_not_enough() -> None:
    campaign = make_settled()
    for _ in range(2):
        frozen(campaign, name="twin")
    with pytest.raises(CommandError, match="Several snapshots answer to “twin”"):
        said_by("verify_snapshot", "twin")


def test_export_snapshot_makes_the_file_and_copies_it(tmp_path: Path) -> None:
    snapshot = frozen(make_settled(12))
    target = tmp_path / "faces.zip"
    for _ in range(2):
        said = said_by("export_snapshot", snapshot.pk, "imagefolder", "--to", target).splitlines()
        row = Export.objects.get()
        assert said == [
            f"{row}: {row.bytes:,} bytes, sha256 {row.sha256}",
            f"in the storage as {row.stored_as}",
            f"and at {target}",
        ]
        assert target.stat().st_size == row.bytes
    assert len(zipfile.ZipFile(target).namelist()) == 19
    assert [path.name for path in tmp_path.iterdir() if "faces" in path.name] == ["faces.zip"]


def test_export_snapshot_queues_without_a_process_and_says_why_it_cannot(tmp_path: Path) -> None:
    snapshot = frozen(make_settled(12))
    row_said = said_by("export_snapshot", snapshot.pk, "fer2013")
    assert row_said.endswith("is queued for a worker.\n")
    assert "bytes, sha256" in said_by("export_snapshot", snapshot.pk, "fer2013", "--in-process")
    with pytest.raises(CommandError, match="could not be copied to"):
        said_by("export_snapshot", snapshot.pk, "fer2013", "--to", tmp_path / "nowhere" / "faces.csv")
    with pytest.raises(CommandError, match="invalid choice: 'arff'"):
        said_by("export_snapshot", snapshot.pk, "arff")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("--also Faces", "named twice"),
        ("--test-sources nosuch", "Sources are named for splits, but splits are not made by source"),
        ("--splits sources --test-sources nosuch", "There is no source “nosuch”"),
        ("--splits given --fractions 80,10,10", "Only splits that are drawn have shares"),
        ("--fractions 1e-12,0,1", "A share is too small"),
        (f"--name {'n' * 300}", "more than 200 characters"),
    ],
)
def test_what_contradicts_itself_is_refused(options: str, says: str) -> None:
    make_settled(6, name="Faces")
    with pytest.raises(CommandError, match=says):
        call_command("freeze", "Faces", *options.split())
    assert not Snapshot.objects.exists()
