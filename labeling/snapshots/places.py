"""Every place that the files of an export were ever written to, kept in its row: an erasure has to reach them all.

A place is noted before its first byte is written, so that whatever was killed there is known too.
"""

from dataclasses import asdict, dataclass

from labeling.models import Export

BEGUN, HALF, WHOLE = "begun", "half", Export.WHOLE
"""Nothing was ever finished there; what was finished is being written over, in a bucket; all of it lies there."""


@dataclass
class Place:
    """to, profile: as in Export.options. erased: how many faces were erased of the snapshot it was written from."""

    to: str
    profile: str
    erased: int
    state: str = BEGUN

    def is_due(self, erased: int) -> bool:
        """Whether it must be written anew although nobody asks for it."""
        return self.state == HALF or (self.state == WHOLE and self.erased < erased)


def of(row: Export) -> list[Place]:
    return [Place(**each) for each in row.written]


def asked(row: Export, places: list[Place], erased: int) -> Place | None:
    """The place that is asked for this time; a new one is added to the list."""
    to, profile = str(row.options.get("to", "")), str(row.options.get("profile", ""))
    if not to:
        return None
    for place in places:
        if (place.to, place.profile) == (to, profile):
            return place
    places.append(Place(to, profile, erased))
    return places[-1]


def as_written(places: list[Place]) -> list[dict[str, object]]:
    """For Export.written."""
    return [asdict(place) for place in places]
