"""Files of a run to take away: its weights, what it was made of, and what was found of it."""

from contextlib import suppress
from dataclasses import dataclass

from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.utils.functional import Promise
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET

from labeling.web import files
from labeling.web.doors import door
from training import runs
from training.models import TrainingRun
from training.rules import may_train

_JSON, _PARQUET = "application/json", "application/vnd.apache.parquet"
FILES: dict[str, tuple[str, str | Promise]] = {
    "best.safetensors": ("application/octet-stream", gettext_lazy("the weights of the best epoch")),
    "MODEL_CARD.md": ("text/markdown; charset=utf-8", gettext_lazy("data, figures, limits and intended use")),
    "config.json": (_JSON, gettext_lazy("every setting, the classes and the snapshot’s digest")),
    "result.json": (_JSON, gettext_lazy("all figures")),
    "metrics.jsonl": ("application/jsonl", gettext_lazy("the curves")),
    "predictions-validation.parquet": (_PARQUET, gettext_lazy("what it said of each validation face")),
    "predictions-test.parquet": (_PARQUET, gettext_lazy("what it said of each test face")),
}


@dataclass(frozen=True)
class RunFile:
    name: str
    about: str | Promise
    bytes: int


def there(run: TrainingRun) -> list[RunFile]:
    """Those of FILES that the run's folder has by now."""
    home = runs.folder(run)
    found = []
    for name, (_mime, about) in FILES.items():
        with suppress(FileNotFoundError):
            found.append(RunFile(name, about, (home / name).stat().st_size))
    return found


@door(may_train)
@require_GET
def send(request: HttpRequest, pk: int, name: str) -> HttpResponseBase:
    run = get_object_or_404(TrainingRun, pk=pk)
    file = runs.folder(run) / name
    try:
        if name not in FILES:
            raise FileNotFoundError
        about = file.stat()
        return files.save(
            request,
            lambda: file.open("rb"),
            filename=f"{slugify(run.name) or 'run'}-{run.pk}-{name}",
            mime=FILES[name][0],
            size=about.st_size,
            # Each is replaced whole; only the curves grow, and then they are longer too.
            key=f"{about.st_mtime_ns:x}-{about.st_size:x}",
        )
    except FileNotFoundError as gone:
        raise Http404(_("The run has no such file, or not any more.")) from gone
