"""The files made of a snapshot, as its page shows them and as a browser fetches them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.utils.text import slugify
from django.utils.translation import gettext as _

from labeling.models import Export, Snapshot
from labeling.sayings import told
from labeling.snapshots.exports import ENDING, FORMATS, card
from labeling.web import files

_WORD = "word-"


@dataclass(frozen=True)
class Line:
    """A format, and the file made in it, if one was. problem: why this snapshot cannot be written so."""

    name: str
    title: str
    purpose: str
    export: Export | None
    problem: str = ""


def context(snapshot: Snapshot, exports: list[Export]) -> dict[str, Any]:
    """What snapshot_files.html and snapshot_words.html show."""
    made = {export.format: export for export in exports}
    classes = snapshot.counts.get("classes", snapshot.campaign.expressions)
    lines = [
        Line(name, _(shape.title), _(shape.purpose), made.pop(name, None), told(shape.problem(classes)))
        for name, shape in FORMATS.items()
    ]
    # Of a format this version no longer writes its key is all that is known.
    lines += [Line(name, name, "", export) for name, export in sorted(made.items())]
    newest_first = sorted(exports, key=lambda export: -export.pk)
    told_last = (export.options["words"] for export in newest_first if export.options.get("words"))
    words: dict[str, str] = next(told_last, {})
    asked_last = max(exports, key=lambda export: export.queued_at).options if exports else {}
    return {
        "files": lines,
        "questions": [(f"{_WORD}{key}", _(text), words.get(key, "")) for key, text in card.QUESTIONS.items()],
        "answered": len(words),
        "to": asked_last.get("to", ""),
        "profile": asked_last.get("profile", ""),
        "roots": settings.EXPORT_ROOTS,
        "profiles": list(settings.S3_PROFILES),
    }


def asked(post: Mapping[str, str]) -> dict[str, Any]:
    """What the form says, for exporting.export. Without its fields the words stay as they are."""
    words = {key: post[_WORD + key] for key in card.QUESTIONS if _WORD + key in post}
    return {
        "format": post.get("format", ""),
        "words": words or None,
        "to": post.get("to", "").strip(),
        "profile": post.get("profile", ""),
        "from_outside": True,
    }


def response(request: HttpRequest, row: Export) -> HttpResponseBase:
    """The file, or the part of it that is asked for; where the storage signs addresses, one of these."""
    name = f"{slugify(row.snapshot.name) or 'snapshot'}-{row.snapshot.digest[:8]}-{row.format}{ENDING}"
    return files.download(
        request,
        name=row.stored_as,
        filename=name,
        mime="application/zip",
        size=row.bytes,
        sha256=row.sha256,
    )
