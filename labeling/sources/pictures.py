"""Small upright JPEGs of media, for pages: made once, kept in the storage."""

import io

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


def upright(media: Media, time_ms: int = 0) -> Pixels:
    """The whole picture, (height, width, 3) RGB; of a video at a moment. Raises CannotShow."""
    try:
        with store.local_file(media.stored_as) as path:
            if media.kind == Media.Kind.VIDEO:
                return video.frame_at(path, time_ms)
            return images.open_image(path)
    except (FileNotFoundError, images.BadImage, video.BadVideo) as reason:
        raise CannotShow(str(reason)) from reason


def _jpeg(picture: Pixels, longest_side: int) -> bytes:
    image = Image.fromarray(picture)
    image.thumbnail((longest_side, longest_side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY, progressive=True)
    return buffer.getvalue()
