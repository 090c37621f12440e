"""The page that deletes a run, or only its weights."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from labeling.web.doors import door
from training import deleting
from training.models import TrainingRun
from training.rules import may_train


@door(may_train)
@require_http_methods(["GET", "POST"])
def page(request: HttpRequest, pk: int) -> HttpResponse:
    run = get_object_or_404(TrainingRun, pk=pk)
    if request.method == "POST" and request.POST.get("what") in ("weights", "run"):
        whole = request.POST["what"] == "run"
        verb = deleting.delete if whole else deleting.delete_weights
        try:
            freed = filesizeformat(verb(run=run, by=request.user))
        except deleting.CannotDelete as refusal:
            messages.error(request, str(refusal))
            return redirect("training:run_delete", pk)
        if whole:
            said = _("“{run}” is deleted. {bytes} are free.").format(run=run, bytes=freed)
            messages.success(request, said)
            return redirect("training:runs")
        messages.success(request, _("The weights are deleted. {bytes} are free.").format(bytes=freed))
        return redirect("training:run", pk)
    context = {
        "run": run,
        "size": deleting.size(run),
        "why_not_weights": deleting.why_not(run, whole=False),
        "why_not_run": deleting.why_not(run, whole=True),
        "campaigns": [row.campaign for row in run.predictions.select_related("campaign")],
    }
    return render(request, "training/delete.html", context)
