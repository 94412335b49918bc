"""How many rows go in one call: more while a row takes less time in a larger call, fewer where calls take too long.

Measured by a public load tool (facts, section 4): 100 rows a call were as good as 1,000 or better; each table finds its own number here.
"""

import threading
from dataclasses import dataclass

FIRST, LEAST, MOST = 100, 10, 800  # the service takes 1,000
LONGEST_S = 10.0  # a call should be answered in this time; the service gives up after two minutes
SEEN = 6  # calls of a size before it is compared
BETTER = 0.97  # of the time per row: a larger size must be at least so much quicker
WEIGHT = 0.2  # of the newest in an average


@dataclass(slots=True)
class _Size:
    seconds_per_row: float
    calls: int = 1


class RowsPerCall:
    """The size of calls of one kind, for all threads of a process. said: why it is what it is, in words."""

    def __init__(self, first: int = FIRST, most: int = MOST) -> None:
        """Start with the size that most have found good."""
        self.size, self.said = first, ""
        self._most = most
        self._sizes: dict[int, _Size] = {}
        self._guard = threading.Lock()

    def took(self, rows: int, seconds: float) -> None:
        """Take in what a call took that was answered."""
        with self._guard:
            if not self._too_long(rows, seconds) and rows == self.size:
                self._compare(rows, seconds / rows)

    def failed(self, rows: int, seconds: float) -> None:
        """Take in how long a call was waited for whose answer never came; one that broke off at once says nothing of its size."""
        with self._guard:
            self._too_long(rows, seconds)

    def _too_long(self, rows: int, seconds: float) -> bool:
        if seconds <= LONGEST_S or rows <= LEAST:
            return False
        self._most = min(self._most, max(LEAST, rows // 2))
        self.size = min(self.size, self._most)
        self.said = f"{self.size} rows a call: {rows} took {seconds:.0f} s."
        return True

    def _compare(self, rows: int, per_row: float) -> None:
        seen = self._sizes.setdefault(rows, _Size(per_row, 0))
        seen.calls += 1
        seen.seconds_per_row += (per_row - seen.seconds_per_row) * max(WEIGHT, 1 / seen.calls)
        if seen.calls < SEEN:
            return
        smaller, larger = self._sizes.get(rows // 2), rows * 2
        if smaller and seen.seconds_per_row > smaller.seconds_per_row * BETTER:
            self.size, self._most = rows // 2, rows // 2
            self.said = f"{self.size} rows a call: with {rows} a row took as long."
        elif larger <= self._most and larger not in self._sizes and seen.seconds_per_row * larger < LONGEST_S / 2:
            self.size = larger
            gain = f", {1 - seen.seconds_per_row / smaller.seconds_per_row:.0%} quicker a row than {rows // 2}" if smaller else ""
            self.said = f"{larger} rows a call are tried; {rows} took {seen.seconds_per_row * 1000:.1f} ms a row{gain}."
        elif larger > self._most and smaller:
            self.said = f"{rows} rows a call: {1 - seen.seconds_per_row / smaller.seconds_per_row:.0%} quicker a row than {rows // 2}."


_kept: dict[tuple[str, str], RowsPerCall] = {}


def rows_per_call(address: str, table: str) -> RowsPerCall:
    """What this process knows of a table at a service."""
    return _kept.setdefault((address, table), RowsPerCall())
