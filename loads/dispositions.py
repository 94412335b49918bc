"""What became of a source record: one disposition with its reason, for anyone who asks by source id."""

from typing import Any

import orjson

from connectors.store import reader
from loads import crosswalk, staged
from loads.models import Crosswalk, LedgerEntry, Phase, Run
from loads.reasons import reason


def lookup(run: Run, object_name: str, source_id: str) -> list[dict[str, Any]]:
    """Every record of that id in the run: disposition, table, row id and reasons; empty where the run had none."""
    paths = [str(path) for path in staged.parts(run, object_name, staged.DISPOSITIONS_KIND)]
    if not paths:
        return []
    with reader() as con:
        found = con.execute(
            """SELECT position, source_id, disposition, main_table, "into", reasons
               FROM read_parquet(?) WHERE source_id = ? ORDER BY position""",
            [paths, source_id],
        ).fetchall()
    return [_told(run, object_name, row) for row in found]


def _told(run: Run, object_name: str, row: tuple) -> dict[str, Any]:
    position, source_id, disposition, table, into, reasons = row
    entry = LedgerEntry.objects.filter(run=run, object_name=object_name, position=position).exclude(row_id=None).first()
    told = {
        "position": position,
        "source_id": source_id,
        "disposition": disposition,
        "table": table,
        "into": into,
        "reasons": orjson.loads(reasons),
        "rows": _rows(run, object_name, position, source_id),
    }
    if disposition == "documented":  # the same of every record, so that it isn't written down with each
        told["reasons"] = [reason("object.documented_only")]
    if disposition == "planned":
        told["disposition"], against = _outcome(run, object_name, table, entry)
        told["reasons"] = against + told["reasons"]
    return told


def _rows(run: Run, object_name: str, position: int, source_id: str) -> list[dict[str, str]]:
    """The record's rows: table, row id, origin and state (of Crosswalk.State)."""
    if crosswalk.keeps(run, object_name):
        known = Crosswalk.objects.filter(environment=run.environment, object_name=object_name)
        kept = list(known.filter(source_id=source_id))
        # An alias shares its survivor's row, whose state is kept there.
        shared = known.filter(alias=False, row_id__in=[row.row_id for row in kept if row.alias])
        states = {(row.table, row.row_id): row.state for row in shared}
        return [
            {
                "table": row.table,
                "row_id": str(row.row_id),
                "origin": row.origin,
                "state": states.get((row.table, row.row_id), row.state),
            }
            for row in kept
        ]
    entries = LedgerEntry.objects.filter(run=run, object_name=object_name, position=position)
    absent = {str(row_id) for row_id in entries.values_list("row_id", flat=True)}
    found: list[dict[str, str]] = []
    for phase in run.phases.filter(object_name=object_name, kind=Phase.Kind.ROWS).exclude(table=""):
        there = phase.state == Phase.State.BALANCED
        staged_rows = staged.of_record(phase, position)
        gone = _removed(phase, [row["row_id"] for row in staged_rows]) if there else set()
        for row in staged_rows:
            state = Crosswalk.State.PRESENT if there and row["row_id"] not in absent else Crosswalk.State.PLANNED
            state = Crosswalk.State.REMOVED if row["row_id"] in gone else state
            found.append({"table": phase.table, "row_id": row["row_id"], "origin": row["origin"], "state": str(state)})
    return found


def _removed(phase: Phase, row_ids: list[str]) -> set[str]:
    """Those of a phase's rows that a rollback removed."""
    found: set[str] = set()
    for back in phase.taken_back_since():
        stays = {str(row_id) for row_id in LedgerEntry.objects.filter(phase=back, row_id__in=row_ids).values_list("row_id", flat=True)}
        found |= {row.row_id for row in staged.among(back, row_ids).values() if row.action == "remove"} - stays
    return found


def _outcome(run: Run, object_name: str, table: str, entry: LedgerEntry | None) -> tuple[str, list[dict[str, Any]]]:
    if entry is not None:
        of_record = entry.phase.kind in (Phase.Kind.ROWS, Phase.Kind.MEMBERS)  # what else is done with a row leaves it there
        rejected = not entry.held and of_record and entry.main_table == entry.phase.table
        return ("rejected" if rejected else "held"), entry.reasons
    phase = Phase.objects.filter(run=run, object_name=object_name, table=table).first()
    return ("loaded" if phase and phase.finished_at else "planned"), []
