"""Links of ours that somebody took away: members of lists, lists tied to campaigns, rows linked. They stay away unless somebody decides so.

A link has no row of its own whose version or editor could be read. It was taken away where an earlier run left it at the destination, it
isn't there, and neither a rollback nor the service took it, as it does with a row that goes.
"""

from collections.abc import Iterator, Sequence
from functools import reduce
from operator import or_
from pathlib import Path
from uuid import UUID

import pyarrow as pa
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
        known = _choices(run.environment, table, kind, {*removed, *removed.values()}) if removed else {}
    choices = {row_id: known.get(row_id) or known.get(was) for row_id, was in removed.items()}
    return {row_id: STAYS if choice == KEEP else REMOVED for row_id, choice in choices.items() if choice != OVERWRITE}


def were_made(run: Run, table: str, kind: str) -> bool:
    """Whether an earlier run had to do with such links, so that somebody may have taken some away."""
    return next(_earlier(run, table, kind), None) is not None


def _removed(run: Run, table: str, kind: str, rows: Sequence[StagedRow]) -> dict[str, str]:
    """Those that the newest of the earlier runs that had to do with them left at the destination, and whose ends are what they were.

    Each with the row id that it had then.
    """
    removed = dict[str, str]()
    for phase, of_phase in _last(run, table, kind, [row.row_id for row in rows]):
        if phase.kind == kind:
            taken_back = _taken_back(phase, set(of_phase.values()))
            removed |= {row_id: was for row_id, was in of_phase.items() if was not in taken_back}
    ends = {row.row_id: set(row.parents) for row in rows if row.row_id in removed}
    made = _made(run, {end for of_row in ends.values() for end in of_row})
    return {row_id: removed[row_id] for row_id, of_row in ends.items() if not of_row & made}


def _last(run: Run, table: str, kind: str, row_ids: Sequence[str]) -> Iterator[tuple[Phase, dict[str, str]]]:
    """The earlier phases that were the last to do with any of these links what they were to do.

    Each with those, row id -> the row id that it had then.
    """
    if (path := _history(run, table, kind)) is None:
        return
    with store.reader() as con:
        query = "SELECT phase, row_id, was FROM read_parquet(?) WHERE row_id IN (SELECT unnest(?))"
        known = con.execute(query, [str(path), list(row_ids)]).fetchall()
    found: dict[int, dict[str, str]] = {}
    for phase_id, row_id, was in known:
        found.setdefault(phase_id, {})[row_id] = was
    for phase in Phase.objects.filter(pk__in=found).select_related("run__engagement"):
        yield phase, found[phase.pk]


def _history(run: Run, table: str, kind: str) -> Path | None:
    """The file that says of each link of a run which earlier phase was the last to do with it what it was to do; None without such phases.

    A link is what it links: its id is of the record that names it, and another one of the same person's records may do so in a later run.
    The file is made once: what earlier runs staged is read whole, and stays what it is as long as this run goes on.
    """
    ours = list(run.phases.filter(table=table, kind=kind).select_related("run__engagement").order_by("pk"))
    path = staged.folder(run) / f"unlinked-{table}-{kind}-{'-'.join(str(phase.pk) for phase in ours)}.parquet"
    if path.exists():
        return path
    earlier, wanted = list(_earlier(run, table, kind)), [str(path) for phase in ours for path in staged.rows_of(phase)]
    if not (earlier and wanted):
        return None
    with store.database() as con:
        store.fill(con, "failed", FAILED, _failed(earlier))
        con.execute(f"CREATE TABLE ours AS SELECT DISTINCT row_id, {LINKED} AS linked FROM read_parquet(?)", [wanted])  # noqa: S608 - our own
        con.execute("CREATE TABLE history (row_id VARCHAR, phase BIGINT, was VARCHAR)")
        for phase in earlier:
            if paths := [str(path) for path in staged.rows_of(phase)]:
                con.execute(_DID, {"paths": paths, "phase": phase.pk})
                con.execute("DELETE FROM ours WHERE row_id IN (SELECT row_id FROM history)")
            if not con.execute("SELECT 1 FROM ours LIMIT 1").fetchone():
                break
        store.copy(con, "SELECT * FROM history", path)
    return path


FAILED = pa.schema([("row_id", pa.string()), ("phase", pa.int64())])
LINKED = 'md5_number(decode("values"))'
_DID = f"""
    INSERT INTO history
    SELECT o.row_id, $phase, min(r.row_id) FROM (SELECT row_id, {LINKED} AS linked FROM read_parquet($paths)) r JOIN ours o USING (linked)
    WHERE r.row_id NOT IN (SELECT row_id FROM failed WHERE phase = $phase) GROUP BY o.row_id
"""  # noqa: S608 - our own


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


def _failed(phases: Sequence[Phase]) -> Iterator[tuple[str, int]]:
    """Row id and phase of those of which a phase didn't do what it was to do."""
    entries = LedgerEntry.objects.filter(phase__in=phases, row_id__isnull=False).exclude(code__in=TAKEN)
    for row_id, phase in entries.values_list("row_id", "phase_id").iterator(chunk_size=2_000):
        yield str(row_id), phase


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
            with store.reader() as con:
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
    _follow(phase, pending)
    while some := list(_to_ask(phase, pending)[: conflicts.AT_ONCE]):  # about whom is asked is left out then
        conflicts.keep([_conflict(phase, entry) for entry in some])
    if phase.run.is_sample:  # what it leaves out isn't settled
        return
    settled = pending.exclude(row_id__in=LedgerEntry.objects.filter(phase=phase, row_id__isnull=False).values("row_id"))
    settled.filter(state=Conflict.State.DECIDED, choices={FIELD["column"]: OVERWRITE}).update(run=phase.run, state=Conflict.State.APPLIED)
    settled.update(state=Conflict.State.GONE)


def _follow(phase: Phase, pending: QuerySet[Conflict]) -> None:
    """Let what is asked or was decided about a link go with it to the id that it has by now."""
    left = LedgerEntry.objects.filter(phase=phase, code__in=(REMOVED, STAYS), row_id__isnull=False)
    unknown = left.exclude(row_id__in=pending.values("row_id")).values_list("row_id", "source_id").iterator(chunk_size=conflicts.AT_ONCE)
    for some in store.batched(unknown, conflicts.AT_ONCE):
        names = {str(row_id): source_id for row_id, source_id in some}
        for _, of_phase in _last(phase.run, phase.table, phase.kind, list(names)):
            for row_id, was in of_phase.items():
                if row_id != was and pending.filter(row_id=was).exists():
                    conflicts.of(phase).filter(row_id=row_id).delete()  # of an earlier time that it had this id
                    pending.filter(row_id=was).update(row_id=row_id, source_id=names[row_id])


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
