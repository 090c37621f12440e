"""manage.py ingest, detect, draw_media."""

import io
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from labeling.models import Detection, Face, Media, Source
from labeling.sources import drawn
from tests.labeling.sources.places import FERPLUS_HEAD, fer_csv, fer_row, png, write
from tests.labeling.sources.test_faces import jpeg

pytestmark = pytest.mark.django_db


def said(*arguments: object) -> str:
    out = io.StringIO()
    call_command(*map(str, arguments), stdout=out)
    return out.getvalue()


def test_without_in_process_the_source_is_queued(tmp_path: Path) -> None:
    text = said("ingest", write(tmp_path / "in", {"a.png": png()}), "--name", "Photos", "--licence", "CC0")
    source = Source.objects.get()
    assert text == f"Source {source.pk} “Photos” is queued for a worker.\n"
    assert (source.state, source.licence) == ("waiting", "CC0")


def test_in_process_media_and_faces_are_there_at_the_end(tmp_path: Path) -> None:
    folder = write(tmp_path / "in", {"a.jpg": jpeg(drawn.draw_still(0)), "b.jpg": jpeg(drawn.draw_still(1))})
    text = said("ingest", folder, "--in-process", "--detect", "haar")
    pk = Source.objects.get().pk
    assert text == f"Source {pk} “in”: 2 media, 2 faces; 0 items were known already, 0 refused.\n"
    assert (Media.objects.count(), Face.objects.count()) == (2, 2)
    again = said("ingest", folder, "--in-process", "--detect", "haar")
    assert (again, Face.objects.count()) == (text, 2)


def test_refused_items_are_listed_and_the_exit_status_is_3(tmp_path: Path, capsys) -> None:
    folder = write(tmp_path / "in", {"good.png": png(), "bad.jpg": "words"})
    out = io.StringIO()
    with pytest.raises(SystemExit) as end:
        call_command("ingest", str(folder), "--in-process", stdout=out)
    assert end.value.code == 3
    assert "  bad.jpg  The content is text, not an image or a video" in out.getvalue()
    assert Media.objects.count() == 1


def test_a_table_with_its_votes_and_rows(tmp_path: Path) -> None:
    votes = tmp_path / "v.csv"
    votes.write_text(f"{FERPLUS_HEAD}\n" + "Training,x.png,10,0,0,0,0,0,0,0,0,0\n" * 5)
    table = fer_csv(tmp_path / "f.csv", [fer_row(6, n) for n in range(5)])
    said("ingest", table, "--ferplus", votes, "--rows", "2:4", "--in-process")
    assert [face.row for face in Face.objects.order_by("row")] == [2, 3, 4]
    assert Face.objects.first().given["votes"] == {"neutral": 10}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["/no/such/place"], "There is nothing at"),
        (["HERE", "--detect", "yunet"], "cannot run here"),
        (["HERE", "--rows", "a:b"], "no range of rows"),
        (["HERE", "--rows", "1:2"], "has no option “rows”"),
    ],
)
def test_what_cannot_be_done_is_said(tmp_path: Path, arguments: list[str], words: str) -> None:
    here = write(tmp_path, {"a.png": png()})
    with pytest.raises(CommandError, match=words):
        said("ingest", *(str(here) if word == "HERE" else word for word in arguments))


def test_detect_prints_faces_and_time_per_file(tmp_path: Path) -> None:
    said("ingest", write(tmp_path / "in", {"a.jpg": jpeg(drawn.draw_still(0))}), "--in-process")
    lines = said("detect", Source.objects.get().pk, "--in-process").splitlines()
    assert lines[0].split() == ["faces", "frames", "ms", "media"]
    assert lines[1].split()[0::3] == ["1", "a.jpg"]
    with pytest.raises(CommandError, match="There is no source 4711"):
        said("detect", 4711)


def test_draw_media_draws(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(drawn, "SCHEDULE", drawn.SCHEDULE[:1])
    text = said("draw_media", tmp_path / "drawn", "--stills", 2)
    assert text == f"2 stills, 2 groups and a video are in {tmp_path / 'drawn'}.\n"
    assert len(list((tmp_path / "drawn").iterdir())) == 6


def test_detect_takes_the_settings_of_the_search_and_of_the_detector(tmp_path: Path) -> None:
    said("ingest", write(tmp_path / "in", {"a.png": png(1)}), "--in-process")
    pk = Source.objects.get().pk
    with pytest.raises(CommandError, match="NAME=NUMBER"):
        said("detect", pk, "--set", "min_neighbors")
    with pytest.raises(CommandError, match="haar tells no eyes"):
        said("detect", pk, "--aligned", "--in-process")
    said(
        "detect",
        pk,
        "--min-side",
        48,
        "--set",
        "min_neighbors=7",
        "--set",
        "scale_factor=1.2",
        "--in-process",
    )
    assert Detection.objects.get().settings == {"min_side": 48, "min_neighbors": 7, "scale_factor": 1.2}
