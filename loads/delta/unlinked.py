"""Links of ours that somebody took away: members of lists, lists tied to campaigns, rows linked. They stay away unless somebody decides so.

A link has no row of its own whose version or editor could be read. It was taken away where an earlier run left it at the destination, it
isn't there, and neither a rollback nor the service took it, as it does with a row that goes.
"""

from collections.abc import Iterator, Sequence
from functools import reduce
from operator import or_
from uuid import UUID

from django.db.models import Q, QuerySet

from connectors import store
from loads import staged
from loads.delta import conflicts
from loads.delta.models import KEEP, OVERWRITE, Conflict
from loads.flight import asking
from loads.models import LedgerEntry, Phase, Run
from loads.reasons import REMOVED as GONE
from loads.staged import StagedRow
from workbench.engagements.models import Environment

KINDS = (Phase.Kind.LINKS, Phase.Kind.TIES, Phase.Kind.MEMBERS)
REMOVED, STAYS = "conflict.removed", "conflict.stays_removed"
TAKEN = (GONE, REMOVED, STAYS)  # codes of links that were there and that somebody took away
FIELD = {"column": "link", "last": "there", "now": "removed", "new": "there", "proposed": KEEP}


def barred(run_key: str, table: str, kind: str, rows: Sequence[StagedRow]) -> dict[str, str]:
    """Row id -> reason code of those of the links that aren't made again. rows: links that aren't there."""
    if not rows:
        return {}
    with asking():
        run = Run.objects.select_related("environment").get(key=run_key)
        removed = _removed(run, table, kind, rows)
        choices = _choices(run.environment, table, kind, removed) if removed else {}
    return {row_id: STAYS if choices.get(row_id) == KEEP else REMOVED for row_id in removed if choices.get(row_id) != OVERWRITE}


def were_made(run: Run, table: str, kind: str) -> bool:
    """Whether an earlier run had to do with such links, so that somebody may have taken some away."""
    return next(_earlier(run, table, kind), None) is not None


def _removed(run: Run, table: str, kind: str, rows: Sequence[StagedRow]) -> set[str]:
    """Those that the newest of the earlier runs that had to do with them left at the destination, and whose ends are what they were."""
    open_ids, removed = {row.row_id for row in rows}, set[str]()
    for phase in _earlier(run, table, kind):
        of_phase = staged.acted_on(phase, sorted(open_ids))
        failed = _failed(phase, of_phase)
        if phase.kind == kind:
            removed |= of_phase - failed - _taken_back(phase, of_phase)
        open_ids -= of_phase - failed
        if not open_ids:
            break
    ends = {row.row_id: set(row.parents) for row in rows if row.row_id in removed}
    made = _made(run, {end for of_row in ends.values() for end in of_row})
    return {row_id for row_id, of_row in ends.items() if not of_row & made}


def _earlier(run: Run, table: str, kind: str) -> Iterator[Phase]:
    """The phases of earlier runs that made such links, or took them away since the source did, the newest first.

    Up to a run that was taken back whole, and up to the last time that the environment was copied anew.
    """
    done = Phase.objects.filter(
        run__environment=run.environment, run_id__lt=run.pk, table=table, kind__in=(kind, Phase.Kind.LEFT), state=Phase.State.BALANCED,
        undoes=None,
    )  # fmt: skip
    for phase in done.select_related("run__engagement", "run__environment").order_by("-run_id", "-number"):
        if phase.run.is_of_before_refresh or phase.run.taken_back_by:
            return
        yield phase


def _failed(phase: Phase, row_ids: set[str]) -> set[str]:
    """Those of which a phase didn't do what it was to do."""
    entries = LedgerEntry.objects.filter(phase=phase, row_id__in=list(map(UUID, row_ids))).exclude(code__in=TAKEN)
    return set(map(str, entries.values_list("row_id", flat=True)))


def _taken_back(phase: Phase, row_ids: set[str]) -> set[str]:
    """Those that a rollback of some of the run's rows took away."""
    found: set[str] = set()
    for back in Phase.objects.filter(undoes=phase, finished_at__isnull=False).select_related("run__engagement"):
        stays = LedgerEntry.objects.filter(phase=back, row_id__in=list(map(UUID, row_ids))).values_list("row_id", flat=True)
        found |= staged.acted_on(back, sorted(row_ids)) - set(map(str, stays))
    return found


def _made(run: Run, ends: set[str]) -> set[str]:
    """Those of the "table:row id" that this run makes, be it anew: with what was there before them their links went."""
    wanted: dict[str, list[str]] = {}
    for end in sorted(ends):
        table, _, row_id = end.partition(":")
        wanted.setdefault(table, []).append(row_id)
    found: set[str] = set()
    for phase in run.phases.filter(kind=Phase.Kind.ROWS, table__in=wanted).select_related("run__engagement"):
        if paths := [str(path) for path in staged.rows_of(phase)]:
            with store.database() as con:
                query = "SELECT row_id FROM read_parquet($paths) WHERE action = 'create' AND row_id IN (SELECT unnest($ids))"
                rows = con.execute(query, {"paths": paths, "ids": wanted[phase.table]}).fetchall()
            found |= {f"{phase.table}:{row_id}" for (row_id,) in rows}
    return found


def _choices(environment: Environment, table: str, kind: str, row_ids: set[str]) -> dict[str, str]:
    """Row id -> what somebody decided about it."""
    decided = Conflict.objects.filter(environment=environment, table=table, kind=kind, state=Conflict.State.DECIDED)
    found = decided.filter(row_id__in=list(map(UUID, row_ids))).values_list("row_id", "choices")
    return {str(row_id): str(choices.get(FIELD["column"], "")) for row_id, choices in found}


def close(phase: Phase) -> None:
    """Ask about the links of a phase that somebody took away, and no longer about those that are there or aren't wanted; safe to repeat."""
    pending = conflicts.of(phase).filter(state__in=conflicts.PENDING)
    while some := list(_to_ask(phase, pending)[: conflicts.AT_ONCE]):  # about whom is asked is left out then
        conflicts.keep([_conflict(phase, entry) for entry in some])
    if phase.run.is_sample:  # what it leaves out isn't settled
        return
    settled = pending.exclude(row_id__in=LedgerEntry.objects.filter(phase=phase, row_id__isnull=False).values("row_id"))
    settled.filter(state=Conflict.State.DECIDED, choices={FIELD["column"]: OVERWRITE}).update(run=phase.run, state=Conflict.State.APPLIED)
    settled.update(state=Conflict.State.GONE)


def _to_ask(phase: Phase, pending: QuerySet[Conflict]) -> QuerySet[LedgerEntry]:
    """The entries of links about which nobody is asked yet. One made again by decision and taken away once more is asked about anew."""
    made_again = {"state": Conflict.State.DECIDED, "choices": {FIELD["column"]: OVERWRITE}, "run__lt": phase.run_id}
    known = {REMOVED: pending, GONE: pending.exclude(**made_again)}
    unknown = [Q(code=code) & ~Q(row_id__in=asked.values("row_id")) for code, asked in known.items()]
    return LedgerEntry.objects.filter(reduce(or_, unknown), phase=phase, row_id__isnull=False)


def _conflict(phase: Phase, entry: LedgerEntry) -> Conflict:
    return Conflict(
        environment_id=phase.run.environment_id,
        run=phase.run,
        object_name=phase.object_name,
        source_id=entry.source_id,
        table=phase.table,
        kind=phase.kind,
        row_id=UUID(str(entry.row_id)),
        fields=[dict(FIELD)],
    )
