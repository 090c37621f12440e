"""Small upright JPEGs of media, for pages: made once, kept in the storage."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.core.files.storage import default_storage
from PIL import Image

from labeling.models import Media
from labeling.sources import store
from labeling.vision import images, video
from labeling.vision.images import Pixels

QUALITY = 85


class CannotShow(Exception):
    """The file holds no picture that could be shown; the message says why."""


def kept(*, media: Media, longest_side: int, time_ms: int = 0) -> str:
    """The storage name of the media's picture (of a video: at a moment), made now if nobody asked before.

    Raises CannotShow.
    """
    name = f"pictures/{media.sha256[:2]}/{media.sha256}-{longest_side}-{time_ms}.jpg"
    if not default_storage.exists(name):
        picture = upright(media, time_ms)
        with store.staged() as part:
            part.write_bytes(_jpeg(picture, longest_side))
            store.keep_file(part, name)
    return name


def passing(*, media: Media, longest_side: int, time_ms: int) -> bytes:
    """JPEG of a video at any moment, which is kept nowhere: of one film there are very many. Raises CannotShow."""
    return _jpeg(upright(media, time_ms, most=video.MOST_SOUGHT), longest_side)


def upright(media: Media, time_ms: int = 0, *, most: int | None = None) -> Pixels:
    """The whole picture, (height, width, 3) RGB; of a video at a moment. Raises CannotShow.

    most: so many frames of it may be decoded to get there.
    """
    with _file(media) as path:
        if media.kind == Media.Kind.VIDEO:
            return video.frame_at(path, time_ms, most=most)
        return images.open_image(path)


def moment(media: Media, time_ms: int, *, step: int = 0) -> int:
    """When the frame that a video shows at this moment begins, in ms; or that before it (-1), or after (1).

    Raises CannotShow.
    """
    with _file(media) as path:
        return video.moment(path, time_ms, step=step)


def frame_number(media: Media, time_ms: int) -> int:
    """Which of the video's frames is shown at this moment, from 0. Raises CannotShow."""
    with _file(media) as path:
        return video.index_at(path, time_ms)


@contextmanager
def _file(media: Media) -> Iterator[Path]:
    try:
        with store.local_file(media.stored_as) as path:
            yield path
    except (FileNotFoundError, images.BadImage, video.BadVideo) as reason:
        raise CannotShow(str(reason)) from reason


def _jpeg(picture: Pixels, longest_side: int) -> bytes:
    image = Image.fromarray(picture)
    image.thumbnail((longest_side, longest_side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY, progressive=True)
    return buffer.getvalue()
