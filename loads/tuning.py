"""How many rows go in one call: more while a row takes less time in a larger call, fewer where calls take too long.

Measured by a public load tool (facts, section 4): 100 rows a call were as good as 1,000 or better; each table finds its own number here.
"""

import threading
from dataclasses import dataclass
from typing import Any

SIZES = (10, 20, 50, 100, 200, 500, 1000)  # each divides a chunk; the service takes no more than 1,000
FIRST = SIZES.index(100)
LONGEST_S = 10.0  # a call should be answered in this time; the service gives up after two minutes
SEEN = 6  # calls of a size before it is compared
BETTER = 0.97  # of the time per row: a larger size must be at least so much quicker
WEIGHT = 0.2  # of the newest in an average


@dataclass(slots=True)
class _Seen:
    """Calls of one size: how many, and their average seconds per row."""

    calls: int = 0
    per_row: float = 0.0

    def add(self, per_row: float) -> None:
        self.calls += 1
        self.per_row += (per_row - self.per_row) * max(WEIGHT, 1 / self.calls)


class RowsPerCall:
    """The size of calls of one kind, for all threads of a process. said: why it is what it is, in words."""

    def __init__(self) -> None:
        """Start with the size that most have found good."""
        self.said = ""
        self._at, self._most = FIRST, len(SIZES) - 1
        self._seen = [_Seen() for _ in SIZES]
        self._guard = threading.Lock()

    @property
    def size(self) -> int:
        """Rows of a call now."""
        return SIZES[self._at]

    def content(self) -> dict[str, Any]:
        """What was chosen and why, for people: rows_per_call, said."""
        if not self.said:
            said = f"{self.size} rows a call, as most have found good; too few calls so far to compare."
        else:
            tried = "" if self.said.startswith(f"{self.size} ") else f" {self.size} are tried now."
            said = f"{self.said}{tried}"
        return {"rows_per_call": self.size, "said": said}

    def took(self, rows: int, seconds: float) -> None:
        """Take in what a call took that was answered."""
        with self._guard:
            if not self._too_long(rows, seconds) and rows == self.size:
                self._seen[self._at].add(seconds / rows)
                if self._seen[self._at].calls >= SEEN:
                    self._compare()

    def failed(self, rows: int, seconds: float) -> None:
        """Take in how long a call was waited for whose answer never came; one that broke off at once says nothing of its size."""
        with self._guard:
            self._too_long(rows, seconds)

    def _too_long(self, rows: int, seconds: float) -> bool:
        if seconds <= LONGEST_S:
            return False
        self._most = max(0, min(self._most, sum(size < rows for size in SIZES) - 1))
        self._at = min(self._at, self._most)
        self.said = f"{self.size} rows a call: {rows} took {seconds:.0f} s."
        return True

    def _compare(self) -> None:
        """The size that is used has been seen often enough: go back where the one below was as good, else try the one above."""
        rows, now = self.size, self._seen[self._at].per_row
        below = self._seen[self._at - 1].per_row if self._at else 0.0
        if below and now > below * BETTER:
            self._at = self._most = self._at - 1
            self.said = f"{self.size} rows a call: with {rows} a row took as long."
            return
        if self._at == self._most < len(SIZES) - 1:
            return  # it was found before that more is no better
        gain = f", {1 - now / below:.0%} quicker than with {SIZES[self._at - 1]}" if below else ""
        self.said = f"{rows} rows a call: {now * 1000:.1f} ms a row{gain}."
        if self._at < self._most and now * SIZES[self._at + 1] < LONGEST_S / 2:
            self._at += 1


_kept: dict[tuple[str, str], RowsPerCall] = {}


def rows_per_call(address: str, table: str) -> RowsPerCall:
    """What this process knows of a table at a service."""
    return _kept.setdefault((address, table), RowsPerCall())
