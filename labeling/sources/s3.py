"""Objects below a prefix of a bucket that speaks S3: s3://bucket/prefix.

An object is known by its key and its ETag, that is, its content: what is written anew under a name is a new item, and
what was taken in before stays.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from django.conf import settings

from labeling.fetching.buckets import Bucket, BucketAway, Changed, Patience, Profile, is_bucket_name
from labeling.fetching.refusals import CannotFetch
from labeling.sayings import gettext_noop
from labeling.sources.base import (
    NOTES_NAME,
    Alive,
    BadContent,
    CannotRead,
    Content,
    MostBytes,
    NotYet,
    Offer,
    Reader,
    RemoteContent,
    Unusable,
    is_media_name,
    locator_of,
)
from labeling.sources.notes import BadNotes, Notes, parse
from labeling.sources.rights import BASIS

SCHEME = "s3://"
PROFILE = "profile"
"""The option that names one of settings.S3_PROFILES."""
_TAG = 12
"""So many characters of the ETag stand in the locator."""
_TAGGED = re.compile(r"(.+) #([0-9A-Za-z-]{1,12})", re.DOTALL)
_BAD_ADDRESS = gettext_noop("“{address}” names no bucket. Write s3://bucket or s3://bucket/prefix.")
_BAD_BUCKET = gettext_noop(
    "“{bucket}” is no bucket's name: these have 3 to 63 small letters, digits, dots and hyphens."
)
_NO_PROFILES = gettext_noop(
    "This site knows no storage to fetch from. An operator has to name one in S3_PROFILES, with its address and keys."
)
_BAD_PROFILE = gettext_noop("Say which storage the bucket is in: the option profile is {known}, not {value}.")
_NOT_THIS_BUCKET = gettext_noop(
    "Of the storage “{profile}” this site reads the buckets {known}, not “{bucket}”."
)


class S3:
    option_names = frozenset({BASIS, PROFILE})

    def fits(self, address: str) -> bool:
        return address.lower().startswith(SCHEME)

    @contextmanager
    def open(self, address: str, options: Mapping[str, Any], alive: Alive) -> Iterator["S3Place"]:
        profile, bucket, prefix = bucket_of(address, options.get(PROFILE) or "")
        patience = Patience(total_s=settings.FETCH_MAX_S, first_pause_s=settings.S3_FIRST_PAUSE_S)
        yield S3Place(Bucket(profile, bucket, patience), prefix, alive)


def bucket_of(address: str, name: str) -> tuple[Profile, str, str]:
    """Profile, bucket and prefix; without a name the one profile there is. Raises CannotRead."""
    bucket, prefix = parsed(address)
    known = settings.S3_PROFILES
    if not known:
        raise CannotRead(_NO_PROFILES)
    value = name or (next(iter(known)) if len(known) == 1 else "")
    if value not in known:
        raise CannotRead(_BAD_PROFILE.format(known=", ".join(known), value=repr(value)))
    profile = known[value]
    if profile.buckets and bucket not in profile.buckets:
        raise CannotRead(
            _NOT_THIS_BUCKET.format(profile=value, known=", ".join(profile.buckets), bucket=bucket)
        )
    return profile, bucket, prefix


def parsed(address: str) -> tuple[str, str]:
    """Bucket and prefix; the prefix is a folder and ends with a slash, or is empty. Raises CannotRead."""
    bucket, _, prefix = address.strip()[len(SCHEME) :].partition("/")
    if not address.lower().startswith(SCHEME) or not bucket:
        raise CannotRead(_BAD_ADDRESS.format(address=address))
    if not is_bucket_name(bucket):
        raise CannotRead(_BAD_BUCKET.format(bucket=bucket))
    return bucket, prefix if not prefix or prefix.endswith("/") else f"{prefix}/"


class S3Place:
    def __init__(self, bucket: Bucket, prefix: str, alive: Alive) -> None:
        self._bucket, self._prefix, self._alive = bucket, prefix, alive
        self._notes = Notes(self.opened)

    def find(self) -> Iterator[Offer]:
        try:
            for one in self._bucket.listed(self._prefix, self._alive):
                name = one.key.removeprefix(self._prefix)
                if name.rpartition("/")[2].lower() == NOTES_NAME:
                    yield from self._offer_notes(name)
                elif name and not name.endswith("/") and is_media_name(name):
                    yield locator_of(f"{name} #{one.etag[:_TAG]}")
        except CannotFetch as reason:
            raise CannotRead(str(reason)) from reason

    def contents(self, locators: Sequence[str]) -> Iterable[Content]:
        for locator in locators:
            tagged = _TAGGED.fullmatch(locator)
            if tagged:
                yield self.named(tagged[1], locator, tagged[2])
            else:
                yield BadContent(locator, gettext_noop("The bucket has no such object any more."))

    def plain(self, locator: str) -> str:
        """The name of what was offered so."""
        tagged = _TAGGED.fullmatch(locator)
        return tagged[1] if tagged else locator

    def named(self, name: str, locator: str, tag: str = "") -> RemoteContent:
        """The object of that name below the prefix; tag: how the ETag of the content asked for begins."""

        def fetch(part: Path, most_bytes: MostBytes, alive: Alive) -> tuple[str, int]:
            key = f"{self._prefix}{name}"
            with _our_words():
                return self._bucket.fetch(key, to=part, most_bytes=most_bytes, alive=alive, etag_begins=tag)

        return RemoteContent(locator, PurePosixPath(name).name, fetch, self._notes.of(name))

    @contextmanager
    def opened(self, name: str) -> Iterator[Reader]:
        """The object of that name, for reading. Raises Unusable, CannotRead."""
        with _our_words(), self._bucket.opened(f"{self._prefix}{name}", self._alive) as body:
            yield Reader(body, broken=())

    def _offer_notes(self, name: str) -> Iterator[Offer]:
        try:
            with self.opened(name) as file:
                parse(file)
        except (BadNotes, Unusable) as reason:
            yield Offer(locator_of(name).locator, str(reason))


@contextmanager
def _our_words() -> Iterator[None]:
    """Of one object what goes wrong is the item's fault; that the bucket is away ends the look."""
    try:
        yield
    except BucketAway as reason:
        raise CannotRead(str(reason)) from reason
    except Changed as reason:
        raise NotYet from reason
    except CannotFetch as reason:
        raise Unusable(str(reason)) from reason
