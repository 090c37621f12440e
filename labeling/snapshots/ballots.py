"""The votes behind a frozen snapshot, people by pseudonyms.

A snapshot has counts, not who voted what; that comes from the database. What is given of a face adds up to exactly the
counts that were frozen, or nothing is: where votes were put aside, or a face was asked anew, since then, the votes that
were frozen are not known any more.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa
from django.utils.crypto import salted_hmac

from labeling.expressions import OTHER_ANSWERS
from labeling.models import Snapshot, Vote
from labeling.snapshots import taken_in
from labeling.snapshots.exports.format import Ballot

_SALT = "labeling.snapshots.ballots"
_PSEUDONYM = 16
Cast = tuple[int, int, str, datetime]
"""Campaign, annotator, answer, when."""


class Ballots:
    """To be called with batches of a snapshot's rows; see exports.format.Ballots.

    A pseudonym is a keyed hash, the same all over one snapshot and another in the next: who has two exports cannot tell
    who is who in both, unless the snapshots are equal. Its key is made of the site's secret key and the digest, and
    is nowhere written down.
    """

    def __init__(self, snapshot: Snapshot, classes: Sequence[str]) -> None:
        self._snapshot = snapshot
        self._answers = (*classes, *OTHER_ANSWERS)
        self._names: dict[int, str] = {}
        self._campaigns = [key for key in taken_in.keys_of(snapshot) if key is not None]

    def __call__(self, batch: pa.RecordBatch) -> list[list[Ballot] | None]:
        faces = batch.column("face_id").to_pylist()
        cast = self._cast(faces)
        counts = batch.column("votes").to_pylist()
        return [self._of(cast[face], frozen) for face, frozen in zip(faces, counts, strict=True)]

    def _cast(self, faces: Sequence[int]) -> dict[int, list[Cast]]:
        """The votes on each face, oldest round first."""
        rows = Vote.objects.filter(
            campaign_face__campaign__in=self._campaigns,
            campaign_face__face__in=faces,
            cast_at__lte=self._snapshot.ended_at,
        ).order_by("round")
        found: dict[int, list[Cast]] = defaultdict(list)
        columns = ("campaign_face__face", "campaign", "annotator", "answer", "cast_at")
        for face, campaign, annotator, answer, cast_at in rows.values_list(*columns):
            found[face].append((campaign, annotator, answer, cast_at))
        return found

    def _of(self, cast: Sequence[Cast], frozen: Sequence[int]) -> list[Ballot] | None:
        """Each person's newest answer in a campaign, as the consensus counts it, by pseudonym.

        Of a face in several campaigns one alone labelled it: the first whose votes are those that were frozen.

        The votes were read at some moment between the beginning and the end of the freezing.
        """
        wanted = Counter(
            {answer: count for answer, count in zip(self._answers, frozen, strict=True) if count}
        )
        begun = self._snapshot.started_at
        for votes in (cast, [vote for vote in cast if begun is None or vote[3] <= begun]):
            newest = {(campaign, person): answer for campaign, person, answer, _cast_at in votes}
            for one in self._campaigns:
                there = [(person, answer) for (asked, person), answer in newest.items() if asked == one]
                if Counter(answer for _person, answer in there) == wanted:
                    return sorted((self._name(person), answer) for person, answer in there)
        return None

    def _name(self, annotator: int) -> str:
        if annotator not in self._names:
            self._names[annotator] = pseudonym(self._snapshot.digest, annotator)
        return self._names[annotator]


def pseudonym(digest: str, annotator: Any) -> str:
    """16 hex digits."""
    return salted_hmac(f"{_SALT}/{digest}", str(annotator), algorithm="sha256").hexdigest()[:_PSEUDONYM]
