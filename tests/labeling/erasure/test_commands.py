"""manage.py erase and sweep_storage."""

import os
import time
from io import StringIO
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command

from labeling import storage_sweep
from labeling.models import Erasure, Face, Media
from labeling.snapshots import exporting
from labeling.sources import pictures
from tests.factories import make_faces
from tests.labeling.snapshots.making import frozen, make_settled

pytestmark = pytest.mark.django_db


def said(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def test_erase_tells_first_and_does_it_then() -> None:
    (face,) = make_faces(1)
    told = said("erase", "--face", str(face.pk), "--dry-run")
    assert "1 faces" in told
    assert "--with-media" in told
    assert Face.objects.exists()
    said("erase", "--face", str(face.pk), "--with-media", "--reason", "Asked to")
    assert not Media.objects.exists()
    assert Erasure.objects.get().state == "done"


def test_erase_says_why_it_does_not() -> None:
    with pytest.raises(CommandError, match="no such thing"):
        said("erase", "--media", "7", "--reason", "Asked to")
    with pytest.raises(CommandError, match="one of the arguments"):
        said("erase", "--reason", "Asked to")


def test_the_sweep_finds_what_is_nobodys_and_what_is_missing() -> None:
    campaign = make_settled(12)
    snapshot = frozen(campaign)
    export = exporting.export(snapshot=snapshot, format="imagefolder", wake=False)
    exporting.run_export(export.pk)
    media = Media.objects.earliest("pk")
    pictures.kept(media=media, longest_side=100)
    assert list(storage_sweep.ownerless()) == []
    assert list(storage_sweep.missing()) == []
    old = default_storage.save("crops/aa/left.png", ContentFile(b"1"))
    young = default_storage.save("media/aa/coming.png", ContentFile(b"1"))
    strange = default_storage.save("elsewhere/a.png", ContentFile(b"1"))
    pack = default_storage.save("snapshots/packs/left.pack", ContentFile(b"1"))
    long_ago = time.time() - 2 * 24 * 3600
    for name in (old, strange, pack):
        os.utime(Path(default_storage.path(name)), (long_ago, long_ago))
    default_storage.delete(media.stored_as)
    told = said("sweep_storage", "--delete")
    assert f"missing: {media.stored_as} of media {media.pk}" in told
    assert told.strip().endswith("4 files are nobody’s, 2 of them deleted; 1 are missing.")
    assert [default_storage.exists(name) for name in (old, young, strange, pack)] == [
        False,
        True,
        True,
        False,
    ]
