"""Working days: weekends, public holidays and the days on which the clocks change."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from workbench.hypercare.workdays import DAY, WorkDays

BERLIN = ZoneInfo("Europe/Berlin")
GOOD_FRIDAY, EASTER_MONDAY = date(2026, 4, 3), date(2026, 4, 6)
PLAIN = WorkDays(BERLIN)
EASTER = WorkDays(BERLIN, frozenset({GOOD_FRIDAY, EASTER_MONDAY}))


def berlin(day: int, hour: int, month: int = 3, minute: int = 0) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=BERLIN)


@pytest.mark.parametrize(
    ("start", "work", "due"),
    [
        (berlin(23, 15), DAY, berlin(24, 15)),  # Monday to Tuesday
        (berlin(20, 15), DAY, berlin(23, 15)),  # Friday to Monday
        (berlin(21, 11), DAY, berlin(24, 0)),  # Saturday counts from Monday's midnight: all of Monday
        (berlin(20, 15), 3 * DAY, berlin(25, 15)),
        (berlin(27, 15), DAY, berlin(30, 15)),  # the clocks go forward on Sunday 29 March
        (berlin(23, 15, 10), DAY, berlin(26, 15, 10)),  # and back on Sunday 25 October
        (berlin(23, 0), timedelta(), berlin(23, 0)),
        (berlin(22, 9), timedelta(), berlin(23, 0)),
    ],
)
def test_a_deadline_falls_on_a_working_day_at_the_same_time_of_day(start, work, due):
    assert PLAIN.after(start.astimezone(UTC), work) == due


def test_public_holidays_are_no_working_days():
    assert EASTER.after(berlin(2, 10, 4), DAY) == berlin(7, 10, 4)
    assert PLAIN.after(berlin(2, 10, 4), DAY) == berlin(3, 10, 4)


@pytest.mark.parametrize(
    ("start", "stop", "worked"),
    [
        (berlin(27, 18), berlin(30, 6), timedelta(hours=12)),  # over a weekend on which an hour is missing
        (berlin(28, 1), berlin(29, 23), timedelta()),
        (berlin(24, 9), berlin(24, 17), timedelta(hours=8)),
        (berlin(24, 17), berlin(24, 9), timedelta()),
        (berlin(2, 12, 4), berlin(7, 12, 4), timedelta(hours=24)),
    ],
)
def test_only_time_on_working_days_counts(start, stop, worked):
    assert EASTER.between(start, stop) == worked


@pytest.mark.parametrize("hours", [0, 5, 24, 49, 240])
@pytest.mark.parametrize("start", [berlin(27, 15), berlin(28, 3), berlin(2, 23, 4), berlin(23, 23, 10, 59)])
def test_the_working_time_until_a_deadline_is_what_was_given(start, hours):
    work = timedelta(hours=hours)
    assert EASTER.between(start, EASTER.after(start, work)) == work


def test_the_window_is_the_five_working_days_after_the_day_of_the_hand_off():
    window = EASTER.window(berlin(1, 23, 4), 5)
    assert window.days == (date(2026, 4, 2), date(2026, 4, 7), date(2026, 4, 8), date(2026, 4, 9), date(2026, 4, 10))
    assert window.closes == berlin(11, 0, 4)
    assert (window.is_over(berlin(10, 23, 4)), window.is_over(berlin(11, 0, 4))) == (False, True)
    assert [window.day_number(date(2026, 4, day)) for day in (1, 2, 5, 7, 30)] == [0, 1, 1, 2, 5]


def test_the_day_is_that_of_the_zone_and_not_of_utc():
    auckland = WorkDays(ZoneInfo("Pacific/Auckland"))
    friday_evening = datetime(2026, 3, 20, 20, tzinfo=UTC)  # Saturday in Auckland
    assert auckland.day_of(friday_evening) == date(2026, 3, 21)
    assert auckland.after(friday_evening, DAY) == datetime(2026, 3, 24, tzinfo=auckland.zone)
