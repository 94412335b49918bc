"""Rows that an alternate key, or a rule like one, keeps out: another row at the destination or in the load has the same values."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from connectors import store
from connectors.dataverse.metadata import Table
from loads import staged
from loads.models import Phase, Run
from loads.rehearsal.snapshot import Snapshot
from loads.rehearsal.values import Fault
from loads.scans.reading import Wanted, files, forget, is_read
from loads.verification import BIND

KEY_TAKEN = "0x80060892"
SCANS = "keys-"  # what the names of its scans begin with
# Unique without a key of their own. Source: web-service-error-codes (ProductProductNumberExists, ProductPriceLevel duplicates).
UNIQUE: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "product": ("0x80043b06", ("productnumber",)),
    "productpricelevel": ("0x80043b08", ("pricelevelid", "productid", "uomid")),
}
TAKEN = pa.schema([("row_id", pa.string()), ("code", pa.string()), ("column", pa.string()), ("detail", pa.string())])


@dataclass(frozen=True, slots=True)
class Key:
    """Columns that are unique together in a phase's table. name: of the alternate key, '' where it is a rule; number: among the table's."""

    phase: Phase
    number: int
    code: str
    name: str
    columns: tuple[str, ...]

    @property
    def fault(self) -> Fault:
        """Of a row whose key is taken."""
        columns = ", ".join(self.columns)
        return Fault(self.code, self.columns[0] if len(self.columns) == 1 else "", f"{self.name}: {columns}" if self.name else columns)

    @property
    def scan(self) -> str:
        """What the destination's rows are read for."""
        return f"{SCANS}{self.phase.pk}-{self.number}"

    @property
    def ours(self) -> Path:
        """The file of what the phase's own rows have in these columns."""
        return staged.folder(self.phase.run) / f"taken.{self.phase.number:05d}.{self.number}.ours.parquet"


def _file(phase: Phase) -> Path:
    return staged.folder(phase.run) / f"taken.{phase.number:05d}.parquet"


def begin(run: Run) -> None:
    """Forget what was found of a run."""
    for path in staged.folder(run).glob("taken.*"):
        path.unlink(missing_ok=True)
    if asked := list(run.scans.filter(name__startswith=SCANS).values_list("name", flat=True)):
        forget(run, *asked)


def look_up(phase: Phase, snapshot: Snapshot, late: Mapping[str, str]) -> bool:
    """Find the rows whose key is taken, for `taken`; False where the destination's keys must be read before: that is offered to workers.

    Of several staged rows with one key the first is let through. Set-based. late: bindings that a run makes itself, name -> row id.
    """
    if _file(phase).exists():
        return True
    table = snapshot.table(phase.table)
    keys = [key for key in _keys(phase, table, snapshot) if _in_use(key, table, late)]
    if not all([is_read(phase.run, _wanted(key, table)) for key in keys]):  # each is offered
        return False
    found: dict[str, Fault] = {}
    for key in keys:
        for row_id in _clashing(key):
            found.setdefault(row_id, key.fault)
    with store.ParquetFile(_file(phase), TAKEN) as file:
        for row_id, fault in found.items():
            file.add(row_id, fault.code, fault.column, fault.detail)
    for key in keys:
        forget(phase.run, key.scan)
        key.ours.unlink(missing_ok=True)
    return True


def taken(phase: Phase) -> dict[str, Fault]:
    """Row id -> why, of rows whose key is taken, once they were looked up."""
    return {row["row_id"]: Fault(row["code"], row["column"], row["detail"]) for row in store.read_rows(_file(phase))}


def _keys(phase: Phase, table: Table, snapshot: Snapshot) -> Iterator[Key]:
    """Those whose columns the table has, of a phase that has rows."""
    wanted = [(KEY_TAKEN, name, columns) for name, columns in snapshot.keys(table.name)]
    if table.name in UNIQUE:
        code, columns = UNIQUE[table.name]
        wanted.append((code, "", columns))
    for number, (code, name, columns) in enumerate(wanted):
        if all(column in table.columns for column in columns) and staged.rows_of(phase):
            yield Key(phase, number, code, name, columns)


def _in_use(key: Key, table: Table, late: Mapping[str, str]) -> bool:
    """Whether any row of the phase has values in all the columns; they are kept in its file."""
    if not key.ours.exists():
        body = 'decode("values")'
        for name, row_id in late.items():
            body = f"replace({body}, '(@{name})', '({row_id})')"
        texts = ", ".join(_text_of(table, column) for column in key.columns)
        rows = f"SELECT row_id, \"position\", {body} AS body FROM read_parquet(?) WHERE action IN ('create', 'update')"  # noqa: S608 - our names
        ours = f'SELECT lower(row_id) AS row_id, "position" AS place, list_value({texts}) AS keys FROM ({rows})'  # noqa: S608 - from metadata
        with store.database() as con:
            con.execute(f"CREATE TABLE ours AS {ours}", [[str(path) for path in staged.rows_of(key.phase)]])
            store.copy(con, "SELECT * FROM ours WHERE len(list_filter(keys, lambda one: one IS NULL)) = 0", key.ours)
    return store.row_count(key.ours) > 0


def _wanted(key: Key, table: Table) -> Wanted:
    names = [f"_{column}_value" if table.columns[column].navigation else column for column in key.columns]
    return Wanted(key.scan, table.name, names, "keys")


def _clashing(key: Key) -> Iterator[str]:
    with store.reader() as con:
        cursor = con.execute(
            """WITH ours AS (SELECT * FROM read_parquet($ours))
               SELECT row_id FROM ours QUALIFY row_number() OVER (PARTITION BY keys ORDER BY place) > 1
               UNION SELECT o.row_id FROM ours o JOIN read_parquet($theirs) t USING (keys) WHERE t.row_id <> o.row_id""",
            {"ours": str(key.ours), "theirs": files(key.phase.run, key.scan)},
        )
        while batch := cursor.fetchmany(2_000):
            yield from (row_id for (row_id,) in batch)


def _text_of(table: Table, column: str) -> str:
    """SQL of a key column's value in a staged body, as compared text; case counts for nothing, as at the service."""
    navigations = dict.fromkeys(table.columns[column].navigation.values())
    if not navigations:
        return f"lower(nullif(json_extract_string(body, '$.\"{column}\"'), ''))"
    bound = (f"json_extract_string(body, '$.\"{name}{BIND}\"')" for name in navigations)
    return f"nullif(regexp_extract(lower(coalesce({', '.join(bound)})), '\\(([^)]+)\\)', 1), '')"
