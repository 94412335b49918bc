"""Files of the store without one person: rows that are theirs keep their place, and say nothing any more."""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from connectors import store

Row = dict[str, Any]
Change = Callable[[Row], Row | None]
# Columns that say where a row stands and what was done with it, never of whom it is.
STAYS = frozenset(
    {"action", "alias", "code", "codes", "column", "current", "disposition", "main_table", "number", "object", "origin", "outcome",
     "parents", "phase_id", "position", "role", "row", "row_id", "state", "table", "verdict"}
)  # fmt: skip
OF_RECORD, OF_PERSON = ("source_id", "into", "into_id"), ("email", "user_key", "user", "member")
JOURNAL = ("row_id", "before")
_ID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d(?:T[\d:.]+Z?)?")


@dataclass(frozen=True)
class Traces:
    """What is a person's in the files of a run. positions: object -> places of their records in its dataset; ids: the ids of these.

    names: the person's ids and addresses. companies: ids of companies that bear their name. row_ids: of rows that were staged for them.
    """

    positions: Mapping[str, Set[int]]
    ids: Mapping[str, Set[str]]
    names: Set[str]
    companies: Set[str]
    row_ids: Set[str]

    def rows_in(self, path: Path, object_name: str) -> set[int]:
        """The numbers of the rows of a file that are theirs. object_name: whose records the file is of, where the rows don't say so."""
        columns = columns_of(path)
        found = [(f'"{name}" IN (SELECT unnest(?))', sorted(values)) for name, values in self._by_text(object_name) if name in columns]
        if "position" in columns:
            found += [(f"({where} AND position IN (SELECT unnest(?)))", places) for where, places in self._by_place(object_name, columns)]
        if not found:
            return set()
        query = f"SELECT file_row_number FROM read_parquet(?, file_row_number = true) WHERE {' OR '.join(words for words, _ in found)}"  # noqa: S608
        with store.database() as con:
            return {number for (number,) in con.execute(query, [str(path), *(values for _, values in found)]).fetchall()}

    def _by_text(self, object_name: str) -> Iterator[tuple[str, Set[str]]]:
        """Columns with the texts in them that are the person's. An id tells only of records of its own object."""
        own = self.ids.get(object_name, frozenset())
        wanted = [
            ("row_id", self.row_ids),
            ("company", self.companies),
            *((name, own) for name in OF_RECORD),
            *((name, self.names) for name in OF_PERSON),
        ]
        return ((name, values) for name, values in wanted if values)

    def _by_place(self, object_name: str, columns: Sequence[str]) -> Iterator[tuple[str, list[Any]]]:
        """Which rows' places are meant, as SQL, and the places."""
        for name, places in self.positions.items():
            if "object" in columns:
                yield f"object = '{name}'", sorted(places)  # a name of the playbook
            elif name == object_name:
                yield "true", sorted(places)


def rewrite(path: Path, rows: Set[int], change: Change) -> int:
    """Let `change` make of each of these rows another one, or None for none; how many it changed. Memory holds one row group.

    rows: their numbers in the file. A file in which nothing changes stays as it is; another appears whole or not at all. Raises StoreFull,
    StoreUnwritable.
    """
    with pq.ParquetFile(path, pre_buffer=False) as file:
        places = list(_by_group(file, rows))
        changed = sum(
            _changed(file.read_row_group(number, use_threads=False), of_group, change)[1] for number, of_group in places if of_group
        )
        if not changed:
            return 0
        with store.unfinished(path) as part:
            with pq.ParquetWriter(part, file.schema_arrow, compression="zstd") as writer:
                for number, of_group in places:
                    writer.write_table(_changed(file.read_row_group(number, use_threads=False), of_group, change)[0])
            part.replace(path)
    return changed


def _by_group(file: pq.ParquetFile, rows: Set[int]) -> Iterator[tuple[int, list[int]]]:
    """Each row group with the places of the rows in it."""
    first, ordered = 0, sorted(rows)
    for number in range(file.num_row_groups):
        size = file.metadata.row_group(number).num_rows
        begin, end = bisect_left(ordered, first), bisect_left(ordered, first + size)
        yield number, [row - first for row in ordered[begin:end]]
        first += size


def _changed(table: pa.Table, places: Sequence[int], change: Change) -> tuple[pa.Table, int]:
    """A row group after the change, and how many of its rows it changed; the other rows stay as they lie."""
    pieces, start = list[pa.Table](), 0
    changed = 0
    for place in places:
        [before] = table.slice(place, 1).to_pylist()
        after = change(before)
        if after is not before:
            changed += 1
            left = [pa.Table.from_pylist([after], schema=table.schema)] if after is not None else []
            pieces += [table.slice(start, place - start), *left]
            start = place + 1
    return (pa.concat_tables([*pieces, table.slice(start)]), changed) if changed else (table, 0)


def columns_of(path: Path) -> Sequence[str]:
    """The columns of a file."""
    return pq.read_schema(path).names


def blanked(row: Row, becomes: str, *, keeps_links: bool) -> Row:
    """A row that keeps its place and its row id alone. becomes: its record's id since. keeps_links: of the values what ties rows stays.

    A row that is blank already is given back itself.
    """
    left = {name: _left(name, value, becomes, keeps_links) for name, value in row.items()}
    return row if left == row else left


def _left(name: str, value: Any, becomes: str, keeps_links: bool) -> Any:
    if name == "source_id":
        return becomes or value
    if value is None or (name in STAYS and not _is_nested(value)) or isinstance(value, bool | int | float):
        return value
    if name == "values":
        return orjson.dumps(links_of(orjson.loads(value)) if keeps_links else {})
    if name == "reasons":
        return orjson.dumps([without_detail(one) for one in orjson.loads(value)])
    return type(value)() if isinstance(value, str | bytes | list | dict) else None


def _is_nested(value: Any) -> bool:
    """Whether it is a list of lists or of structures: of parents what files of keys and decisions know, their names among it."""
    return isinstance(value, list) and any(isinstance(one, list | dict) for one in value)


def links_of(values: Any) -> Any:
    """Of values that tie rows to each other: ids of rows, moments, numbers, yes and no, and the code of a reason; other texts are empty."""
    if isinstance(values, Mapping):
        return {name: one if name == "code" else links_of(one) for name, one in values.items()}
    if isinstance(values, list):
        return [links_of(one) for one in values]
    return "" if isinstance(values, str) and not (_ID.fullmatch(values) or _MOMENT.fullmatch(values)) else values


def without_detail(reason: Mapping[str, Any]) -> dict[str, Any]:
    """A reason that no longer quotes a value."""
    return {name: "" if name in ("detail", "cause") else value for name, value in reason.items()}
