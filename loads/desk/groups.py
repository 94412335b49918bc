"""Exceptions of a run in groups: one object and table, outcome, code, column and cause each."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from hashlib import sha256
from operator import or_
from typing import Any

from django.db.models import Count, Exists, F, Min, OuterRef, Q, QuerySet

from connectors.store import batched
from loads.models import LedgerEntry, Rehearsal, Run
from loads.reasons import PARENT_REMOVED, SETTLED_LATER, explained
from mapping import plan
from mapping.models import Remedy
from mapping.objects import has_placeholders
from mapping.quality import remedies
from mapping.quality.remedies import ASKED, PLACEHOLDER, ROW, WHICH
from mapping.quality.rules import Choice
from mapping.transforms import ColumnLike
from mapping.workshop.tables import Known
from workbench.engagements.models import Engagement

NAMES = ("object_name", "table", "outcome", "code", "field", "cause")
TOGETHER = 500  # ids of one statement
MEMBERS = "listmember"  # of lists: they have no rows of their own that could be made again
# Codes of records that wait for others, and go along with those.
FOLLOWERS = frozenset({"parent.held", "parent.not_loaded", "parent.rejected", "parent.skipped"})


@dataclass(frozen=True, slots=True)
class Group:
    """Alike exceptions. field: the source's where staging decided, the destination's where the service did.

    remedied: how many of the records have a remedy.
    column: the destination's column that it is about; '' where none is known.
    """

    object_name: str
    table: str
    outcome: str
    code: str
    field: str
    cause: str
    records: int = 0
    remedied: int = 0
    example: str = ""
    column: str = ""

    @property
    def place(self) -> list[str]:
        """What tells it from others, as runs keep it."""
        return [getattr(self, name) for name in NAMES]

    @property
    def key(self) -> str:
        """The same as a short word for addresses."""
        return sha256("\x1f".join(self.place).encode()).hexdigest()[:16]

    @property
    def words(self) -> str:
        """What the code means."""
        return explained(self.code)

    @property
    def by_service(self) -> bool:
        """Whether the service refused it, so that a remedy may change the row."""
        return self.outcome == LedgerEntry.Outcome.REFUSED and self.code.startswith(("0x", "http."))

    @property
    def follows(self) -> bool:
        """Whether its records only wait for others."""
        return self.code != PARENT_REMOVED and (self.outcome == LedgerEntry.Outcome.WAITING or self.code in FOLLOWERS)

    @property
    def asks(self) -> bool:
        """Whether its records wait for an answer about themselves, which can be given record by record."""
        return self.code in ASKED and self.table != MEMBERS

    @property
    def is_about_rows(self) -> bool:
        """Whether what is asked is about rows of one environment."""
        return self.asks and ASKED[self.code][0] == WHICH

    @property
    def asks_for_rows(self) -> bool:
        """Whether it is asked which of several rows a record is."""
        return self.asks and ROW in ASKED[self.code][1]

    @property
    def needs_no_remedy(self) -> bool:
        """Whether a further run may settle it as it is."""
        return self.code in SETTLED_LATER or self.code.startswith("http.")


def groups(run: Run, codes: Collection[str] = ()) -> list[Group]:
    """All groups of a run, or those of some codes, the largest first. They are counted in an index, in a few queries."""
    of_codes = Q(code__in=codes) if codes else Q()
    remedied, columns = _remedied(run, of_codes), _predicted_columns(run)
    counted: dict[tuple[str, ...], tuple[int, int]] = {}
    for place, count, first in _counted(run, of_codes):
        records, earliest = counted.get(place, (0, first))
        counted[place] = records + count, min(earliest, first)
    examples = _source_ids(first for _, first in counted.values())
    found = [
        _group({**dict(zip(NAMES, place, strict=True)), "records": count, "remedied": remedied[place], "example": examples[first]}, columns)
        for place, (count, first) in counted.items()
    ]
    return sorted(found, key=lambda group: (group.follows, -group.records, group.object_name, group.code, group.cause))


def _counted(run: Run, of_codes: Q) -> Iterator[tuple[tuple[str, ...], int, int]]:
    """NAMES of a group, how many exceptions of a phase are in it, and the id of the first; a group may have several phases."""
    tables = {phase: (object_name, table) for phase, object_name, table in run.phases.values_list("pk", "object_name", "table")}
    counted = LedgerEntry.objects.filter(of_codes, run=run).order_by().values_list("code", "outcome", "phase_id", "field", "cause")
    for code, outcome, phase, field, cause, count, first in counted.annotate(count=Count("pk"), first=Min("pk")):
        yield (*tables[phase], outcome, code, field, cause), count, first


def _source_ids(ids: Iterable[int]) -> dict[int, str]:
    """The records of exceptions, by the exceptions' ids."""
    found: dict[int, str] = {}
    for some in batched(ids, TOGETHER):
        found |= LedgerEntry.objects.filter(pk__in=some).values_list("pk", "source_id")
    return found


def standing(run: Run) -> QuerySet[Remedy]:
    """The remedies that a run of the same environment would follow."""
    return Remedy.objects.filter(engagement=run.engagement_id, environment__in=("", run.environment.kind))


def _remedied(run: Run, of_codes: Q) -> Counter[tuple[str, ...]]:
    """NAMES of a group -> how many of its records have a remedy. It begins with the remedies, which are few beside the exceptions."""
    given = standing(run)
    of_record = given.filter(
        Q(question="") | Q(code=OuterRef("code")), object_name=OuterRef("object_name"), source_id=OuterRef("source_id")
    )
    entries = told(run.pk).filter(of_codes, Exists(of_record), source_id__in=given.order_by().values("source_id"))
    counted = entries.order_by().values_list(*NAMES).annotate(count=Count("pk"))
    return Counter({tuple(names): count for *names, count in counted})


def find(run: Run, key: str) -> Group | None:
    """The group of a key."""
    return next((group for group in groups(run) if group.key == key), None)


def entries(run: Run, chosen: Sequence[Sequence[str]]) -> QuerySet[LedgerEntry]:
    """The exceptions of some groups, named as `Group.place` names them, in the records' order."""
    phases: dict[tuple[str, str], list[int]] = {}
    for phase, object_name, table in run.phases.values_list("pk", "object_name", "table"):
        phases.setdefault((object_name, table), []).append(phase)

    def of_group(object_name: str, table: str, *rest: str) -> Q:
        return Q(phase__in=phases.get((object_name, table), ()), **dict(zip(NAMES[2:], rest, strict=True)))

    any_of = reduce(or_, (of_group(*place) for place in chosen), Q(pk__in=[]))
    return told(run.pk).filter(any_of).order_by("phase_id", "position", "pk")


def told(run_id: int) -> QuerySet[LedgerEntry]:
    """The exceptions of a run, each with what its group is told by."""
    return LedgerEntry.objects.filter(run=run_id).annotate(table=F("phase__table"))


def _predicted_columns(run: Run) -> dict[tuple[str, str], str]:
    """(table, code) -> the one column that the rehearsal names for it: the service's words name none for some."""
    rehearsal = Rehearsal.objects.filter(run=run).first()
    named: dict[tuple[str, str], set[str]] = {}
    for one in rehearsal.reasons if rehearsal else ():
        if one["column"]:
            named.setdefault((one["table"], one["code"]), set()).add(one["column"])
    return {place: columns.pop() for place, columns in named.items() if len(columns) == 1}


def _group(row: Mapping[str, Any], columns: Mapping[tuple[str, str], str]) -> Group:
    group = Group(**row)
    if not group.by_service:
        return group
    return Group(**row, column=group.field or columns.get((group.table, group.code), ""))


def column_of(group: Group, known: Known) -> ColumnLike | None:
    """The destination's column that a group is about, as it is known; None where it is about the record."""
    return known(group.table).get(group.column) if group.column else None


def offered(group: Group, known: Known) -> list[Choice]:
    """The remedies that fit a group, the likeliest first; none for records that only wait for others."""
    if group.follows:
        return []
    found = remedies.offered(column_of(group, known), group.code if group.asks or group.code not in ASKED else "")
    return [one for one in found if one.name != PLACEHOLDER or _may_be_stood_for(known.engagement, group.object_name)]


def _may_be_stood_for(engagement: Engagement, object_name: str) -> bool:
    return has_placeholders(plan.current(engagement)["maps"].content["objects"], object_name)


def fallbacks(group: Group, known: Known) -> list[str]:
    """The columns that may keep a group's values as text, beside the column of original values."""
    columns = known(group.table) if group.column else {}
    return sorted(name for name, column in columns.items() if column.kind in remedies.TEXTS and name != group.column)


def records(found: QuerySet[LedgerEntry]) -> Iterator[LedgerEntry]:
    """The entries of a query, streamed."""
    yield from found.iterator(chunk_size=2_000)
