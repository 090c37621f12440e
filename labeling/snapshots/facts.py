"""What the site knows of media beside their snapshot, read ahead and by columns."""

import os.path
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from django.db.models import TextField
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast
from numpy.typing import NDArray

from labeling import bulk
from labeling.models import Item, Media, Source
from labeling.snapshots.exports.format import FACTS
from labeling.sources.rights import BASES

_TEXT = pa.string()
_ASKED = pa.schema(
    [
        ("pk", pa.int64()), ("sha256", _TEXT), ("page_title", _TEXT), ("original_name", _TEXT), ("fetched", _TEXT),
        ("width", pa.int64()), ("height", pa.int64()), ("stored_as", _TEXT),
    ]
)  # fmt: skip
_ITEM = pa.schema([("media", pa.int64()), ("source", pa.int64())])


class AboutMedia:
    """An `exports.format.About`. The title is the one a media's page gives it, else the name of its file."""

    def __init__(self) -> None:
        said = Source.objects.order_by("pk").values_list("pk", "options__basis")
        known = [(pk, list(BASES).index(basis)) for pk, basis in said if basis in BASES]
        self._sources, self._basis = np.array(known, np.int64).reshape(-1, 2).T

    def __call__(self, parts: Iterable[Sequence[str]]) -> Iterator[pa.Table]:
        # As text, which both databases give in UTC: to make dates of it and texts of these takes as long as all else.
        fetched = Cast("fetched_at", TextField())
        rows = Media.objects.order_by().annotate(
            page_title=KeyTextTransform("title", "given"), fetched=fetched
        )
        asked = (rows.filter(bulk.Among("sha256", part)).values_list(*_ASKED.names) for part in parts)
        for found in bulk.table_each(asked, _ASKED):
            yield self._told(found)

    def _told(self, found: pa.Table) -> pa.Table:
        title = found["page_title"]
        day, time = (pc.utf8_slice_codeunits(found["fetched"], *span) for span in ((0, 10), (11, 19)))
        endings = [os.path.splitext(name)[1] for name in found["stored_as"].to_pylist()]
        columns = {
            "media_sha256": found["sha256"],
            "title": pc.if_else(pc.equal(title.fill_null(""), ""), found["original_name"], title),
            "fetched_at": pc.binary_join_element_wise(day, "T", time, "Z", ""),
            "width": found["width"],
            "height": found["height"],
            "ending": pa.array(endings, _TEXT),
            "bases": self._bases_of(found["pk"].to_numpy()),
        }
        return pa.table(columns, FACTS)

    def _bases_of(self, media: NDArray[np.int64]) -> pa.Array:
        """Of each the bases of its sources, as FACTS has them."""
        said = np.zeros(len(media), np.int64)
        if len(self._sources) and len(media):
            items = Item.objects.filter(bulk.Among("media", media), source__in=self._sources.tolist())
            rows = bulk.few(items.order_by().values_list("media", "source"), _ITEM)
            order = np.argsort(media)
            at = order[np.searchsorted(media, rows["media"].to_numpy(), sorter=order)]
            basis = self._basis[np.searchsorted(self._sources, rows["source"].to_numpy())]
            np.bitwise_or.at(said, at, 1 << basis)
        sets, of_set = np.unique(said, return_inverse=True)
        names = [
            ";".join(name for number, name in enumerate(BASES) if bits >> number & 1)
            for bits in sets.tolist()
        ]
        return pa.array(names, _TEXT).take(pa.array(of_set))
