"""Staged rows judged, many at once: which the service would refuse and why, and which wait for another row."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from uuid import UUID

import orjson

from connectors import store
from connectors.dataverse.files import NAME, TABLES, TYPE
from connectors.files import size_of
from loads import staged
from loads.delta import conflicts, late, unlinked
from loads.delta.models import Conflict
from loads.desk.reruns import Scope
from loads.endings import CLOSINGS
from loads.messages import message_of
from loads.messaging import NOTHING
from loads.models import Phase, Run
from loads.rehearsal.bodies import Bodies, Reference
from loads.rehearsal.snapshot import OVERRIDE_CREATED, Row, Snapshot
from loads.rehearsal.taken import taken
from loads.rehearsal.values import ARGUMENT, Fault
from loads.staged import StagedRow
from loads.verification import BIND

MISSING, OWNER_DISABLED, NO_PRIVILEGE, OTHER_CURRENCY = "0x80040217", "0x8004022b", "0x80040220", "0x80048cf6"
VERSION, WRONG_MEMBER, LIST_LOCKED = "0x80060882", "0x80040301", "0x80040302"
NOT_LOADED, EDITED = "parent.not_loaded", "conflict.edited"
OWNER_FAULTS = {
    "missing": (MISSING, "there is no such owner"),
    "disabled": (OWNER_DISABLED, "the owner is disabled"),
    "access_team": (ARGUMENT, "an access team owns nothing"),
    "unread": (NO_PRIVILEGE, "the owner may not read such rows"),
}
MEMBERS = {1: "account", 2: "contact", 4: "lead"}  # createdfromcode -> what a list takes
KEPT = "kept"
SMALL = ("pricelevel", "list")  # tables of ours of whose rows more is asked than that they are there
LINK = ("row_id", "source_id", "position", "role", "action", "values", "parents", "etag")
Faults = dict[str, list[Fault]]  # by row id


@dataclass(slots=True)
class Judged:
    """What is expected of one row. outcome: refused, waiting, kept where a re-run doesn't send it, or '' where it will be written."""

    outcome: str = ""
    faults: list[Fault] = field(default_factory=list)
    remarks: list[Fault] = field(default_factory=list)


class Judge:
    """Judges a run's rows in load order. absent: ids of rows that won't be written, added to as rows are judged."""

    def __init__(self, run: Run, snapshot: Snapshot, absent: set[str]) -> None:
        """Nothing is read before it is needed."""
        self.run, self.snapshot, self.absent, self.scope = run, snapshot, absent, Scope(run)
        self._bodies: dict[tuple[str, bool], Bodies] = {}
        self._phase = 0
        self._taken: dict[str, Fault] = {}
        self._rights: dict[tuple[str, str], Fault | None] = {}
        self._small: dict[str, dict[str, Mapping[str, Any]]] = {}
        self._linked_before: dict[int, bool] = {}

    def judge(self, phase: Phase, rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[Mapping[str, Any], Judged]]:
        """Each row with what is expected of it."""
        if phase.kind == Phase.Kind.ROWS and phase.pk != self._phase:
            self._phase = phase.pk
            self._taken = taken(phase)
        sent = [row for row in rows if row["values"] is not None and row["action"] != "conflict"]
        left = self.scope.left(phase, ((row["row_id"], row["source_id"], row["action"]) for row in rows))
        found = KINDS[phase.kind](self, phase, sent) if sent else {}
        if phase.kind in late.KINDS:
            for row_id in self._left_to_others(phase, [row["row_id"] for row in sent]):
                found[row_id] = [Fault(EDITED), *found.get(row_id, [])]
        for row in rows:
            judged = self._judged(phase, row, found.get(row["row_id"], []), left.get(row["row_id"]))
            if judged.outcome:
                self.absent.add(row["row_id"])
            yield row, judged

    def _judged(self, phase: Phase, row: Mapping[str, Any], faults: list[Fault], left: tuple[str, Mapping[str, Any]] | None) -> Judged:
        needed = row["parents"] if phase.kind == Phase.Kind.ROWS else (*row["parents"], f"{phase.table}:{row['row_id']}")
        blocking = next((parent for parent in needed if parent.partition(":")[2] in self.absent), None)
        if blocking:
            return Judged("waiting", [Fault(NOT_LOADED, "", blocking)])
        if left:
            return Judged(KEPT, [Fault(left[1]["code"])])
        if row["values"] is None:
            return Judged()
        if row["action"] == "conflict":
            return Judged("refused", [Fault(EDITED)])
        remarks = list(self.bodies(phase.table, row["action"] == "create").remarks(row["values"])) if phase.kind == Phase.Kind.ROWS else []
        return Judged("refused" if faults else "", faults, remarks)

    def bodies(self, table: str, create: bool) -> Bodies:
        """The checks of a table's bodies."""
        if (table, create) not in self._bodies:
            self._bodies[table, create] = Bodies(self.snapshot.table(table), create=create, sets=self.snapshot.sets)
        return self._bodies[table, create]

    def rows(self, phase: Phase, rows: Sequence[Mapping[str, Any]]) -> Faults:
        """Rows that are created or updated."""
        found: Faults = {row["row_id"]: self._of_body(phase, row) for row in rows}
        self._versions(phase, [row for row in rows if row["action"] == "update"], found)
        self._references(phase, rows, found)
        for row in rows:
            if row["row_id"] in self._taken:
                found[row["row_id"]].append(self._taken[row["row_id"]])
        return found

    def _of_body(self, phase: Phase, row: Mapping[str, Any]) -> list[Fault]:
        create = row["action"] == "create"
        faults = self.bodies(phase.table, create).faults(row["values"])
        lacking = self._right(phase.table, "Create" if create else "Write")
        if lacking is None and create and row["values"].get("overriddencreatedon") and OVERRIDE_CREATED not in self.snapshot.privileges:
            lacking = Fault(NO_PRIVILEGE, "overriddencreatedon", OVERRIDE_CREATED)
        faults += self._of_file(phase.table, row["values"]) if create else []
        return [lacking, *faults] if lacking else faults

    def _of_file(self, table: str, body: Mapping[str, Any]) -> list[Fault]:
        """What the organisation takes of files may have changed since staging."""
        file = body.get(TABLES[table].content) if table in TABLES else None
        fault = self.snapshot.file_rules.fault(str(body.get(NAME)), str(body.get(TYPE)), size_of(file)) if file else None
        return [Fault(fault[0], TABLES[table].content, fault[1])] if fault else []

    def _right(self, table: str, right: str) -> Fault | None:
        if (table, right) not in self._rights:
            lacks = self.snapshot.lacks(table, right)
            self._rights[table, right] = Fault(NO_PRIVILEGE, "", f"the application user may not {right.lower()}") if lacks else None
        return self._rights[table, right]

    def _versions(self, phase: Phase, rows: Sequence[Mapping[str, Any]], found: Faults) -> None:
        """Rows that went, or that somebody changed, since staging read them."""
        if rows:
            now = self.snapshot.versions(self.snapshot.table(phase.table), [row["row_id"] for row in rows])
            for row in rows:
                if row["row_id"] not in now:
                    found[row["row_id"]].append(Fault(MISSING, "", "the row isn't there any more"))
                elif row["etag"] and row["etag"] != now[row["row_id"]]:
                    found[row["row_id"]].append(Fault(VERSION, "", "somebody changed the row"))

    def _references(self, phase: Phase, rows: Sequence[Mapping[str, Any]], found: Faults) -> None:
        of = {row["row_id"]: list(self.bodies(phase.table, row["action"] == "create").references(row["values"])) for row in rows}
        there = self._there(phase, [one for references in of.values() for one in references])
        names = self.snapshot.names
        for row in rows:
            for reference in of[row["row_id"]]:
                target = names.get(reference.entity_set, ("", ""))[0]
                if reference.owner:
                    fault = self._owner(target, reference, phase.table)
                else:
                    missing = reference.row_id not in there.get(target, {}) or reference.row_id in self.absent
                    fault = Fault(MISSING, reference.column, f"no such row of {target}") if missing else None
                if fault:
                    found[row["row_id"]].append(fault)
            if fault := self._currency(row["values"], there):
                found[row["row_id"]].append(fault)

    def _there(self, phase: Phase, references: Iterable[Reference]) -> dict[str, dict[str, Row]]:
        """Table -> the rows referred to that are there or come with this load, by id. Owners are looked up apart."""
        wanted: dict[str, set[str]] = {}
        for one in references:
            wanted.setdefault(self.snapshot.names.get(one.entity_set, ("", ""))[0], set()).add(one.row_id)
        self.snapshot.know_owners((table, row_id) for table in ("systemuser", "team") for row_id in wanted.get(table, ()))
        found: dict[str, dict[str, Row]] = {}
        for table, ids in wanted.items():
            if not table:
                continue
            ours = self._ours(table, ids)
            found[table] = {**ours, **self.snapshot.rows(table, ids - ours.keys())}
        return found

    def _ours(self, table: str, ids: set[str]) -> dict[str, Row]:
        """Of these rows those that this load creates, with what is asked of a few of them."""
        if table in SMALL:
            return {row_id: row for row_id, row in self._small_rows(table).items() if row_id in ids}
        return {row_id: {} for row_id in self._staged(table, ids, ("create",))}

    def _staged(self, table: str, ids: set[str], actions: Sequence[str]) -> set[str]:
        """Those of the rows of a table with which this load does one of these."""
        if not (paths := self._paths(table)):
            return set()
        with store.reader() as con:
            query = "SELECT row_id FROM read_parquet(?) WHERE action IN (SELECT unnest(?)) AND row_id IN (SELECT unnest(?))"
            return {row_id for (row_id,) in con.execute(query, [paths, list(actions), list(ids)]).fetchall()}

    def _paths(self, table: str) -> list[str]:
        return [str(path) for phase in self._phases_of(table) for path in staged.rows_of(phase)]

    def _phases_of(self, table: str) -> list[Phase]:
        return [phase for phase in self._phases_of_rows if phase.table == table]

    @cached_property
    def _phases_of_rows(self) -> list[Phase]:
        phases = list(self.run.phases.filter(kind=Phase.Kind.ROWS))
        for phase in phases:
            phase.run = self.run
        return phases

    def _small_rows(self, table: str) -> Mapping[str, Row]:
        if table not in self._small:
            read = list[tuple[str, bytes]]()
            if paths := self._paths(table):
                with store.reader() as con:
                    read = con.execute("SELECT row_id, \"values\" FROM read_parquet(?) WHERE action = 'create'", [paths]).fetchall()
            self._small[table] = {row_id: _read_form(orjson.loads(values)) for row_id, values in read}
        return self._small[table]

    def _owner(self, kind: str, reference: Reference, table: str) -> Fault | None:
        trouble = self.snapshot.owner_trouble(kind, reference.row_id, table)
        if not trouble:
            return None
        code, words = OWNER_FAULTS[trouble]
        return Fault(code, reference.column, f"{words}: {kind} {reference.row_id}")

    def _currency(self, body: Mapping[str, Any], there: Mapping[str, Mapping[str, Row]]) -> Fault | None:
        """A row in another currency than its price list."""
        prices, own = _id(body.get(f"pricelevelid{BIND}")), _id(body.get(f"transactioncurrencyid{BIND}"))
        theirs = there.get("pricelevel", {}).get(prices, {}).get("_transactioncurrencyid_value") if prices else None
        if not own or not theirs or own == str(theirs).lower():
            return None
        return Fault(OTHER_CURRENCY, "transactioncurrencyid", "the price list is in another currency")

    def states(self, phase: Phase, rows: Sequence[Mapping[str, Any]]) -> Faults:
        """States that are set."""
        lacking, bodies = self._right(phase.table, "Write"), self.bodies(phase.table, False)
        return {row["row_id"]: ([lacking] if lacking else []) + bodies.faults(row["values"]) for row in rows}

    def lookups(self, phase: Phase, rows: Sequence[Mapping[str, Any]]) -> Faults:
        """Lookups that are set."""
        bodies = [{**row, "values": dict(row["values"]["binds"].values())} for row in rows]
        found = self.states(phase, bodies)
        self._references(phase, bodies, found)
        return found

    def closings(self, phase: Phase, rows: Sequence[Mapping[str, Any]]) -> Faults:
        """Deals won or lost and orders fulfilled: the values go into the activity that closes them, and the reason must fit the state."""
        lacking, closing = self._right(phase.table, "Write"), CLOSINGS[phase.table]
        deals, closes = self.bodies(phase.table, False), self.bodies(closing.activity, True)
        found: Faults = {}
        for row in rows:
            ending = closing.ending(row["values"])
            faults = closes.values({name: row["values"][name] for name in closing.values})
            found[row["row_id"]] = list(filter(None, (lacking, *faults, deals.misfit(ending.state, ending.status))))
        return found

    def _left_to_others(self, phase: Phase, row_ids: Sequence[str]) -> set[str]:
        """Rows that a late phase leaves to whoever edited them, as far as it is known: about which somebody is asked since an earlier run.

        Without a decision they are left again, unless this load writes them and so is the last to change them. Which others people edited
        since, a read of every row would tell. The phase reads each just before it changes it: reading them here too would double its
        requests, and be outdated by then.
        """
        asked = conflicts.of(phase).filter(state=Conflict.State.OPEN, row_id__in=list(map(UUID, row_ids)))
        ids = {str(row_id) for row_id in asked.values_list("row_id", flat=True)}
        return ids - self._staged(phase.table, ids, ("create", "update")) if ids else ids

    def publishings(self, phase: Phase, rows: Sequence[Mapping[str, Any]]) -> Faults:
        """Products published."""
        lacking = self._right(phase.table, "Write")
        return {row["row_id"]: [lacking] for row in rows} if lacking else {}

    def members(self, phase: Phase, rows: Sequence[Mapping[str, Any]]) -> Faults:
        """Members put on lists or taken from them: of the list's type, and the list open."""
        wanted = {row["values"]["list"] for row in rows}
        ours = self._ours("list", wanted)
        lists = {**ours, **self.snapshot.rows("list", wanted - ours.keys())}
        found: Faults = {}
        for row in rows:
            of_list = lists.get(row["values"]["list"])
            if of_list is None:
                found[row["row_id"]] = [Fault(MISSING, "listid", "no such list")]
            elif of_list.get("lockstatus"):
                found[row["row_id"]] = [Fault(LIST_LOCKED, "listid", "the list is locked")]
            elif MEMBERS.get(of_list.get("createdfromcode") or 0) != row["values"]["table"]:
                found[row["row_id"]] = [Fault(WRONG_MEMBER, "entityid", "the list takes another type of member")]
        return found | self.links(phase, rows)

    def links(self, phase: Phase, rows: Sequence[Mapping[str, Any]]) -> Faults:
        """Rows linked, members of lists, lists tied to campaigns: what an earlier run made and somebody took away stays away."""
        if not self._may_be_unlinked(phase):
            return {}
        message, links = message_of(phase, self.snapshot.destination, decided=NOTHING), [_link(row) for row in rows]
        there = message.present(links)
        barred = message.barred([link for link in links if link.row_id not in there])
        return {row_id: [Fault(code)] for row_id, code in barred.items()}

    def _may_be_unlinked(self, phase: Phase) -> bool:
        if phase.pk not in self._linked_before:
            self._linked_before[phase.pk] = unlinked.were_made(self.run, phase.table, phase.kind)
        return self._linked_before[phase.pk]


KINDS: Mapping[str, Callable[[Judge, Phase, Sequence[Mapping[str, Any]]], Faults]] = {
    Phase.Kind.ROWS: Judge.rows,
    Phase.Kind.STATES: Judge.states,
    Phase.Kind.LOOKUPS: Judge.lookups,
    Phase.Kind.GONE: Judge.states,
    Phase.Kind.CLOSE: Judge.closings,
    Phase.Kind.PUBLISH: Judge.publishings,
    Phase.Kind.MEMBERS: Judge.members,
    Phase.Kind.LEFT: Judge.members,
    Phase.Kind.LINKS: Judge.links,
    Phase.Kind.TIES: Judge.links,
}


def _link(row: Mapping[str, Any]) -> StagedRow:
    """A staged link as messages take it: without what is said of rows only."""
    return StagedRow(**{**staged.UNREAD, "main_table": "", "origin": "", **{name: row[name] for name in LINK}})


def _id(bound: Any) -> str:
    return bound.rpartition("(")[2].rstrip(")").lower() if isinstance(bound, str) else ""


def _read_form(body: Mapping[str, Any]) -> dict[str, Any]:
    """A staged body with its lookups as they are read."""
    bound = {f"_{key.removesuffix(BIND)}_value": _id(value) for key, value in body.items() if key.endswith(BIND)}
    return {**body, **bound}
