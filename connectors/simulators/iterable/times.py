"""Times as Iterable writes them in rows, and as it takes them in parameters. All are milliseconds since 1970, UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

_PARAMETER = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d( ?(Z|[+-]\d\d:?\d\d))?$")
DAY_MS = 86_400_000


def row_time(value: Any) -> int:
    """The moment of a row; one that can't be read, or is missing, counts as time zero (*assumed*)."""
    if isinstance(value, str):
        parsed = _parse(value)
        return 0 if parsed is None else parsed
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15:
        return int(value)
    return 0


def parameter_time(text: str) -> int | None:
    """`yyyy-MM-dd HH:mm:ss` with optional offset, UTC without one; None where it has another form."""
    return _parse(text) if _PARAMETER.match(text) else None


def named_range(name: str, now: datetime) -> tuple[int | None, int | None] | None:
    """Bounds of Today, Yesterday, BeforeToday or All in UTC; None for another name."""
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    start = int(today.timestamp() * 1000)
    ranges: dict[str, tuple[int | None, int | None]] = {
        "Today": (start, start + DAY_MS),
        "Yesterday": (start - DAY_MS, start),
        "BeforeToday": (None, start),
        "All": (None, None),
    }
    return ranges.get(name)


def _parse(text: str) -> int | None:
    try:
        moment = datetime.fromisoformat(text[:19] + text[19:].replace(" ", ""))
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return (moment - _ZERO) // _MS
    except (ValueError, OverflowError):
        return None


_ZERO = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
