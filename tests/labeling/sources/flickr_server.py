"""A server on loopback that speaks the dialect of Flickr's REST API, after its documentation."""

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.labeling.fetching.servers import Handler, Server
from tests.labeling.sources.places import png

KEY = "0123456789abcdef0123456789abcdef"
REST = "/services/rest/"
LICENCES = {
    "0": ("All Rights Reserved", ""),
    "1": (
        "Attribution-NonCommercial-ShareAlike License",
        "https://creativecommons.org/licenses/by-nc-sa/2.0/",
    ),
    "4": ("Attribution License", "https://creativecommons.org/licenses/by/2.0/"),
    "5": ("Attribution-ShareAlike License", "https://creativecommons.org/licenses/by-sa/2.0/"),
    "7": ("No known copyright restrictions", "https://www.flickr.com/commons/usage/"),
    "9": ("Public Domain Dedication (CC0)", "https://creativecommons.org/publicdomain/zero/1.0/"),
    "10": ("Public Domain Mark", "https://creativecommons.org/publicdomain/mark/1.0/"),
    "11": ("CC BY 4.0", "https://creativecommons.org/licenses/by/4.0/"),
}
ADA, BOB = "1001@N01", "1002@N01"
_NAMES = {ADA: "ada", BOB: "bob"}


@dataclass
class FakePhoto:
    photo_id: str
    owner: str = ADA
    licence: str = "4"
    title: str = ""
    tags: tuple[str, ...] = ()
    taken: str = "2024-05-01"
    at: tuple[float, float] = (105.8, 21.0)
    media: str = "photo"
    original: bool = True


@dataclass
class _Refusal(Exception):
    code: int
    message: str


@dataclass
class Busy:
    """Answers with a status instead, so many times."""

    times: int
    status: int = 503
    headers: dict[str, str] = field(default_factory=dict)


class FakeFlickr(Server):
    def __init__(self) -> None:
        super().__init__()
        self.photos: dict[str, FakePhoto] = {}
        self.albums: dict[str, list[str]] = {}
        self.groups: dict[str, list[str]] = {}
        self.calls: Counter[str] = Counter()
        self.last: dict[str, str] = {}
        """The arguments of the last call."""
        self.busy: dict[str, Busy] = {}
        """By method or by path."""
        self.out_of_order = 0
        """So many calls end with error 105."""
        self.more_than_it_lists = 0
        self.answers[REST] = self._rest

    @property
    def api(self) -> str:
        return self.url + REST

    def add(self, photo: FakePhoto) -> FakePhoto:
        """Put the photo up, with its files: the original and one of 1,024 pixels."""
        self.photos[photo.photo_id] = photo
        for n, size in enumerate(("o", "l")):
            path = f"/{photo.photo_id}_{size}.png"
            body = png(2 * int(photo.photo_id) + n)
            self.answers[path] = lambda far, path=path, body=body: self._file(far, path, body)
        return photo

    def _file(self, far: Handler, path: str, body: bytes) -> None:
        if not self._is_busy(far, path):
            far.say(200, body, Content_Type="image/png")

    def _is_busy(self, far: Handler, what: str) -> bool:
        busy = self.busy.get(what)
        if busy is None or not busy.times:
            return False
        busy.times -= 1
        far.say(busy.status, b"busy", **busy.headers)
        return True

    def _rest(self, far: Handler) -> None:
        asked = dict(parse_qsl(urlsplit(far.path).query))
        method = asked.get("method", "")
        self.calls[method] += 1
        self.last = asked
        if self._is_busy(far, method):
            return
        try:
            answer = {**self._answer(method, asked), "stat": "ok"}
        except _Refusal as refusal:
            answer = {"stat": "fail", "code": refusal.code, "message": refusal.message}
        far.say(200, json.dumps(answer).encode(), Content_Type="application/json")

    def _answer(self, method: str, asked: dict[str, str]) -> dict[str, Any]:
        if asked.get("format") != "json" or asked.get("nojsoncallback") != "1":
            raise _Refusal(111, 'Format "rest" not found')
        if asked.get("api_key") != KEY:
            raise _Refusal(100, "Invalid API Key (Key has invalid format)")
        if self.out_of_order:
            self.out_of_order -= 1
            raise _Refusal(105, "Service currently unavailable")
        match method.removeprefix("flickr."):
            case "photos.licenses.getInfo":
                rows = [{"id": key, "name": name, "url": url} for key, (name, url) in LICENCES.items()]
                return {"licenses": {"license": rows}}
            case "urls.lookupUser":
                user = next((one for one, name in _NAMES.items() if f"/photos/{name}/" in asked["url"]), None)
                return {"user": {"id": user}} if user else self._missing("User not found")
            case "urls.lookupGroup":
                group = next((one for one in self.groups if f"/groups/{one}/" in asked["url"]), None)
                return {"group": {"id": f"{group}@N09"}} if group else self._missing("Group not found")
            case "photosets.getPhotos":
                if asked["photoset_id"] not in self.albums or not asked.get("user_id"):
                    self._missing("Photoset not found")
                listed = [self.photos[one] for one in self.albums[asked["photoset_id"]]]
                part = self._page(listed, asked, owner=False)
                return {"photoset": {"id": asked["photoset_id"], "owner": asked["user_id"], **part}}
            case "groups.pools.getPhotos":
                ids = self.groups[asked["group_id"].removesuffix("@N09")]
                return {"photos": self._page([self.photos[one] for one in ids], asked)}
            case "people.getPublicPhotos":
                mine = [photo for photo in self.photos.values() if photo.owner == asked["user_id"]]
                return {"photos": self._page(mine, asked)}
            case "photos.search":
                found = [photo for photo in self.photos.values() if _matches(photo, asked)]
                part = self._page(found, asked)
                return {"photos": {**part, "total": max(part["total"], self.more_than_it_lists)}}
            case "photos.getInfo":
                return {"photo": self._info(asked["photo_id"])}
            case "photos.getSizes":
                return {"sizes": {"size": self._sizes(asked["photo_id"])}}
        raise _Refusal(112, f'Method "{method}" not found')

    def _missing(self, message: str) -> Any:
        raise _Refusal(1, message)

    def _page(self, listed: list[FakePhoto], asked: dict[str, str], *, owner: bool = True) -> dict[str, Any]:
        size, page = min(500, int(asked.get("per_page", 100))), int(asked.get("page", 1))
        rows = [self._row(photo, asked, owner) for photo in listed[(page - 1) * size : page * size]]
        pages = -(-len(listed) // size)
        return {"page": page, "pages": pages, "perpage": size, "total": len(listed), "photo": rows}

    def _row(self, photo: FakePhoto, asked: dict[str, str], owner: bool) -> dict[str, Any]:
        row: dict[str, Any] = {"id": photo.photo_id, "title": photo.title, "ispublic": 1, "farm": 66}
        extras = asked.get("extras", "").split(",")
        if owner:
            row["owner"] = photo.owner
        if "owner_name" in extras:
            row["ownername"] = _NAMES[photo.owner].title()
        if "path_alias" in extras:
            row["pathalias"] = _NAMES[photo.owner] if photo.owner == ADA else None
        if "license" in extras:
            row["license"] = photo.licence
        if "media" in extras:
            row["media"] = photo.media
        if "url_o" in extras and photo.original:
            row["url_o"] = f"{self.url}/{photo.photo_id}_o.png"
        if "url_l" in extras:
            row["url_l"] = f"{self.url}/{photo.photo_id}_l.png"
        return row

    def _found(self, photo_id: str) -> FakePhoto:
        if photo_id not in self.photos:
            self._missing("Photo not found")
        return self.photos[photo_id]

    def _info(self, photo_id: str) -> dict[str, Any]:
        photo = self._found(photo_id)
        owner = {
            "nsid": photo.owner, "username": _NAMES[photo.owner], "realname": "", "path_alias": None,
        }  # fmt: skip
        return {
            "id": photo_id, "license": photo.licence, "owner": owner, "media": photo.media,
            "title": {"_content": photo.title},
        }  # fmt: skip

    def _sizes(self, photo_id: str) -> list[dict[str, Any]]:
        photo = self._found(photo_id)
        if photo.media == "video":
            return [
                _size("Large", 1024, 768, f"{self.url}/{photo_id}_l.png"),
                {**_size("Video Player", 4000, 3000, f"{self.url}/player.swf"), "media": "video"},
                {**_size("Mobile MP4", 480, 360, f"{self.url}/{photo_id}_mobile.mp4"), "media": "video"},
                {**_size("720p", 1280, 720, f"{self.url}/{photo_id}_720.mp4"), "media": "video"},
            ]
        large = _size("Large", 1024, 768, f"{self.url}/{photo_id}_l.png")
        original = _size("Original", 4000, 3000, f"{self.url}/{photo_id}_o.png")
        return [large, original] if photo.original else [large]


def _size(label: str, width: int, height: int, source: str) -> dict[str, Any]:
    return {"label": label, "width": width, "height": str(height), "source": source, "media": "photo"}


def _matches(photo: FakePhoto, asked: dict[str, str]) -> bool:
    tags = [tag.strip() for tag in asked.get("tags", "").split(",") if tag.strip()]
    has = [tag in photo.tags for tag in tags]
    box = [float(edge) for edge in asked.get("bbox", "-180,-90,180,90").split(",")]
    return (
        asked.get("text", "").lower() in photo.title.lower()
        and (not tags or (all(has) if asked.get("tag_mode") == "all" else any(has)))
        and ("license" not in asked or photo.licence in asked["license"].split(","))
        and asked.get("min_taken_date", "")[:10] <= photo.taken
        and photo.taken <= asked.get("max_taken_date", "9999")[:10]
        and box[0] <= photo.at[0] <= box[2]
        and box[1] <= photo.at[1] <= box[3]
    )
