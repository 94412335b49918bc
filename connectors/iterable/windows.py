"""The time windows that an export is asked for, and how they divide."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

from connectors.base import Slice

_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_FAR_FUTURE = datetime(2200, 1, 1, tzinfo=UTC)  # a profile whose clock runs ahead must not be lost
# The first and the last moment that can be asked for. The end of a window isn't in it, and 9999-12-31 23:59:59 often stands for 'never'
# at the source, so that the end is given in a zone where it is later.
_FIRST = datetime(1, 1, 1, tzinfo=UTC)
_LAST = datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone(timedelta(hours=-12)))
_LATE = timedelta(minutes=5)  # rows arrive late: the open slice begins so much before now
# The last so many years have a slice each, all before them one: a slice that the source cuts off or makes slowly is halved anyway, and each
# costs one of the four export jobs that a project may start in a minute.
_YEARS = 2
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
        middle = self.end - timedelta(seconds=int((self.end - self.start).total_seconds()) // 2)  # in the end's zone: it may be the last
        return Window(self.start, middle), Window(middle, self.end)

    def as_params(self) -> dict[str, str]:
        """The window as a slice keeps it and an export takes it."""
        return {"startDateTime": _written(self.start), "endDateTime": _written(self.end)}

    def after(self, moment: datetime) -> "Window":
        """The part of this window that lies after a moment; an empty one where none does."""
        return Window(min(max(self.start, moment), self.end), self.end)

    @property
    def is_odd(self) -> bool:
        """Whether only records with an unlikely date are in it: before 1970 or after 2199."""
        return self.end <= _BEGINNING or self.start >= _FAR_FUTURE

    @classmethod
    def of(cls, piece: Slice) -> "Window":
        """The window of a slice."""
        return cls(datetime.fromisoformat(piece.params["startDateTime"]), datetime.fromisoformat(piece.params["endDateTime"]))


def windows(now: datetime) -> Iterator[tuple[str, Window]]:
    """Named windows of all time up to `now`, in order without gaps, one of the far future, and an open one from shortly before `now` on.

    now: an aware datetime.
    """
    now = now.astimezone(UTC).replace(microsecond=0)
    years = (datetime(year, 1, 1, tzinfo=UTC) for year in range(now.year - _YEARS + 1, now.year + 1))
    edges = [_FIRST, _BEGINNING, *years, now]
    for start, end in pairwise(edges):
        if start < end:
            yield start.date().isoformat(), Window(start, end)
    yield _FAR_FUTURE.date().isoformat(), Window(_FAR_FUTURE, _LAST)
    yield OPEN, Window(now - _LATE, _FAR_FUTURE)


def since(moment: datetime) -> tuple[str, Window]:
    """The named window from a moment on, open towards the future."""
    moment = moment.astimezone(UTC).replace(microsecond=0)
    return f"since {moment:%Y-%m-%d %H:%M:%S}", Window(moment, _FAR_FUTURE)


def _written(moment: datetime) -> str:
    text = moment.isoformat(" ", "seconds")
    return f"{text[:19]} {text[19:]}"
