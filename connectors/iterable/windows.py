"""The time windows that an export is asked for, and how they divide."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from connectors.base import Slice

_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_FAR_FUTURE = datetime(2200, 1, 1, tzinfo=UTC)  # a profile whose clock runs ahead must not be lost
_LATE = timedelta(minutes=5)  # rows arrive late: the open slice begins so much before now
_YEARS = 3  # the last so many years have a slice each, all before them one: a slice that the source cuts off is halved anyway
_SHORTEST = timedelta(seconds=60)
OPEN = "open"


@dataclass(frozen=True, slots=True)
class Window:
    """From `start` inclusive to `end` exclusive, both in UTC, whole seconds."""

    start: datetime
    end: datetime

    def halves(self) -> "tuple[Window, Window] | None":
        """Two windows that are this one together; None where it is too short to divide."""
        if self.end - self.start <= _SHORTEST:
            return None
        middle = self.start + timedelta(seconds=int((self.end - self.start).total_seconds()) // 2)
        return Window(self.start, middle), Window(middle, self.end)

    def as_params(self) -> dict[str, str]:
        """The window as a slice keeps it and an export takes it."""
        return {"startDateTime": _written(self.start), "endDateTime": _written(self.end)}

    def after(self, moment: datetime) -> "Window":
        """The part of this window that lies after a moment; an empty one where none does."""
        return Window(min(max(self.start, moment), self.end), self.end)

    @classmethod
    def of(cls, piece: Slice) -> "Window":
        """The window of a slice."""
        return cls(datetime.fromisoformat(piece.params["startDateTime"]), datetime.fromisoformat(piece.params["endDateTime"]))


def windows(now: datetime) -> Iterator[tuple[str, Window]]:
    """Named windows from 1970 to `now`, in order without gaps, and an open one from shortly before `now` on.

    now: an aware datetime.
    """
    now = now.astimezone(UTC).replace(microsecond=0)
    years = (datetime(year, 1, 1, tzinfo=UTC) for year in range(now.year - _YEARS + 1, now.year + 1))
    edges = [_BEGINNING, *years, now]
    for start, end in pairwise(edges):
        if start < end:
            yield f"{start:%Y-%m-%d}", Window(start, end)
    yield OPEN, Window(now - _LATE, _FAR_FUTURE)


def _written(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} +00:00"
