"""Pages of tables with millions of rows: each begins at a primary key, so that the last page costs what the first one does."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

COUNT_AT_MOST = 10_000
WINDOW = 200_000  # primary keys that one page looks through where rows are filtered by what no index holds
PLACE = re.compile(r"(before|after)-(\d{1,18})")


@dataclass(frozen=True, slots=True)
class Page:
    """Rows, newest first. newer, older: the places of the pages beside it, '' where there is none.

    partly: older rows weren't looked at yet, so that the next page may have more than this one says.
    count: rows of all pages, as far as they were looked at, COUNT_AT_MOST + 1 where there are more; None on any page but the first.
    """

    rows: Sequence[Any]
    newer: str = ""
    older: str = ""
    partly: bool = False
    count: int | None = None

    @property
    def is_counted(self) -> bool:
        """Whether `count` is what there is."""
        return self.count is not None and not self.partly and self.count <= COUNT_AT_MOST

    @property
    def count_text(self) -> str:
        """The count in words; empty where it isn't known."""
        if self.count is None:
            return ""
        if self.count > COUNT_AT_MOST:
            return f"more than {COUNT_AT_MOST:,}"
        return f"at least {self.count:,}" if self.partly else f"{self.count:,}"


def read(rows: QuerySet, place: str, size: int, within: QuerySet | None = None) -> Page:
    """The page at a place, '' being the first; a place that isn't one is the first too.

    within: rows that an index gives in the order of the primary key, of which `rows` are some; a page looks at WINDOW keys of it at most.
    None: an index finds `rows` themselves.
    """
    found = PLACE.fullmatch(place)
    if found and found[1] == "after":
        return _newer(rows, int(found[2]), size, within)
    return _older(rows, int(found[2]) if found else None, size, within)


def _older(rows: QuerySet, before: int | None, size: int, within: QuerySet | None) -> Page:
    rows = rows if before is None else rows.filter(pk__lt=before)
    bottom = _bottom(within, before) if within is not None else 0
    seen = rows.filter(pk__gt=bottom) if bottom > 0 else rows
    keys = _keys(seen, "-pk", size + 1)
    older = f"before-{keys[size - 1]}" if len(keys) > size else ""
    partly = within is not None and bottom > 0 and within.filter(pk__lte=bottom).order_by().exists()
    if partly and not older:
        older = f"before-{bottom + 1}"
    newer = "" if before is None else f"after-{keys[0] if keys else before - 1}"
    count = None if before is not None else seen.order_by()[: COUNT_AT_MOST + 1].count() if older else len(keys)
    return Page(_in_order(rows, keys[:size]), newer, older, partly, count)


def _newer(rows: QuerySet, after: int, size: int, within: QuerySet | None) -> Page:
    top = _top(within, after) if within is not None else None
    seen = rows.filter(pk__gt=after) if top is None else rows.filter(pk__gt=after, pk__lt=top)
    keys = _keys(seen, "pk", size + 1)
    beyond = top is not None and within is not None and within.filter(pk__gte=top).exists()
    if len(keys) <= size and not beyond:
        return _older(rows, None, size, within)  # less than a page is left: the first page it is
    newer = f"after-{keys[size - 1]}" if len(keys) > size else f"after-{(top or 1) - 1}"
    return Page(_in_order(rows, keys[:size]), newer, f"before-{keys[0] if keys else after + 1}")


def _bottom(within: QuerySet, before: int | None) -> int:
    below = within if before is None else within.filter(pk__lt=before)
    newest = below.order_by("-pk").values_list("pk", flat=True).first()
    return (newest or 0) - WINDOW


def _top(within: QuerySet, after: int) -> int | None:
    oldest = within.filter(pk__gt=after).order_by("pk").values_list("pk", flat=True).first()
    return None if oldest is None else oldest + WINDOW


def _keys(rows: QuerySet, order: str, limit: int) -> list[int]:
    """Primary keys alone: what is joined for the page is joined for its rows, whatever order a database would join in."""
    return list(rows.order_by(order).values_list("pk", flat=True)[:limit])


def _in_order(rows: QuerySet, keys: Sequence[int]) -> list[Any]:
    found = rows.order_by().in_bulk(keys)
    return [found[key] for key in sorted(found, reverse=True)]
