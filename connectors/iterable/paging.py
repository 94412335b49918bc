"""Iterable's lists by pages: every row, and none twice because the list changes meanwhile."""

import math
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from hashlib import sha1
from typing import Any

from connectors import rawjson
from connectors.http import HttpSession
from connectors.iterable.answers import of_kind, page


@dataclass(frozen=True, slots=True)
class Listing:
    """A list that is read by pages.

    key, total: what the rows and their number are called. size: rows of a page, at most what the API allows. under: what the answer is
    wrapped in, as catalogs are.
    """

    path: str
    key: str
    total: str
    size: int
    params: Mapping[str, Any] = field(default_factory=dict)
    under: str = ""


def rows(
    session: HttpSession, listing: Listing, *, first: int = 1, last: float = math.inf, totals: MutableMapping[str, int] | None = None
) -> Iterator[Any]:
    """The rows of pages `first` to `last`. One that an earlier page gave just so is the same, moved; two in one page are two.

    totals: how long the list was when it was last read, by path, kept over several calls: where it got shorter meanwhile, rows have moved
    to pages that were read before, and these are read again. Memory holds 20 bytes of every row.
    """
    seen: set[bytes] = set()
    totals = {} if totals is None else totals
    number = first
    while number <= last:
        answer = ask(session, listing, number, listing.size)
        known, now = totals.get(listing.path), answer.get(listing.total)
        if isinstance(now, int):
            totals[listing.path] = now
            if known is not None and now < known and number > 1:
                number = max(1, number - math.ceil((known - now) / listing.size))
                continue
        yield from _new(answer[listing.key], seen)
        if not answer[listing.key] or not (answer.get("nextPageUrl") or number * listing.size < (now or 0)):
            return
        number += 1


def ask(session: HttpSession, listing: Listing, number: int, size: int) -> dict[str, Any]:
    """One page of a list. Raises StrangeAnswer and what the session raises."""
    params = {**listing.params, "page": number, "pageSize": size}
    answer = page(session.request("GET", listing.path, params=params, bucket="reads"), listing.key, under=listing.under)
    of_kind(answer, listing.key)
    return answer


def length(session: HttpSession, listing: Listing) -> int:
    """How many rows a list has."""
    return int(ask(session, listing, 1, 1).get(listing.total) or 0)


def _new(found: list[Any], seen: set[bytes]) -> list[Any]:
    """The rows of a page that no earlier one gave; all of them count as seen from now on."""
    digests = [sha1(rawjson.write(row), usedforsecurity=False).digest() for row in found]
    new = [row for row, digest in zip(found, digests, strict=True) if digest not in seen]
    seen.update(digests)
    return new
