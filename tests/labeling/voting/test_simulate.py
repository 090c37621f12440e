"""Programs that vote by the same verbs, the replay of votes somebody gave before, and the commands for it."""

import csv
import os
from collections import Counter
from collections.abc import Sequence
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from labeling import campaigns
from labeling.expressions import EIGHT, FERPLUS_ANSWERS, OTHER_ANSWERS
from labeling.models import Campaign, CampaignFace, Face, Skip, Vote
from labeling.voting import simulate
from labeling.voting.integrity import check
from tests.factories import make_campaign, make_media, make_user

pytestmark = pytest.mark.django_db
FERPLUS = Path(__file__).resolve().parents[4] / "shared" / "data" / "ferplus" / "fer2013new.csv"
GIVEN = ({"happy": 9, "sad": 1}, {"fear": 5, "surprise": 5}, {"not_a_face": 6, "happy": 4}, {"cant_tell": 10})


def campaign_of(given: Sequence[dict[str, int]]) -> Campaign:
    media = make_media()
    box = {"detector": "fer2013", "score": 1.0, "x": 0, "y": 0, "width": 48, "height": 48}
    crop = {"crop": "c", "crop_sha256": "c", "crop_width": 48, "crop_height": 48}
    rows = (
        Face(media=media, row=row, given={"votes": votes}, **box, **crop)
        for row, votes in enumerate(given, 1)
    )
    Face.objects.bulk_create(rows)
    campaign = campaigns.create(name=f"replay {media.pk}", expressions=EIGHT, rule="plurality")
    campaigns.add_faces(campaign=campaign, faces=Face.objects.filter(media=media))
    return campaign


def outcomes(campaign: Campaign) -> list[tuple[str, str]]:
    return list(campaign.campaign_faces.order_by("face__row").values_list("outcome", "label"))


def ballot(campaign: Campaign) -> list[tuple[int, int, str]]:
    return sorted(Vote.objects.filter(campaign=campaign).values_list("campaign_face", "annotator", "answer"))


def test_replayed_votes_are_the_votes_that_came_with_the_faces() -> None:
    campaign, people = campaign_of(GIVEN), [make_user() for _ in range(10)]
    assert simulate.replay(campaign=campaign, annotators=people) == 40
    assert outcomes(campaign) == [
        ("agreed", "happy"),
        ("no_consensus", ""),
        ("not_a_face", ""),
        ("no_consensus", ""),
    ]
    assert [face.counts for face in campaign.campaign_faces.order_by("face__row")] == list(GIVEN)
    assert check(campaign) == dict.fromkeys(check(campaign), 0)


def test_a_replay_begun_again_goes_on_and_adds_nothing() -> None:
    campaign, people = campaign_of(GIVEN), [make_user() for _ in range(10)]
    simulate._vote_all(campaign, people[:4], lambda face, place: sorted(face.given["votes"])[0], None)
    assert simulate.votes_wanted(campaign) == 24
    assert simulate.replay(campaign=campaign, annotators=people) == 24
    assert simulate.replay(campaign=campaign, annotators=people) == 0


def test_the_same_seed_lets_the_same_people_cast_the_same_votes() -> None:
    campaign, people = campaign_of(GIVEN), [make_user() for _ in range(10)]
    simulate.replay(campaign=campaign, annotators=people, seed=3)
    first = ballot(campaign)
    Vote.objects.all().delete()
    CampaignFace.objects.update(
        state="open", votes=0, places=10, outcome="", label="", settled_at=None, shuffle=2**31
    )
    simulate.replay(campaign=campaign, annotators=people, seed=3)
    assert ballot(campaign) == first


def test_a_face_with_another_number_of_votes_is_named_and_nothing_is_cast() -> None:
    campaign, people = campaign_of([*GIVEN, {"happy": 9}]), [make_user() for _ in range(10)]
    with pytest.raises(simulate.CannotReplay, match=r"1 faces did not come with exactly 10 votes.*row 5"):
        simulate.replay(campaign=campaign, annotators=people)
    assert Vote.objects.count() == 0


def test_faces_with_another_number_of_votes_can_be_passed_on_and_stay_open() -> None:
    campaign, people = campaign_of([*GIVEN, {"happy": 9}]), [make_user() for _ in range(10)]
    assert simulate.replay(campaign=campaign, annotators=people, pass_uneven_on=True) == 40
    assert campaign.campaign_faces.get(state="open").face.row == 5
    assert Skip.objects.count() == 10


def test_simulated_annotators_answer_what_they_see() -> None:
    campaign = make_campaign(3, votes_per_face=3)
    people = [make_user() for _ in range(4)]
    cast = simulate.simulate(campaign=campaign, annotators=people, opinion=lambda face: {"fear": 1.0})
    assert cast == 9
    assert set(campaign.campaign_faces.values_list("label", flat=True)) == {"fear"}


def test_commands_make_a_campaign_fill_it_and_check_it() -> None:
    campaign_of(GIVEN)
    out = StringIO()
    call_command("create_campaign", "By command", expressions=",".join(EIGHT), rule="plurality", stdout=out)
    campaign = Campaign.objects.get(name="By command")
    assert out.getvalue() == f"Campaign {campaign.pk} “By command” asks 10 people each about 4 faces.\n"
    call_command("replay_votes", campaign.pk)
    assert outcomes(campaign)[0] == ("agreed", "happy")
    out = StringIO()
    call_command("check_votes", campaign.pk, stdout=out)
    assert out.getvalue() == f"Campaign {campaign.pk} “By command”: all is well.\n"


def test_check_votes_fails_when_something_is_wrong() -> None:
    campaign = campaign_of(GIVEN[:1])
    call_command("replay_votes", campaign.pk)
    Vote.objects.filter(campaign=campaign).first().delete()
    out = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("check_votes", stdout=out)
    assert ended.value.code == 1
    assert "settled with too few votes: 1, tally of votes differs from the votes: 1" in out.getvalue()


def test_the_replay_command_lists_what_it_refuses() -> None:
    campaign, err = campaign_of([{"happy": 9}]), StringIO()
    with pytest.raises(CommandError, match="did not come with exactly 10 votes"):
        call_command("replay_votes", campaign.pk, stderr=err)
    assert "(row 1) came with 9 votes" in err.getvalue()


def test_vote_simulated_says_that_its_votes_are_invented(capsys: pytest.CaptureFixture[str]) -> None:
    campaign = make_campaign(2, votes_per_face=3)
    call_command("vote_simulated", campaign.pk, annotators="3", sure=1.0)
    assert Vote.objects.count() == 6
    assert "6 invented votes of 3 programs" in capsys.readouterr().err
    with pytest.raises(CommandError, match="There is no campaign 0"):
        call_command("vote_simulated", 0)
    with pytest.raises(CommandError, match="There is no account nobody"):
        call_command("vote_simulated", campaign.pk, annotators="nobody")


@pytest.mark.shared_data
@pytest.mark.slow
def test_the_replay_of_ferplus_agrees_with_its_plurality_on_every_row_without_a_tie() -> None:
    """The first rows of FER+ (Barsoum et al. 2016); VEMO_REPLAY_ROWS=2000 takes longer."""
    if not FERPLUS.exists():
        pytest.skip(
            f"needs {FERPLUS.parent.parent.name}/{FERPLUS.parent.name}/{FERPLUS.name} of ../shared/data"
        )
    rows = int(os.environ.get("VEMO_REPLAY_ROWS", "200"))
    with FERPLUS.open(newline="") as file:
        table = [
            {FERPLUS_ANSWERS[name]: int(row[name]) for name in FERPLUS_ANSWERS if int(row[name])}
            for row, _ in zip(csv.DictReader(file), range(rows), strict=False)
        ]
    campaign, people = campaign_of(table), [make_user() for _ in range(10)]
    assert simulate.replay(campaign=campaign, annotators=people) == 10 * rows
    assert outcomes(campaign) == [plurality(votes) for votes in table]
    assert check(campaign) == dict.fromkeys(check(campaign), 0)


def plurality(votes: dict[str, int]) -> tuple[str, str]:
    """The outcome by hand: the top answer, if it stands alone."""
    (first, most), *others = Counter(votes).most_common()
    if first == OTHER_ANSWERS[0] or (others and others[0][1] == most):
        return "no_consensus", ""
    return ("not_a_face", "") if first == OTHER_ANSWERS[1] else ("agreed", first)
