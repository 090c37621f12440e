"""Objects in buckets that speak S3: where they may be fetched from is configured, and only named by who asks.

No address and no key comes from a form: a profile has both, and an operator writes it.
"""

import hashlib
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from labeling.fetching.bodies import HEADER_BYTES, MostBytes
from labeling.fetching.patience import Alive, patiently, retry_after
from labeling.fetching.refusals import CannotFetch, Passing, TookTooLong
from labeling.sayings import gettext_noop

_BLOCK = 1024 * 1024
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}")
_AMAZON = re.compile(r"https://s3[.-][a-z0-9.-]*amazonaws\.com(\.cn)?/?|https://s3\.amazonaws\.com/?")
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_PASSING_CODES = frozenset(
    {"SlowDown", "InternalError", "RequestTimeout", "ServiceUnavailable", "Throttling"}
)
_NO_BUCKET = gettext_noop("There is no bucket “{bucket}” at the storage “{profile}”. Look at its name.")
_DENIED = gettext_noop(
    "The storage “{profile}” does not let us see the bucket “{bucket}”. Its keys need the rights s3:ListBucket and "
    "s3:GetObject there; without keys the bucket has to be public."
)
_BAD_KEY = gettext_noop(
    "The storage “{profile}” does not accept our keys ({code}). An operator has to look at S3_PROFILES."
)
_EXPIRED = gettext_noop(
    "The keys for the storage “{profile}” have expired. An operator has to put new ones into S3_PROFILES."
)
_SKEWED = gettext_noop(
    "The storage “{profile}” says that our clock is wrong. An operator has to set the time of the machine the worker "
    "runs on."
)
_ELSEWHERE = gettext_noop(
    "The bucket “{bucket}” is in another region than the profile “{profile}” says. An operator has to look at "
    "S3_PROFILES."
)
_AWAY = gettext_noop("The storage “{profile}” cannot be reached ({error}).")
_BUSY = gettext_noop("The storage “{profile}” is busy or broken (status {status:,}).")
_SAYS = gettext_noop("The storage “{profile}” says: {code}, status {status:,}.")
_GONE = gettext_noop("The bucket has no such object any more.")
_NOT_OURS = gettext_noop("The storage does not let us read this object.")
_ARCHIVED = gettext_noop("The object lies in an archive of the storage. Restore it there first.")
_TOO_LONG = gettext_noop("It is longer than the {most:,} bytes allowed.")
_CUT_OFF = gettext_noop("What the storage sends ends too early.")
_BAD_CODES: Mapping[str, str] = {
    "NoSuchBucket": _NO_BUCKET,
    "InvalidBucketName": _NO_BUCKET,
    "AccessDenied": _DENIED,
    "AllAccessDisabled": _DENIED,
    "InvalidAccessKeyId": _BAD_KEY,
    "SignatureDoesNotMatch": _BAD_KEY,
    "InvalidToken": _BAD_KEY,
    "ExpiredToken": _EXPIRED,
    "TokenRefreshRequired": _EXPIRED,
    "ExpiredTokenException": _EXPIRED,
    "RequestTimeTooSkewed": _SKEWED,
    "RequestExpired": _SKEWED,
    "PermanentRedirect": _ELSEWHERE,
    "AuthorizationHeaderMalformed": _ELSEWHERE,
    "IllegalLocationConstraintException": _ELSEWHERE,
}
_OF_THE_OBJECT: Mapping[str, str] = {
    "NoSuchKey": _GONE,
    "404": _GONE,
    "AccessDenied": _NOT_OURS,
    "InvalidObjectState": _ARCHIVED,
}
T = TypeVar("T")


class BadProfile(ValueError):
    """The profiles cannot be read; the text repeats none of what they say, which is secret."""


class BucketAway(CannotFetch):
    """Nothing of the bucket can be had, not only this object."""


class Changed(CannotFetch):
    """The object is another than the one asked for."""


@dataclass(frozen=True)
class Profile:
    """A storage, and what opens it. Without a key it is asked as everybody may ask."""

    name: str
    endpoint_url: str
    region: str = "us-east-1"
    key: str = field(default="", repr=False)
    secret: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    buckets: tuple[str, ...] = ()
    """The only ones that may be named; none: any that the key opens."""


def profiles(text: str) -> dict[str, Profile]:
    """S3_PROFILES: a JSON object of profiles by name. Raises BadProfile."""
    try:
        told = json.loads(text or "{}")
    except ValueError:
        raise BadProfile('It is no JSON. Write {"lab": {"endpoint_url": "https://…"}}.') from None
    if not isinstance(told, dict):
        raise BadProfile("It is no JSON object of profiles by name.")
    return {name: _profile(name, values) for name, values in told.items()}


def _profile(name: str, values: Any) -> Profile:
    known = {one.name for one in fields(Profile)} - {"name"}
    if not _NAME.fullmatch(name):
        raise BadProfile("A profile's name has letters, digits, _ and -, at most 40.")
    if not isinstance(values, dict) or not values.keys() <= known:
        raise BadProfile(f"The profile {name} may say {', '.join(sorted(known))}, and nothing else.")
    buckets = values.get("buckets", [])
    texts = [values.get(one, "") for one in known - {"buckets"}]
    if not (isinstance(buckets, list) and all(isinstance(one, str) for one in [*texts, *buckets])):
        raise BadProfile(f"In the profile {name}, buckets is a list, everything else a text.")
    if not re.fullmatch(r"https?://[^\s/@?#]+/?", values.get("endpoint_url", "")):
        raise BadProfile(f"The profile {name} needs an endpoint_url such as https://s3.example.org.")
    if bool(values.get("key")) != bool(values.get("secret")):
        raise BadProfile(
            f"The profile {name} has one of key and secret; it needs both, or none for public buckets."
        )
    return Profile(**{"name": name, **values, "buckets": tuple(buckets)})


def is_bucket_name(name: str) -> bool:
    return bool(_BUCKET.fullmatch(name)) and ".." not in name


@dataclass(frozen=True)
class Listed:
    key: str
    etag: str
    """Which content it has, as far as the storage tells; another content has another one. Letters, digits and -."""
    bytes: int


@dataclass(frozen=True)
class Patience:
    tries: int = 6
    first_pause_s: float = 1.0
    longest_pause_s: float = 60.0
    total_s: float = 3600.0
    """For one object."""


class Bucket:
    """One bucket of a profile. For one thread."""

    def __init__(self, profile: Profile, name: str, patience: Patience) -> None:
        self._profile, self._name, self._patience = profile, name, patience
        self._client = _client(profile)

    def listed(self, prefix: str, alive: Alive) -> Iterator[Listed]:
        """The objects whose keys begin so, in the order of their keys, a page at a time. Raises BucketAway."""
        asked: dict[str, Any] = {"Bucket": self._name, "Prefix": prefix}
        while True:
            page = self._asked(lambda: self._client.list_objects_v2(**asked), alive, _BAD_CODES)
            for row in page.get("Contents", ()):
                yield Listed(row["Key"], _etag(row) or _instead(row), int(row["Size"]))
            if not page.get("IsTruncated"):
                return
            asked["ContinuationToken"] = page["NextContinuationToken"]
            alive()

    def fetch(
        self, key: str, *, to: Path, most_bytes: MostBytes, alive: Alive, etag_begins: str = ""
    ) -> tuple[str, int]:
        """Write the object to the path; returns its sha256 and bytes. Raises CannotFetch, BucketAway, Changed.

        most_bytes: how long an object may be that begins with these bytes; may raise. etag_begins: of the content
        asked for; empty for whatever is there.
        """
        until = time.monotonic() + self._patience.total_s

        def attempt() -> tuple[str, int]:
            digest, size = hashlib.sha256(), 0
            with self.opened(key, alive, once=True, etag_begins=etag_begins) as body, to.open("wb") as target:
                block = body.read(_BLOCK)
                most = most_bytes(block[:HEADER_BYTES])
                while block:
                    size += len(block)
                    if size > most:
                        raise CannotFetch(_TOO_LONG.format(most=most))
                    if time.monotonic() > until:
                        raise TookTooLong(self._patience.total_s)
                    digest.update(block)
                    target.write(block)
                    alive()
                    block = body.read(_BLOCK)
            return digest.hexdigest(), size

        return self._patiently(attempt, alive)

    @contextmanager
    def opened(
        self, key: str, alive: Alive, *, once: bool = False, etag_begins: str = ""
    ) -> Iterator[BinaryIO]:
        """The object's bytes as they come. Raises CannotFetch, BucketAway, Changed; asked once, also Passing."""
        codes = {**_BAD_CODES, **_OF_THE_OBJECT}

        def get() -> Any:
            return self._client.get_object(Bucket=self._name, Key=key)

        answer = self._once(get, codes) if once else self._asked(get, alive, codes)
        try:
            etag = _etag(answer)
            if etag and not etag.startswith(etag_begins):
                raise Changed(_GONE)
            yield _Body(answer["Body"], self._once)  # type: ignore[misc]
        finally:
            answer["Body"].close()

    def put(self, key: str, file: Path, alive: Alive) -> None:
        """Store the file under the key, in the place of what is there. Raises CannotFetch, BucketAway."""
        # Not with the module, as little as the client.
        from boto3.s3.transfer import TransferConfig

        in_turn = TransferConfig(use_threads=False)

        def store() -> None:
            self._client.upload_file(
                str(file), self._name, key, Config=in_turn, Callback=lambda sent: alive()
            )

        self._asked(store, alive, _BAD_CODES)

    def remove(self, key: str, alive: Alive) -> None:
        """Remove the object, if it is there. Raises CannotFetch, BucketAway."""
        self._asked(lambda: self._client.delete_object(Bucket=self._name, Key=key), alive, _BAD_CODES)

    def _asked(self, ask: Callable[[], T], alive: Alive, codes: Mapping[str, str]) -> T:
        return self._patiently(lambda: self._once(ask, codes), alive)

    def _patiently(self, attempt: Callable[[], T], alive: Alive) -> T:
        one = self._patience
        try:
            return patiently(
                attempt,
                tries=one.tries,
                first_pause_s=one.first_pause_s,
                longest_pause_s=one.longest_pause_s,
                alive=alive,
            )
        except CannotFetch as reason:
            if isinstance(reason.__cause__, _Unreachable):
                raise BucketAway(str(reason)) from reason
            raise

    def _once(self, ask: Callable[[], T], codes: Mapping[str, str] = _BAD_CODES) -> T:
        """Raises Passing, BucketAway, CannotFetch in the place of all that botocore and urllib3 raise."""
        from botocore import exceptions as boto
        from urllib3.exceptions import HTTPError

        try:
            return ask()
        except boto.ClientError as error:
            raise self._told(error.response, codes) from error
        except (boto.IncompleteReadError, boto.ResponseStreamingError) as error:
            raise Passing(_CUT_OFF) from error
        except (boto.HTTPClientError, boto.BotoCoreError, HTTPError) as error:
            raise _Unreachable(
                _AWAY.format(profile=self._profile.name, error=type(error).__name__)
            ) from error

    def _told(self, response: Mapping[str, Any], codes: Mapping[str, str]) -> CannotFetch:
        code, meta = str(response.get("Error", {}).get("Code", "")), response.get("ResponseMetadata", {})
        status = int(meta.get("HTTPStatusCode", 0))
        words = {"profile": self._profile.name, "bucket": self._name, "code": code, "status": status}
        if code in codes:
            kind = CannotFetch if codes[code] in _OF_THE_OBJECT.values() else BucketAway
            return kind(codes[code].format(**words), status=status)
        if status in _PASSING or code in _PASSING_CODES:
            asked = retry_after(str(meta.get("HTTPHeaders", {}).get("retry-after", "")))
            return Passing(_BUSY.format(**words), after_s=asked, status=status)
        if status in (401, 403):
            # Not every storage has Amazon's words.
            return BucketAway(_DENIED.format(**words), status=status)
        return CannotFetch(_SAYS.format(**words), status=status)


class _Unreachable(Passing):
    """Nobody answers; when it lasts, nothing of the bucket can be had."""


class _Body:
    def __init__(self, body: Any, once: Callable[[Callable[[], bytes]], bytes]) -> None:
        self._body, self._once = body, once

    def read(self, size: int = -1) -> bytes:
        return self._once(lambda: bytes(self._body.read(None if size < 0 else size)))


def _etag(answer: Mapping[str, Any]) -> str:
    return re.sub("[^0-9A-Za-z-]", "", str(answer.get("ETag", "")))


def _instead(row: Mapping[str, Any]) -> str:
    """What stands in for an ETag where a storage has none."""
    return hashlib.sha256(f"{row['Size']} {row.get('LastModified')}".encode()).hexdigest()


def _client(profile: Profile) -> Any:
    # Not with the module: botocore takes its time, and most processes never ask a bucket.
    import boto3
    from botocore import UNSIGNED
    from botocore.config import Config

    session = boto3.session.Session(
        aws_access_key_id=profile.key or None,
        aws_secret_access_key=profile.secret or None,
        aws_session_token=profile.token or None,
    )
    config = Config(
        # We are patient ourselves, and beat meanwhile.
        retries={"total_max_attempts": 1, "mode": "standard"},
        connect_timeout=10,
        read_timeout=25,
        max_pool_connections=2,
        signature_version=None if profile.key else UNSIGNED,
        s3={"addressing_style": "auto" if _AMAZON.fullmatch(profile.endpoint_url) else "path"},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        proxies={},
    )
    return session.client("s3", endpoint_url=profile.endpoint_url, region_name=profile.region, config=config)
