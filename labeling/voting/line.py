"""The line a campaign's faces stand in, and how an annotator walks along it.

**Places.** Each face has a place in its campaign's line (`CampaignFace.shuffle`), random in the first *lap*
(0 to LAP - 1). Whoever joins walks the first lap as a circle from a start of their own, then goes on beyond it,
and never turns back. What an annotator has passed is over for them: answered, skipped, or without a free place
at that moment. So leasing costs what it hands out, however long the line and however much has been answered.

**Nobody misses a face.** A face somebody has passed may become theirs to answer after all: it was full and a
place came free (a lease lapsed, somebody skipped), their own lease was swept, it was re-opened, or the manager
added it later. In each of these cases it moves to the *end* of the line, where everybody comes by again. For
this to hold, a place once visible must have none appear before it later: places at the end are numbered under a
lock of the campaign's `Line` row, kept until the move is committed, so they become visible in their order.

Thus, at any time, a face with a free place that an annotator has neither answered nor skipped in its present
round, nor holds, stands ahead of that annotator: everyone is offered every face that still wants them.

**Asked first.** Re-opened faces stand before 0, from FRONT on, in a line of their own by the same rules, with a
cursor of its own (`Participation.front`); it is walked first.

**Where a walk stands.** `cursor` (`front`) is the first place not yet passed, or the last one passed: a walk
looks at its cursor's place again. So two faces may share a place, and neither is lost.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from django.db import connection

from labeling.models import CampaignFace, Line
from labeling.models.campaign import FRONT, LAP

BEYOND = 2**62
"""Above every place."""


@dataclass
class Walk:
    """How far one annotator has come: the columns of a Participation, while its row is locked."""

    start: int
    cursor: int
    wrapped: bool
    front: int
    asked_first: bool = True
    """Whether a face waits among those asked before all others."""

    def stretches(self) -> Iterator[tuple[int, int]]:
        """The stretches of line still ahead, in order, as (first, end); the walk moves on as they are taken."""
        if self.asked_first:
            yield self.front, 0
        if not self.wrapped:
            yield self.cursor, LAP
            self.wrapped, self.cursor = True, 0
        if self.cursor < LAP:
            yield self.cursor, self.start + 1
            self.cursor = LAP
        yield self.cursor, BEYOND

    def pass_to(self, place: int) -> None:
        """Everything before this place has been passed; the place itself will be looked at again."""
        if place < 0:
            self.front = max(self.front, place)
        else:
            self.cursor = max(self.cursor, place)


def end(campaign_id: int, *, room: int = 1) -> int:
    """Take `room` places at the end of the line; returns the first. Holds the line until the transaction ends."""
    table = Line._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            f'INSERT INTO {table} (campaign_id, "end") VALUES (%s, %s) '
            f'ON CONFLICT (campaign_id) DO UPDATE SET "end" = {table}."end" + %s RETURNING "end"',
            [campaign_id, LAP + room, room],
        )
        return int(cursor.fetchone()[0]) - room


def rejoin(row: CampaignFace) -> dict[str, int]:
    """The columns that move a locked face to the end of its line, in front of all others if it has priority."""
    place = end(row.campaign_id)
    return {"shuffle": place + FRONT if row.priority else place}
