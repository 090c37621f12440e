"""What the pages of campaigns ask of the database: each answer in a fixed number of statements."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from django.db.models import Count, Exists, Max, Min, OuterRef, Q, QuerySet, Sum

from labeling import licensing, quality_rule
from labeling.face_filter import in_source
from labeling.licensing import LeftOut
from labeling.models import Campaign, CampaignFace, DiscardedVote, Face, Item, Skip, Source
from labeling.quality_rule import KeptOut

SAMPLE = 12
"""Faces shown of a choice."""
TRIED_AT_MOST = 20_000
"""Faces whose votes a rule is tried on."""
TRIED_CAMPAIGNS = 50
ASKED = ~Q(state__in=[CampaignFace.State.GOLD, CampaignFace.State.ERASED])
"""Of gold and of what was erased nothing is asked."""


@dataclass(frozen=True)
class CampaignRow:
    campaign: Campaign
    faces: int
    settled: int
    votes: int
    """Votes cast in the present round of each face."""
    wanted: int


def campaign_rows(campaigns: list[Campaign]) -> list[CampaignRow]:
    """The campaigns with how far each has come. One statement however many there are."""
    faces = CampaignFace.objects.filter(ASKED, campaign__in=campaigns).order_by()
    counted = faces.values_list("campaign").annotate(
        every=Count("pk"),
        settled=Count("pk", filter=Q(state=CampaignFace.State.SETTLED)),
        votes_now=Sum("votes"),
        wanted_now=Sum("wanted"),
    )
    found = {pk: rest for pk, *rest in counted}
    return [CampaignRow(campaign, *found.get(campaign.pk, (0, 0, 0, 0))) for campaign in campaigns]


@dataclass(frozen=True)
class FaceChoice:
    """Which faces a campaign asks about: never those left out. What is left empty restricts nothing."""

    sources: tuple[int, ...] = ()
    detector: str = ""
    kind: str = ""
    """Of the media: image or video."""
    min_size: int = 0
    """Pixels of the shorter side of the face's box."""
    min_score: float | None = None
    """The detector's own confidence."""
    licence: str = ""
    """Words the licence contains, in any case."""
    settled_in: int | None = None
    """A campaign that has settled them; the next three say how."""
    outcome: str = ""
    label: str = ""
    agreement_below: float | None = None
    limit: int | None = None
    """So many of them, at random."""

    def faces(self, *, without: Campaign | None = None) -> QuerySet[Face]:
        """Each face once, less those the campaign `without` has. With a limit, another draw each time it is asked."""
        return drawn(self.matching(without=without), self.limit)

    def matching(self, *, without: Campaign | None = None) -> QuerySet[Face]:
        """All that could be chosen, whatever the limit."""
        exact = {"detector": self.detector, "media__kind": self.kind}
        chosen = Face.objects.kept().filter(**{name: value for name, value in exact.items() if value})
        if self.sources:
            chosen = chosen.filter(_in_any(self.sources))
        if self.min_size:
            chosen = chosen.filter(width__gte=self.min_size, height__gte=self.min_size)
        if self.min_score is not None:
            chosen = chosen.filter(score__gte=self.min_score)
        if self.licence:
            chosen = chosen.filter(media__licence__icontains=self.licence)
        if self.settled_in:
            chosen = chosen.filter(pk__in=self._settled())
        if without is None:
            return chosen
        there = CampaignFace.objects.filter(campaign=without, face=OuterRef("pk"))
        return chosen.filter(~Exists(there))

    def _settled(self) -> QuerySet[CampaignFace, int]:
        exact = {"campaign": self.settled_in, "outcome": self.outcome, "label": self.label}
        rows = CampaignFace.objects.filter(
            state=CampaignFace.State.SETTLED, **{name: value for name, value in exact.items() if value}
        )
        if self.agreement_below is not None:
            rows = rows.filter(agreement__lt=self.agreement_below)
        return rows.order_by().values_list("face", flat=True)


def drawn(faces: QuerySet[Face], limit: int | None) -> QuerySet[Face]:
    """So many of the faces, at random; another draw each time it is asked. Without a limit, all of them."""
    if limit is None:
        return faces
    return Face.objects.filter(pk__in=faces.order_by("?").values("pk")[:limit])


def _in_any(sources: Iterable[int]) -> Q:
    keys = tuple(sources)
    if len(keys) == 1:
        return in_source(keys[0])
    media = Item.objects.filter(source__in=keys, media__isnull=False).order_by()
    return Q(media__in=media.values_list("media", flat=True))


@dataclass(frozen=True)
class ChosenFaces:
    """How many faces a choice takes, and a few of them from all over it. left: those beyond its limit."""

    count: int
    left: int
    sample: list[int]
    left_out: LeftOut = field(default_factory=LeftOut)
    """Those that the rule on licences leaves out."""
    kept_out: KeptOut = field(default_factory=KeptOut)
    """Those of the others that the rule on quality keeps out."""

    @property
    def all(self) -> int:
        return self.count + self.left


def chosen_faces(
    choice: FaceChoice,
    *,
    without: Campaign | None = None,
    rule: Collection[str] = (),
    quality: quality_rule.Rule | None = None,
) -> ChosenFaces:
    """Count a choice, less what is in the campaign `without` and what the rules on licences and quality leave out.

    In one statement, another for each rule there is, and one per face of the sample.
    """
    asked = quality or {}
    every_licence = choice.matching(without=without)
    left_out = licensing.left_out(every_licence, rule)
    allowed = every_licence.filter(licensing.meets(rule))
    kept_out = quality_rule.kept_out(allowed, asked)
    matching = allowed.filter(quality_rule.meets(asked))
    found = matching.order_by().aggregate(every=Count("pk"), first=Min("pk"), last=Max("pk"))
    every = found["every"]
    count = every if choice.limit is None else min(every, choice.limit)
    sample = _sample(matching, found["first"], found["last"]) if every else []
    return ChosenFaces(count, every - count, sample[:count], left_out, kept_out)


def _sample(faces: QuerySet[Face], first: int, last: int) -> list[int]:
    """Faces at even distances: looked up by key, as drawing at random would read them all."""
    points = [first + (last - first) * n // SAMPLE for n in range(SAMPLE)]
    by_key = faces.order_by("pk").values_list("pk", flat=True)
    return sorted({pk for point in points if (pk := by_key.filter(pk__gte=point).first())})


def unseen(rows: QuerySet[CampaignFace]) -> QuerySet[CampaignFace]:
    """Those nobody holds, has answered or passed on: they may leave their campaign as if they had never been in it."""
    return rows.filter(
        ~Exists(Skip.objects.filter(campaign_face=OuterRef("pk"))),
        ~Exists(DiscardedVote.objects.filter(campaign_face=OuterRef("pk"))),
        state=CampaignFace.State.OPEN,
        votes=0,
        leases=0,
        round=1,
    )


def stored_counts(campaign: Campaign) -> list[tuple[int, dict[str, int]]]:
    """(face, votes per answer) of up to TRIED_AT_MOST settled faces, in one statement."""
    rows = CampaignFace.objects.filter(campaign=campaign, state=CampaignFace.State.SETTLED)
    return list(rows.order_by("pk").values_list("face", "counts")[:TRIED_AT_MOST])


def given_counts() -> list[tuple[int, dict[str, int]]]:
    """(face, votes per answer) of up to TRIED_AT_MOST faces whose source came with votes, as FER+ does."""
    rows = Face.objects.filter(given__has_key="votes").order_by("pk")
    return [(pk, given["votes"]) for pk, given in rows.values_list("pk", "given")[:TRIED_AT_MOST]]


def votes_were_given() -> bool:
    """Whether a source came with votes of its own."""
    return Source.objects.filter(options__has_key="ferplus").exists()


def campaigns_to_try_on() -> list[tuple[int, str]]:
    """Campaigns with settled faces, newest first: (key, name)."""
    settled = CampaignFace.objects.filter(campaign=OuterRef("pk"), state=CampaignFace.State.SETTLED)
    rows = Campaign.objects.filter(Exists(settled)).order_by("-pk")
    return list(rows.values_list("pk", "name")[:TRIED_CAMPAIGNS])
