"""How far the destination is read through, for who looks at a run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Min, Q, Sum

from connectors import store
from loads import staged
from loads.models import Run, Scan

# Form of what is kept of the rows -> what they are read for.
WHY = {
    "": "counted one by one",
    "accounts": "names and web addresses, to find companies again",
    "found": "which rows are there",
    "keys": "values that must be unique",
    "people": "e-mail addresses and consent, to find people again",
}


@dataclass(frozen=True, slots=True)
class Reading:
    """Rows of a table that are read whole. name: its own among the page's live figures. expected: how many there are, None: not known.

    parts, done: ranges that workers read beside one another, and how many of them are read.
    """

    name: str
    table: str
    why: str
    rows: int
    expected: int | None
    parts: int
    done: int

    @property
    def is_done(self) -> bool:
        """Whether all is read."""
        return self.done == self.parts

    @property
    def percent(self) -> int:
        """0 to 100; 100 only when all is read. By parts where nobody knows how many rows there are."""
        if self.is_done:
            return 100
        return min(99, 100 * self.rows // self.expected if self.expected else 100 * self.done // self.parts)

    @property
    def text(self) -> str:
        """Rows so far, of how many where that is known."""
        if self.expected is not None and not self.is_done:
            return f"{self.rows:,} of {self.expected:,} rows"
        return f"{self.rows:,} rows" if self.is_done else f"{self.rows:,} rows so far"

    @property
    def parts_text(self) -> str:
        """Parts that are read, empty where there is one alone."""
        return f"{self.done} of {self.parts} parts" if self.parts > 1 else ""


def readings(run: Run) -> Sequence[Reading]:
    """What a run reads through or has read and still needs, in the order in which it was asked for. Two queries."""
    done = Count("pk", filter=Q(done=True))
    sums = Scan.objects.filter(run=run).order_by().values("name").annotate(first=Min("pk"), read=Sum("rows"), parts=Count("pk"), over=done)
    counts = {one["first"]: one for one in sums}
    firsts = Scan.objects.filter(pk__in=counts).select_related("phase__undoes").order_by("pk")
    return [_reading(run, place, scan, counts[scan.pk]) for place, scan in enumerate(firsts)]


def _reading(run: Run, place: int, scan: Scan, counts: Mapping[str, Any]) -> Reading:
    table, why = scan.wanted["table"], WHY[scan.wanted["form"]]
    return Reading(f"read-{place}", table, why, counts["read"], _expected(run, scan), counts["parts"], counts["over"])


def _expected(run: Run, scan: Scan) -> int | None:
    """The rows of a list of ids, of which some may be gone; those that a phase must find when it ends. Whole tables tell no number."""
    if scan.wanted["ids"]:
        path = staged.folder(run) / scan.wanted["ids"]
        return store.row_count(path) if path.exists() else None
    return scan.phase.expected if scan.phase else None
