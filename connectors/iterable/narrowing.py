"""What an export can be narrowed by, and what of each record tells that it is still there and unchanged.

Exports of people are filtered by profileUpdatedAt, those of events by createdAt (facts 1.10). Nothing says that a change of lists or
subscriptions moves profileUpdatedAt, so they are listed beside it. *assumed*: people who were deleted are no longer exported, and events
are added and never changed, nor given a moment before those that were exported already.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from connectors.base import Narrowing

_WRITTEN = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+00:00")


def _moment(name: str) -> Callable[[Mapping[str, Any]], datetime | None]:
    """Reads a moment as exports write it; one that is written otherwise is none, since the export may file it elsewhere."""

    def read(record: Mapping[str, Any]) -> datetime | None:
        value = record.get(name)
        if not isinstance(value, str) or not _WRITTEN.fullmatch(value):
            return None
        try:
            return datetime.fromisoformat(value[:19]).replace(tzinfo=UTC)
        except ValueError:
            return None

    return read


_ARRAYS = ("emailListIds", "unsubscribedChannelIds", "unsubscribedMessageTypeIds", "subscribedMessageTypeIds")
_ADDED = Narrowing(_moment("createdAt"))
NARROWED: Mapping[str, Narrowing] = {
    "user": Narrowing(_moment("profileUpdatedAt"), ("email", "userId", "profileUpdatedAt", *_ARRAYS)),
    "purchase": Narrowing(_moment("createdAt"), ("id", "email", "userId", "createdAt", "total")),
    "customEvent": _ADDED,
    "subscriptionEvent": _ADDED,
}
