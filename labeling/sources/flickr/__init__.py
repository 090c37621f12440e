"""Flickr, by the address of one of its pages and through its REST API, with the site's own key."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.conf import settings

from labeling.sayings import gettext_noop
from labeling.sources import remote
from labeling.sources.base import Alive, CannotRead
from labeling.sources.flickr import addresses
from labeling.sources.flickr.api import Api
from labeling.sources.flickr.place import FlickrPlace
from labeling.sources.rights import BASIS

_NO_KEY = gettext_noop(
    "Flickr wants a key of who asks, and this site has none. An operator gets one at "
    "https://www.flickr.com/services/apps/create/ and sets FLICKR_API_KEY."
)
_BAD_MOST = gettext_noop("The option most is a whole number from 1, not {value}.")


class Flickr:
    option_names = frozenset({BASIS, "most"})

    def fits(self, address: str) -> bool:
        return addresses.fits(address)

    @contextmanager
    def open(self, address: str, options: Mapping[str, Any], alive: Alive) -> Iterator[FlickrPlace]:
        page, most = addresses.parse(address), options.get("most")
        if most is not None and (type(most) is not int or most < 1):
            raise CannotRead(_BAD_MOST.format(value=repr(most)))
        if not settings.FLICKR_API_KEY:
            raise CannotRead(_NO_KEY)
        with remote.fetcher() as fetcher:
            api = Api(
                fetcher,
                url=settings.FLICKR_API_URL,
                key=settings.FLICKR_API_KEY,
                per_second=settings.FLICKR_PER_SECOND,
                alive=alive,
            )
            yield FlickrPlace(page, options, api=api, fetcher=fetcher)
