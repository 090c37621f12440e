"""FER2013 and FER+, taken in, frozen and exported, are what they were."""

import csv
import io
import subprocess
import sys
from pathlib import Path

import pytest

from labeling.expressions import EIGHT, FERPLUS_ANSWERS
from labeling.models import CampaignFace, Face
from labeling.sources import ingest
from tests.factories import make_campaign, settle
from tests.labeling.snapshots.making import frozen
from tests.labeling.snapshots.test_exporting import faces_of, inside, made

pytestmark = [pytest.mark.django_db, pytest.mark.shared_data, pytest.mark.slow]
SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"
FIRST, LAST = 28_600, 28_800
"""Training ends at row 28,709."""


def test_row_by_row_pixels_labels_and_votes_come_back(tmp_path: Path, settings) -> None:
    if not (SHARED / "fer2013").exists():
        pytest.skip("there is no ../shared/data")
    unpack = [
        sys.executable,
        SHARED / "fer2013" / "unpack.py",
        tmp_path,
        "--csv",
        "--rows",
        f"{FIRST}:{LAST}",
    ]
    subprocess.run(unpack, check=True, capture_output=True)
    with (SHARED / "ferplus" / "fer2013new.csv").open(newline="") as file:
        head, *votes = csv.reader(file)
    ours = tmp_path / "votes.csv"
    with ours.open("w", newline="") as file:
        csv.writer(file).writerows([head, *votes[FIRST:LAST]])
    source = ingest.add(location=str(tmp_path / "fer2013.csv"), options={"ferplus": str(ours)})
    ingest.ingest(source.pk)
    faces = list(Face.objects.order_by("row"))
    assert len(faces) == LAST - FIRST
    campaign = make_campaign(faces, expressions=list(EIGHT))
    for row in CampaignFace.objects.select_related("face"):
        assert row.face is not None
        settle(row, row.face.given["label"])
        CampaignFace.objects.filter(pk=row.pk).update(counts=row.face.given["votes"])
    snapshot = frozen(campaign, splits="given", votes_at_least=0)

    with (tmp_path / "fer2013.csv").open(newline="") as file:
        before = [(line["emotion"], line["pixels"], line["Usage"]) for line in csv.DictReader(file)]
    export = made(snapshot, "fer2013")
    found = csv.DictReader(io.StringIO(inside(export, "fer2013.csv").decode()))
    after = [(line["emotion"], line["pixels"], line["Usage"]) for line in found]
    # A snapshot's rows, and the CSV's, are in order of face_key.
    own = {face.pk: face.row for face in faces}
    rows = [own[face["face_id"]] for face in faces_of(export)]
    assert sorted(rows) == list(range(1, LAST - FIRST + 1))
    assert [line[:2] for line in after] == [before[row - 1][:2] for row in rows]
    # What shows the same picture as a face of a stricter split has moved there.
    moved = sum(line[2] != before[row - 1][2] for line, row in zip(after, rows, strict=True))
    assert moved == snapshot.counts["moved"] <= 3

    export = made(snapshot, "ferplus")
    table = list(csv.DictReader(io.StringIO(inside(export, "fer2013new.csv").decode())))
    wanted = sorted(row[2:] for row in votes[FIRST:LAST])
    assert sorted([line[name] for name in FERPLUS_ANSWERS] for line in table) == wanted
