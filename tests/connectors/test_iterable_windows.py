from datetime import UTC, datetime, timedelta, timezone

import pytest

from connectors.base import Slice
from connectors.iterable.windows import OPEN, Window, windows

NOW = datetime(2026, 11, 22, 9, 30, 15, 999, tzinfo=UTC)


@pytest.mark.parametrize(
    "now", [NOW, datetime(2024, 1, 1, tzinfo=UTC), datetime(2025, 3, 31, 23, 59, 59, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)]
)
def test_windows_cover_all_time_in_order_and_without_gaps(now: datetime):
    named = list(windows(now))
    *closed, far, _ = [window for _, window in named]
    assert closed[0] == Window(datetime(1, 1, 1, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC))
    assert all(left.end == right.start and right.start < right.end for left, right in zip(closed, closed[1:], strict=False))
    assert closed[-1].end == now.replace(microsecond=0)
    assert far.start == dict(named)[OPEN].end
    assert [window.is_odd for _, window in named] == [True, *(False for _ in closed[1:]), True, False]
    assert len({name for name, _ in named}) == len(named)


def test_the_last_window_begins_before_now_and_takes_what_claims_to_be_of_the_future():
    name, window = list(windows(NOW))[-1]
    assert name == OPEN
    assert window == Window(datetime(2026, 11, 22, 9, 25, 15, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC))


def test_old_times_come_in_one_window_and_the_last_two_years_in_one_each():
    assert [name for name, _ in windows(NOW)] == ["0001-01-01", "1970-01-01", "2025-01-01", "2026-01-01", "2200-01-01", OPEN]


def test_now_in_another_zone_means_the_same_windows():
    assert list(windows(NOW.astimezone(timezone(timedelta(hours=9))))) == list(windows(NOW))


def test_halves_are_the_whole_and_end_at_a_minute():
    window = Window(NOW, NOW + timedelta(days=365))
    left, right = window.halves()
    assert (left.start, left.end, right.end) == (window.start, right.start, window.end)
    assert Window(NOW, NOW + timedelta(seconds=60)).halves() is None


def test_the_last_window_has_the_last_second_in_it_and_divides_down_to_a_minute():
    window = dict(windows(NOW))["2200-01-01"]
    assert window.as_params() == {"startDateTime": "2200-01-01 00:00:00 +00:00", "endDateTime": "9999-12-31 23:59:59 -12:00"}
    assert Window.of(Slice("last", window.as_params())) == window
    while halves := window.halves():
        left, right = halves
        assert left.end == right.start < right.end == window.end
        window = right
    first = dict(windows(NOW))["0001-01-01"]
    assert first.as_params()["startDateTime"] == "0001-01-01 00:00:00 +00:00"
