"""How many rows go in one call: more while a row takes less time in a larger call, fewer where calls take too long.

Each table finds its own number for each kind of call. What Microsoft's pages say where to begin differs (facts, section 3.2 and 4): it is
begun with what the guide for complex migrations says of such tables, and what is measured counts from then on.
"""

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from connectors.dataverse.metadata import Table

SIZES = (10, 20, 50, 100, 200, 500, 1000)  # each divides a chunk; the service takes no more than 1,000
BATCH = 50  # operations of a batch to begin with
LONGEST_S = 10.0  # a call should be answered in this time; the service gives up after two minutes
SEEN = 6  # calls of a size before it is compared
BETTER = 0.97  # of the time per row: a larger size must be at least so much quicker
WEIGHT = 0.2  # of the newest in an average
# Kinds of calls, beside those that late phases make, which are called as these are.
CREATE, UPDATE, DELETE = "create", "update", "delete"
DONE = {CREATE: "created", UPDATE: "changed", DELETE: "removed"}  # with rows, in words


class TableClass(NamedTuple):
    """Tables that are alike in what a row costs. rows: of a call to begin with; at_once: calls; words: what they are."""

    words: str
    rows: int
    at_once: int


# Source: Microsoft's guide for complex migrations (power-platform documentation, workflow-complex-data-migration, June 2025).
LOGIC = TableClass("a standard table with logic of its own", 200, 30)
SIMPLE = TableClass("a simple table", 10, 50)
CUSTOM = TableClass("a custom table", 100, 30)
WIDE = TableClass("a wide table", 20, 20)
MOST_AT_ONCE = 50  # of any class
MANY_COLUMNS, MANY_LOOKUPS, FEW_COLUMNS = 100, 20, 10
# Standard tables on whose rows nothing hangs; the guide names none (*assumed*).
PLAIN = frozenset({"annotation", "connection", "pricelevel", "productpricelevel", "uom", "uomschedule"})


def class_of(table: Table) -> TableClass:
    """What a table is like. A custom one is simple by the columns that somebody made: all have those that the service adds."""
    if not table.custom:
        return SIMPLE if table.name in PLAIN else LOGIC
    lookups = sum(bool(column.navigation) for column in table.columns.values())
    if len(table.columns) > MANY_COLUMNS or lookups > MANY_LOOKUPS:
        return WIDE
    own = f"{table.name.partition('_')[0]}_"
    return SIMPLE if sum(name.startswith(own) for name in table.columns) <= FEW_COLUMNS else CUSTOM


def first(table: Table) -> tuple[int, str]:
    """Rows of a call to begin with, and why, in words that follow "to begin with"."""
    found = class_of(table)
    return found.rows, f", as Microsoft's guide has it for {found.words}"


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

    def __init__(self, first: int = BATCH, why: str = "") -> None:
        """first: the size to begin with, or the next smaller one of SIZES. why: in words."""
        self.said, self._why = "", why
        self._best = max(sum(size <= first for size in SIZES) - 1, 0)  # the one that stands
        self._at = self._best  # the one in use: that one, or the next to it, which is tried
        self._least, self._most = 0, len(SIZES) - 1  # beyond which nothing is tried
        self._seen = [_Seen() for _ in SIZES]
        self._guard = threading.Lock()

    @property
    def size(self) -> int:
        """Rows of a call now."""
        return SIZES[self._at]

    def content(self) -> dict[str, Any]:
        """What was chosen and why, for people: rows_per_call, said."""
        if not self.said:
            said = f"{self.size} rows a call to begin with{self._why}; too few calls so far to compare."
        else:
            tried = "" if self.said.startswith(f"{self.size} ") else f" {self.size} are tried now."
            said = f"{self.said}{tried}"
        return {"rows_per_call": self.size, "said": said}

    def took(self, rows: int, seconds: float) -> None:
        """Take in what a call took that was answered. One of fewer rows than the size below says nothing of this size."""
        with self._guard:
            if not self._too_long(rows, seconds) and (SIZES[self._at - 1] if self._at else 0) < rows <= self.size:
                self._seen[self._at].add(seconds / rows)
                if self._seen[self._at].calls >= SEEN:
                    self._compare()

    def failed(self, rows: int, seconds: float) -> None:
        """Take in how long a call was waited for whose answer never came; one that broke off at once says nothing of its size."""
        with self._guard:
            self._too_long(rows, seconds)

    def learned(self) -> dict[str, Any]:
        """What another process begins with; see `take_up`. Empty before anything is known."""
        with self._guard:
            seen = [[one.calls, one.per_row] for one in self._seen]
            return {"best": self._best, "least": self._least, "most": self._most, "said": self.said, "seen": seen} if self.said else {}

    def take_up(self, learned: Mapping[str, Any], *, old: bool) -> None:
        """Go on with what another process learned. old: its size is begun with, and the sizes next to it are tried again."""
        with self._guard:
            self._best = self._at = learned["best"]
            self.said = learned["said"]
            self._least, self._most = (0, len(SIZES) - 1) if old else (learned["least"], learned["most"])
            self._seen = [_Seen() if old else _Seen(calls, per_row) for calls, per_row in learned["seen"]]

    def _too_long(self, rows: int, seconds: float) -> bool:
        if seconds <= LONGEST_S:
            return False
        self._most = max(0, min(self._most, sum(size < rows for size in SIZES) - 1))
        self._best = self._at = min(self._best, self._most)
        self._least = min(self._least, self._most)
        self.said = f"{self.size} rows a call: {rows} took {seconds:.0f} s."
        return True

    def _compare(self) -> None:
        """The size in use was seen often enough: it stands where it is quicker; then a size next to the one that stands is tried."""
        rows, now, stands = self.size, self._seen[self._at].per_row, self._seen[self._best].per_row
        if self._at == self._best:
            self.said = self.said if self.said.startswith(f"{rows} ") else f"{rows} rows a call: {_ms(now)}."
        elif now < stands * BETTER:
            self.said = f"{rows} rows a call: {_ms(now)}, {1 - now / stands:.0%} quicker than with {SIZES[self._best]}."
            self._best = self._at
        elif self._at > self._best:
            self._most = self._best
            self.said = f"{SIZES[self._best]} rows a call: with {rows} a row took as long."
        else:
            self._least = self._best
        self._at = self._next()

    def _next(self) -> int:
        """The larger one first, where it can't take too long."""
        best = self._best
        if best < self._most and not self._known(best + 1) and self._seen[best].per_row * SIZES[best + 1] < LONGEST_S / 2:
            return best + 1
        return best - 1 if best > self._least and not self._known(best - 1) else best

    def _known(self, at: int) -> bool:
        return self._seen[at].calls >= SEEN


def _ms(per_row: float) -> str:
    return f"{per_row * 1000:.1f} ms a row"


_kept: dict[tuple[str, str, str], RowsPerCall] = {}


def rows_per_call(address: str, table: str, kind: str, first: int = BATCH, why: str = "") -> RowsPerCall:
    """What this process knows of one kind of call on a table of a service. first, why: see RowsPerCall; where it knows nothing yet."""
    return _kept.setdefault((address, table, kind), RowsPerCall(first, why))


def known(address: str) -> Iterator[tuple[str, str, RowsPerCall]]:
    """(table, kind of call, its size) of all that this process knows of a service."""
    yield from ((table, kind, size) for (service, table, kind), size in list(_kept.items()) if service == address)
