"""Items of every catalog, by pages."""

import math
from collections.abc import Iterator
from datetime import datetime
from hashlib import sha1
from http import HTTPStatus
from urllib.parse import quote

from connectors import rawjson
from connectors.base import Finding, Reading, Slice
from connectors.http import HttpRefused, HttpSession
from connectors.iterable.paging import Listing, length, rows
from connectors.storable import storable

CATALOGS = Listing("api/catalogs", "catalogNames", "totalCatalogsCount", 10, under="params")
PAGE, PAGES_A_SLICE = 1_000, 10
# Answers to a name that the API lists and doesn't know, or can't take.
NOT_GIVEN = (HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.REQUEST_URI_TOO_LONG)
_NAME = 50  # characters of a catalog's name in that of a slice


class CatalogItems:
    """Items of every catalog. They can't be asked for by when they changed, so pages in the list's own order are the slices."""

    def __init__(self, session: HttpSession) -> None:
        """session: to the project."""
        self._session = session

    def names(self) -> list[str]:
        """The catalogs, in the API's order."""
        found = (row for row in rows(self._session, CATALOGS) if isinstance(row, dict))
        return list(dict.fromkeys(storable(str(row["name"])) for row in found if row.get("name")))

    def size(self, name: str) -> int:
        """How many items a catalog has; none where the API gives none of it."""
        try:
            return length(self._session, _listing(name))
        except HttpRefused as refused:
            if refused.status not in NOT_GIVEN:
                raise
            return 0

    def slices(self, now: datetime) -> list[Slice]:
        """Ten pages of a catalog each; the last one goes on to the catalog's end, however long it got."""
        pieces = []
        for name in self.names():
            firsts = range(1, self.size(name) // PAGE + 2, PAGES_A_SLICE)
            pieces += [
                Slice(f"{_short(name)} {first}", {"catalog": name, "first": str(first), "more": "" if first == firsts[-1] else "yes"})
                for first in firsts
            ]
        return pieces

    def read(self, piece: Slice, reading: Reading) -> Iterator[bytes]:
        """The items of a slice, each with its catalog's name."""
        first = int(piece.params["first"])
        last = first + PAGES_A_SLICE - 1 if piece.params["more"] else math.inf
        name, totals, empty = piece.params["catalog"], reading.memory.setdefault("totals", {}), first == 1
        try:
            for row in rows(self._session, _listing(name), first=first, last=last, totals=totals):
                empty = False
                yield rawjson.write({"catalogName": name, **row} if isinstance(row, dict) else row)
        except HttpRefused as refused:
            if refused.status not in NOT_GIVEN or not empty:
                raise
        if empty:
            evidence = f"The catalog {name} has no items, or the API gives none of it."
            reading.findings.append(Finding("catalog without items", "info", evidence, "Nothing becomes a product.", subject=name))


def _listing(name: str) -> Listing:
    path = f"api/catalogs/{quote(name, safe='')}/items"
    return Listing(path, "catalogItemsWithProperties", "totalItemsCount", PAGE, under="params")


def _short(name: str) -> str:
    return name if len(name) <= _NAME else f"{name[:_NAME]}~{sha1(name.encode(), usedforsecurity=False).hexdigest()[:8]}"
