"""Rows that an alternate key, or a rule like one, keeps out: another row at the destination or in the load has the same values."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from connectors import store
from connectors.dataverse.metadata import Table
from loads import staged
from loads.models import Phase
from loads.rehearsal.snapshot import Snapshot
from loads.rehearsal.values import Fault
from loads.verification import BIND

KEY_TAKEN = "0x80060892"
# Unique without a key of their own. Source: web-service-error-codes (ProductProductNumberExists, ProductPriceLevel duplicates).
UNIQUE: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "product": ("0x80043b06", ("productnumber",)),
    "productpricelevel": ("0x80043b08", ("pricelevelid", "productid", "uomid")),
}


def taken(phase: Phase, table: Table, snapshot: Snapshot, late: Mapping[str, str]) -> dict[str, Fault]:
    """Row id -> why, of rows whose key is taken; of several staged rows with one key the first is let through. Set-based.

    late: bindings that a run makes itself, name -> row id.
    """
    found: dict[str, Fault] = {}
    wanted = [(KEY_TAKEN, name, columns) for name, columns in snapshot.keys(table.name)]
    if table.name in UNIQUE:
        code, columns = UNIQUE[table.name]
        wanted.append((code, "", columns))
    for code, name, columns in wanted:
        if all(column in table.columns for column in columns) and staged.rows_of(phase):
            detail = f"{name}: {', '.join(columns)}" if name else ", ".join(columns)
            for row_id in _clashing(phase, table, columns, snapshot, late):
                found.setdefault(row_id, Fault(code, columns[0] if len(columns) == 1 else "", detail))
    return found


def _clashing(phase: Phase, table: Table, columns: Sequence[str], snapshot: Snapshot, late: Mapping[str, str]) -> Iterator[str]:
    texts = [_text_of(table, column) for column in columns]
    paths = [str(path) for path in staged.rows_of(phase)]
    with store.database() as con:
        body = 'decode("values")'
        for name, row_id in late.items():
            body = f"replace({body}, '(@{name})', '({row_id})')"
        parts = ", ".join(f"{text} AS k{number}" for number, text in enumerate(texts))
        con.execute(
            f"""CREATE TABLE ours AS SELECT * FROM (SELECT lower(row_id) AS row_id, "position" AS place, {parts}
                FROM (SELECT row_id, "position", {body} AS body FROM read_parquet(?) WHERE action IN ('create', 'update')))
                WHERE {" AND ".join(f"k{number} IS NOT NULL" for number in range(len(columns)))}""",  # noqa: S608 - names from metadata
            [paths],
        )
        [(ours,)] = con.execute("SELECT count(*) FROM ours").fetchall()
        if not ours:
            return
        names = [f"k{number}" for number in range(len(columns))]
        schema = pa.schema([("row_id", pa.string()), *((name, pa.string()) for name in names)])
        store.fill(con, "theirs", schema, _theirs(table, columns, snapshot))
        key = ", ".join(names)
        cursor = con.execute(
            f"""SELECT row_id FROM ours QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY place) > 1
                UNION SELECT o.row_id FROM ours o JOIN theirs t USING ({key}) WHERE t.row_id <> o.row_id"""  # noqa: S608 - names of our own
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


def _theirs(table: Table, columns: Sequence[str], snapshot: Snapshot) -> Iterator[Sequence[str]]:
    names = [f"_{column}_value" if table.columns[column].navigation else column for column in columns]
    for row in snapshot.client.rows(table.entity_set, select=[table.primary_id, *names]):
        values = [row.get(name) for name in names]
        if not any(value in (None, "") for value in values):
            yield [row[table.primary_id].lower(), *map(_text, values)]


def _text(value: Any) -> str:
    return str(value).lower()
