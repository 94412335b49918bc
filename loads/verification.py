"""Reading back: what stands at the destination against what was meant, value by value, by the column's type."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from connectors.dataverse.client import Client
from connectors.dataverse.metadata import Column, Table
from loads import bindings, staged
from loads.destination import Destination
from loads.models import LedgerEntry, Phase, VerifiedRow
from loads.staged import StagedRow

BIND = "@odata.bind"
# A create-only column that the service moves: the moment given ends up in createdon.
MOVED = {"overriddencreatedon": "createdon"}


def meant(table: Table, values: Mapping[str, Any]) -> dict[str, Any]:
    """Read form of a body: column (or `_column_value`) -> what should be found there."""
    lookups = {navigation: column.name for column in table.columns.values() for navigation in column.navigation.values()}
    found: dict[str, Any] = {}
    for key, value in values.items():
        if key.endswith(BIND):
            found[f"_{lookups[key.removesuffix(BIND)]}_value"] = value.rpartition("(")[2].rstrip(")").lower()
        else:
            found[MOVED.get(key, key)] = value
    return found


def same(column: Column | None, wanted: Any, found: Any) -> bool:
    """Whether a value read back is the value that was sent, by the column's type."""
    if wanted is None or found is None:
        return wanted in (None, "") and found in (None, "")
    compare = COMPARE.get(column.kind if column else "", _plain)
    return compare(column, wanted, found)


def _plain(column: Column | None, wanted: Any, found: Any) -> bool:
    return type(wanted) is type(found) and wanted == found


def _number(column: Column | None, wanted: Any, found: Any) -> bool:
    digits = column.precision if column and column.precision is not None else 10
    return abs(Decimal(str(wanted)) - Decimal(str(found))) <= Decimal(10) ** -digits / 2


def _text(column: Column | None, wanted: Any, found: Any) -> bool:
    return str(wanted).replace("\r\n", "\n") == str(found).replace("\r\n", "\n")


def _moment(column: Column | None, wanted: Any, found: Any) -> bool:
    if str(wanted) == str(found):
        return True
    try:
        return _utc(str(wanted)) == _utc(str(found))
    except ValueError:
        return False


def _utc(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _id(column: Column | None, wanted: Any, found: Any) -> bool:
    return str(wanted).lower() == str(found).lower()


COMPARE: Mapping[str, Callable[[Column | None, Any, Any], bool]] = {
    "Decimal": _number,
    "Double": _number,
    "Money": _number,
    "String": _text,
    "Memo": _text,
    "DateTime": _moment,
    "Lookup": _id,
    "Customer": _id,
    "Owner": _id,
    "Uniqueidentifier": _id,
}


def _column(table: Table, key: str) -> Column | None:
    return table.columns.get(key.removeprefix("_").removesuffix("_value") if key.startswith("_") else key)


def differing(
    client: Client, table: Table, rows: Sequence[StagedRow], stamp: Mapping[str, Any]
) -> Iterator[tuple[StagedRow, dict[str, Any]]]:
    """Each row with the columns that differ from what was meant (key -> found); all of them where the row is missing."""
    wanted = {row.row_id: meant(table, {**row.values, **stamp}) for row in rows}
    select = sorted({key for values in wanted.values() for key in values})
    found = {row[table.primary_id].lower(): row for row in client.retrieve(table.entity_set, table.primary_id, list(wanted), select)}
    for row in rows:
        there = found.get(row.row_id)
        values = wanted[row.row_id]
        yield row, values if there is None else {k: there.get(k) for k, v in values.items() if not same(_column(table, k), v, there.get(k))}


def verify_sample(phase: Phase, destination: Destination, stamp: Mapping[str, Any]) -> int:
    """Read the phase's sample rows back and keep the field diff of each; returns how many are wrong."""
    table = destination.table(phase.table)
    refused = set(LedgerEntry.objects.filter(phase=phase).exclude(row_id=None).values_list("row_id", flat=True))
    rows = [row for row in _samples(phase) if UUID(row.row_id) not in refused]
    read_back = differing(destination.client, table, rows, stamp) if rows else ()
    verified = [_verified(phase, table, row, found, stamp) for row, found in read_back]
    VerifiedRow.objects.filter(phase=phase).delete()
    VerifiedRow.objects.bulk_create(verified, batch_size=200)
    return sum(row.verdict == "wrong" for row in verified)


def _samples(phase: Phase) -> Iterable[StagedRow]:
    bound = bindings.late(phase.run.environment)
    return (row for row in staged.read(staged.rows_of(phase), samples=True, late=bound) if row.action != "equal")


def _verified(phase: Phase, table: Table, row: StagedRow, found: Mapping[str, Any], stamp: Mapping[str, Any]) -> VerifiedRow:
    fields = [_field(row, key, value, found) for key, value in meant(table, {**row.values, **stamp}).items()]
    verdicts = {field["verdict"] for field in fields}
    verdict = next(word for word in ("wrong", "lossy", "equal") if word in verdicts or word == "equal")
    return VerifiedRow(run_id=phase.run_id, phase=phase, source_id=row.source_id, row_id=UUID(row.row_id), verdict=verdict, fields=fields)


def _field(row: StagedRow, key: str, wanted: Any, found: Mapping[str, Any]) -> dict[str, Any]:
    column = key.removeprefix("_").removesuffix("_value") if key.startswith("_") else key
    verdict = "wrong" if key in found else "lossy" if column in row.lossy else "equal"
    return {
        "column": column,
        "source": (row.sample or {}).get(column),
        "meant": wanted,
        "found": found.get(key, wanted),
        "verdict": verdict,
    }
