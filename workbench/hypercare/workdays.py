"""Working days: Monday to Friday without the public holidays of the engagement. Pure: no clock, no database.

Moments go in and come out in UTC; in between all is reckoned on the wall clock of one zone, where every day has 24 hours, also one on
which the clocks change. What is given a day at 15:00 ends at 15:00, in summer as in winter.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

DAY = timedelta(days=1)
SATURDAY = 5


@dataclass(frozen=True, slots=True)
class Window:
    """Working days that belong together, from the moment that opened them to the end of the last one."""

    opened: datetime
    days: tuple[date, ...]
    closes: datetime

    def is_over(self, now: datetime) -> bool:
        """Whether the last day has ended."""
        return now >= self.closes

    def day_number(self, today: date) -> int:
        """How many of the days have begun by the end of `today`."""
        return sum(day <= today for day in self.days)


@dataclass(frozen=True, slots=True)
class WorkDays:
    """The working days of one zone."""

    zone: ZoneInfo
    holidays: frozenset[date] = frozenset()

    def works(self, day: date) -> bool:
        """Whether people work on the day."""
        return day.weekday() < SATURDAY and day not in self.holidays

    def following(self, day: date) -> Iterator[date]:
        """The working days after a day, one after the other, without end."""
        while True:
            day += DAY
            if self.works(day):
                yield day

    def day_of(self, moment: datetime) -> date:
        """The day of a moment in the zone."""
        return self._wall(moment).date()

    def after(self, moment: datetime, work: timedelta) -> datetime:
        """When `work` has passed on working days since the moment. Of a day off, the next working day's midnight counts as the start."""
        at = self._begun(self._wall(moment))
        while work > (left := _midnight(at.date() + DAY) - at):
            work -= left
            at = _midnight(next(self.following(at.date())))
        return self._utc(at + work)

    def between(self, start: datetime, stop: datetime) -> timedelta:
        """How much of the time from start to stop lies on working days; zero where stop comes first."""
        first, last = self._wall(start), self._wall(stop)
        worked, day = timedelta(), first.date()
        while day <= last.date():
            if self.works(day):
                worked += max(timedelta(), min(last, _midnight(day + DAY)) - max(first, _midnight(day)))
            day += DAY
        return worked

    def window(self, opened: datetime, count: int) -> Window:
        """The `count` working days that follow the day of the moment."""
        days = tuple(day for day, _ in zip(self.following(self.day_of(opened)), range(count), strict=False))
        return Window(opened, days, self._utc(_midnight(days[-1] + DAY)))

    def _begun(self, at: datetime) -> datetime:
        return at if self.works(at.date()) else _midnight(next(self.following(at.date())))

    def _wall(self, moment: datetime) -> datetime:
        return moment.astimezone(self.zone).replace(tzinfo=None)

    def _utc(self, at: datetime) -> datetime:
        return at.replace(tzinfo=self.zone).astimezone(UTC)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time())
