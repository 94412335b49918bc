"""Which rows of a load stay and which go, as a rollback's plan has it and as it really came."""

from collections.abc import Collection, Iterator, Mapping, Sequence

import orjson

from connectors import store
from loads import staged
from loads.models import LedgerEntry, Phase, Run
from loads.rollback.hanging import Child
from loads.rollback.verdicts import KEEP, REMOVE, RESTORE

ROWS, LOOKUPS = Phase.Kind.ROWS.value, Phase.Kind.LOOKUPS.value
# (table, row id) of a kept row -> the rows that it looks up to; a kept row keeps them, or it would lose what it says of them.
_POINTING = """
    SELECT DISTINCT p, r.row_id, r.filename FROM read_parquet($loaded, filename = true) r, unnest(r.parents) AS u(p)
    WHERE p IN (SELECT unnest($wanted)) AND r.row_id IN (SELECT row_id FROM kept)
"""


class Planned:
    """By the plan so far: the phases that are carried out before this one are planned."""

    is_last_look = False

    def __init__(self, run: Run, phase: Phase, todo: Sequence[Phase]) -> None:
        """run: the rollback. phase: the load's that is being planned. todo: all phases of the load that are taken back, in that order."""
        self.run, self.phase, self._tables = run, phase, _tables(run.load)
        self._later = {one.table for one in todo[todo.index(phase) :] if one.kind == ROWS}
        self._moved = {one.table for one in todo if one.kind == LOOKUPS}

    def leaving(self, children: Sequence[Child]) -> set[str]:
        """Rows of this phase, and of later ones where lookups lead in a circle, aren't planned yet: when the row is removed they are."""
        asked = {child.row_id: child for child in children if child.mark is not None or child.table in self._moved}
        planned, gone = set[str](), set[str]()
        for row_id, action, before in planned_rows(_files(self.run, ROWS, LOOKUPS), asked):
            planned.add(row_id)
            held = orjson.loads(before).get(asked[row_id].column, asked[row_id].parent) if action == RESTORE else None
            if action == REMOVE or (action == RESTORE and held != asked[row_id].parent):
                gone.add(row_id)
        later = (child for child in children if child.table in self._later and child.mark == self.run.load.key)
        return gone | {child.row_id for child in later if child.row_id not in planned}

    def pointing(self, ids: Sequence[str]) -> Iterator[tuple[str, str, str]]:
        """Of the rows that the plan keeps."""
        paths = _files(self.run, ROWS)
        if paths:
            kept = "CREATE TABLE kept AS SELECT row_id FROM read_parquet($paths) WHERE action = $action"
            yield from _pointing(self._tables, self.phase.table, ids, kept, {"paths": paths, "action": KEEP})


class Carried:
    """By what came of it: all rows that were to go before this phase are gone, or were kept. Asks the database when it is made only.

    Where lookups lead in a circle, rows that hang under this phase's or look up to them may be of phases that come later.
    """

    is_last_look = True

    def __init__(self, phase: Phase) -> None:
        """phase: the rollback's that is carried out."""
        self.run, self.phase, self._tables = phase.run, phase, _tables(phase.run.load)
        entries = LedgerEntry.objects.filter(run=self.run, phase__kind=ROWS, row_id__isnull=False).values_list("row_id", flat=True)
        self._kept = {str(row_id) for row_id in entries.iterator(chunk_size=2_000)}
        later = list(self.run.phases.filter(kind=ROWS, number__gte=phase.number))
        self._tables_left, self._paths = {one.table for one in later}, _paths(self.run, later)
        self._kept |= _kept(_paths(self.run, [one for one in later if one.outlook.get(KEEP)]))

    def leaving(self, children: Sequence[Child]) -> set[str]:
        """Rows that this phase and later ones remove, too; all others that were to go are gone by now."""
        planned = planned_rows(self._paths, [child.row_id for child in children if child.table in self._tables_left])
        return {row_id for row_id, action, _ in planned if action == REMOVE} - self._kept

    def pointing(self, ids: Sequence[str]) -> Iterator[tuple[str, str, str]]:
        """Of the rows that were kept, that the service didn't let go, or that are to be kept."""
        if self._kept:
            made = "CREATE TABLE kept AS SELECT unnest($kept) AS row_id"
            yield from _pointing(self._tables, self.phase.table, ids, made, {"kept": list(self._kept)})


def _pointing(
    tables: Mapping[str, str], table: str, ids: Sequence[str], kept: str, names: dict[str, object]
) -> Iterator[tuple[str, str, str]]:
    if not (tables and ids):
        return
    with store.database() as con:
        con.execute(kept, names)
        if not con.execute("SELECT count(*) FROM kept").fetchall()[0][0]:
            return
        wanted = [f"{table}:{row_id}" for row_id in ids]
        for parent, row_id, path in con.execute(_POINTING, {"loaded": list(tables), "wanted": wanted}).fetchall():
            yield parent.partition(":")[2], tables[path], row_id


def _tables(load: Run) -> dict[str, str]:
    """Each file of a load's rows -> the table that they are of."""
    found: dict[str, str] = {}
    for phase in load.phases.filter(kind__in=(ROWS, LOOKUPS)).exclude(table=""):
        phase.run = load
        found |= {str(path): phase.table for path in staged.rows_of(phase)}
    return found


def _files(run: Run, *kinds: str) -> list[str]:
    """The files of a rollback's plan for phases of these kinds."""
    return [str(path) for kind in kinds for path in staged.folder(run).glob(f"*-{kind}.*.parquet")]


def _paths(run: Run, phases: Sequence[Phase]) -> list[str]:
    """The files of a rollback's plan for phases of it."""
    for phase in phases:
        phase.run = run
    return [str(path) for phase in phases for path in staged.rows_of(phase)]


def _kept(paths: Sequence[str]) -> set[str]:
    """Rows that are to be kept by files of a rollback's plan."""
    if not paths:
        return set()
    with store.reader() as con:
        return {row_id for (row_id,) in con.execute("SELECT row_id FROM read_parquet(?) WHERE action = ?", [paths, KEEP]).fetchall()}


def planned_rows(paths: Sequence[str], ids: Collection[str]) -> Iterator[tuple[str, str, bytes]]:
    """(row id, action, before) of rows among these that files of a rollback's plan have."""
    if not (paths and ids):
        return
    with store.reader() as con:
        query = "SELECT row_id, action, before FROM read_parquet(?) WHERE row_id IN (SELECT unnest(?))"
        yield from con.execute(query, [paths, list(ids)]).fetchall()
