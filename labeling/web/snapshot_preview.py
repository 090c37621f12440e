"""What a snapshot would hold by a rule, before it is frozen."""

from collections.abc import Mapping
from typing import Any

from labeling import licensing, queries
from labeling.licence_words import reasons
from labeling.models import Campaign, Snapshot
from labeling.refusals import Refusal
from labeling.sayings import told
from labeling.snapshot_words import certificate_lines, left_out
from labeling.snapshots import freezing
from labeling.snapshots.choosing import with_label
from labeling.web.snapshot_forms import NewSnapshot

AT_ONCE = 10_000
"""Faces up to which the page comes with its preview; of more the page asks for it once it is there."""


def context(campaign: Campaign, form: NewSnapshot) -> dict[str, Any]:
    """For labeling/snapshot_preview.html. Of a form that nobody has filled in yet, by the usual rule."""
    if form.is_bound and not form.is_valid():
        return {"campaign": campaign, "form": form, "wrong": True}
    wanted = form.rule() if form.is_bound else {"campaign": campaign}
    found: dict[str, Any] = {"campaign": campaign, "form": form}
    faces = campaign.campaign_faces.count()
    if faces > freezing.PREVIEWED:
        return found | _plain(campaign, wanted)
    if faces > AT_ONCE and not form.is_bound:
        return found | {"later": True}
    try:
        choice = freezing.preview(**wanted)
    except Refusal as refusal:
        return found | {"refused": told(str(refusal))} | _plain(campaign, wanted)
    counts = {"classes": list(choice.faces.classes), "splits": choice.counts}
    return found | {
        "table": queries.split_table(Snapshot(counts=counts)),
        "left_out": left_out(choice.faces.left_out),
        "certificate": certificate_lines(choice.certificate),
        "notes": [told(note) for note in choice.notes],
    }


def _plain(campaign: Campaign, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """What is settled by votes, whatever else the rule asks: a few counts of the database."""
    asked = wanted.get("licences")
    licences = campaign.licence_rule if asked is None else asked
    counted = queries.freeze_preview(campaign.pk, campaign.expressions, licences)
    out = {
        "open": counted.open,
        "no_consensus": counted.no_consensus,
        "not_a_face": counted.not_a_face,
        "licence": counted.licence,
    }
    return {"plain": counted, "most": freezing.PREVIEWED, "left_out": left_out(out)}


def rights(campaign: Campaign, form: NewSnapshot) -> dict[str, Any]:
    """Each demand on licences, and of how many faces with a label it is not met."""
    faces = with_label(campaign)
    unmet = licensing.unmet(faces)
    return {
        "rights": [(box, unmet[box.data["value"]]) for box in form["licences"]],
        "why": reasons(licensing.left_out(faces, campaign.licence_rule).why),
    }
