"""The organisation's rows, in the Web API's read form, with transactions that can be undone and indexes that follow.

A row is a plain dictionary that is replaced, never changed in place, so that an undo is the old dictionary put back.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

Row = dict[str, Any]


class Change(NamedTuple):
    """One row before it was touched; None: it wasn't there."""

    table: str
    row_id: str
    before: Row | None


class ValueIndex:
    """Rows of one table by the value of one read name. Made at first use, kept up to date after."""

    def __init__(self, name: str, rows: dict[str, Row]) -> None:
        """Read all rows once."""
        self.name = name
        self.ids: dict[Any, set[str]] = {}
        for row_id, row in rows.items():
            self.changed(row_id, None, row)

    def changed(self, row_id: str, before: Row | None, after: Row | None) -> None:
        """Follow one row."""
        old = before.get(self.name) if before else None
        new = after.get(self.name) if after else None
        if old == new and before is not None and after is not None:
            return
        if old is not None:
            self.ids.get(old, set()).discard(row_id)
        if new is not None:
            self.ids.setdefault(new, set()).add(row_id)


class MomentIndex:
    """Rows of one table in the order of a moment's column, for ranges of it. Sorted when it is asked for after a change."""

    def __init__(self, name: str, rows: dict[str, Row]) -> None:
        """rows: those of the table, whose changes it is told of."""
        self.name = name
        self._rows = rows
        self._ids: Sequence[str] | None = None
        self._moments: Sequence[str] = ()

    def changed(self, row_id: str, before: Row | None, after: Row | None) -> None:
        """Follow one row."""
        if (before or {}).get(self.name) != (after or {}).get(self.name):
            self._ids = None

    def between(self, least: str | None, most: str | None) -> Sequence[str]:
        """Ids of the rows from one moment to another, both inclusive and as they are read; None: without a limit."""
        if self._ids is None:
            pairs = sorted((moment, row_id) for row_id, row in self._rows.items() if (moment := row.get(self.name)))
            self._moments, self._ids = [moment for moment, _ in pairs], [row_id for _, row_id in pairs]
        start = bisect_left(self._moments, least) if least else 0
        return self._ids[start : bisect_right(self._moments, most) if most else None]


class KeyIndex:
    """Rows by the values of an alternate key's columns; text without regard to case, rows with a null in no entry."""

    def __init__(self, names: tuple[str, ...], rows: dict[str, Row]) -> None:
        """Read all rows once; `duplicates` counts those whose values another row has."""
        self.names = names
        self.ids: dict[tuple[Any, ...], str] = {}
        self.duplicates = 0
        for row_id, row in rows.items():
            self.changed(row_id, None, row)

    def values(self, row: Row) -> tuple[Any, ...] | None:
        """The key of a row, or None where a column is empty."""
        found = tuple(v.casefold() if isinstance(v := row.get(n), str) else v for n in self.names)
        return None if None in found else found

    def changed(self, row_id: str, before: Row | None, after: Row | None) -> None:
        """Follow one row."""
        old = self.values(before) if before else None
        new = self.values(after) if after else None
        if old is not None and self.ids.get(old) == row_id:
            del self.ids[old]
        if new is not None:
            self.duplicates += self.ids.get(new, row_id) != row_id
            self.ids.setdefault(new, row_id)


class Store:
    """Rows of all tables, the row version, and what was touched since the last commit."""

    def __init__(self) -> None:
        """No rows."""
        self.rows: dict[str, dict[str, Row]] = {}
        self.made: dict[str, dict[str, str]] = {}  # rows that the service made itself: natural key by id, per table
        self.version = 1000
        self._log: list[Change] = []
        self._values: dict[tuple[str, str], ValueIndex] = {}
        self._moments: dict[tuple[str, str], MomentIndex] = {}
        self._unique: dict[tuple[str, tuple[str, ...]], KeyIndex] = {}
        self._followers: dict[str, list[ValueIndex | MomentIndex | KeyIndex]] = {}
        self.on_commit: Callable[[dict[str, Any]], None] | None = None

    def table(self, name: str) -> dict[str, Row]:
        """All rows of a table by id, in the order they came."""
        return self.rows.setdefault(name, {})

    def next_version(self) -> int:
        """A row version above all others."""
        self.version += 1
        return self.version

    def put(self, table: str, row_id: str, row: Row) -> None:
        """Create or replace a row."""
        rows = self.table(table)
        before = rows.get(row_id)
        self._log.append(Change(table, row_id, before))
        rows[row_id] = row
        for index in self._followers.get(table, ()):
            index.changed(row_id, before, row)

    def remove(self, table: str, row_id: str) -> None:
        """Delete a row that is there."""
        before = self.table(table).pop(row_id)
        self._log.append(Change(table, row_id, before))
        for index in self._followers.get(table, ()):
            index.changed(row_id, before, None)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it or nothing; may stand inside another."""
        mark = len(self._log)
        try:
            yield
        except BaseException:
            self._undo(mark)
            raise

    def _undo(self, mark: int) -> None:
        while len(self._log) > mark:
            change = self._log.pop()
            rows = self.rows[change.table]
            after = rows.get(change.row_id)
            if change.before is None:
                rows.pop(change.row_id, None)
            else:
                rows[change.row_id] = change.before
            for index in self._followers.get(change.table, ()):
                index.changed(change.row_id, after, change.before)

    def commit(self) -> None:
        """Hand what was touched to the journal, as the rows are now."""
        if not self._log:
            return
        touched = list(dict.fromkeys((change.table, change.row_id) for change in self._log))  # in order: a replay keeps the rows' order
        self._log.clear()
        if self.on_commit:
            self.on_commit(self._line(touched))

    def forget(self) -> None:
        """Drop what was touched without handing it over (a replay is in the journal already)."""
        self._log.clear()

    def _line(self, touched: list[tuple[str, str]]) -> dict[str, Any]:
        line: dict[str, Any] = {"rows": {}, "gone": {}, "made": {}}
        for table, row_id in touched:
            row = self.rows[table].get(row_id)
            if row is None:
                line["gone"].setdefault(table, []).append(row_id)
            else:
                line["rows"].setdefault(table, {})[row_id] = row
            if natural := self.made.get(table, {}).get(row_id):
                line["made"].setdefault(table, {})[row_id] = natural
        return {key: value for key, value in line.items() if value} | {"version": self.version}

    def apply(self, line: dict[str, Any]) -> None:
        """Put back what `commit` once handed over."""
        for table, rows in line.get("rows", {}).items():
            for row_id, row in rows.items():
                self.put(table, row_id, row)
        for table, ids in line.get("gone", {}).items():
            for row_id in ids:
                if row_id in self.table(table):
                    self.remove(table, row_id)
        for table, naturals in line.get("made", {}).items():
            self.made.setdefault(table, {}).update(naturals)
        self.version = max(self.version, line.get("version", 0))
        self._log.clear()

    def mark_made(self, table: str, row_id: str, natural: str) -> None:
        """Remember that the service made this row, and what it is called whatever its id."""
        self.made.setdefault(table, {})[row_id] = natural

    def by_value(self, table: str, name: str) -> ValueIndex:
        """The index of a read name, made when first asked for."""
        found = self._values.get((table, name))
        if found is None:
            found = self._values[table, name] = ValueIndex(name, self.table(table))
            self._followers.setdefault(table, []).append(found)
        return found

    def by_moment(self, table: str, name: str) -> MomentIndex:
        """The index of a moment's column, made when first asked for."""
        found = self._moments.get((table, name))
        if found is None:
            found = self._moments[table, name] = MomentIndex(name, self.table(table))
            self._followers.setdefault(table, []).append(found)
        return found

    def unique(self, table: str, names: tuple[str, ...]) -> KeyIndex:
        """The index of read names that are unique together without being an alternate key, made when first asked for."""
        found = self._unique.get((table, names))
        if found is None:
            found = self._unique[table, names] = self.follow_key(table, names)
        return found

    def follow_key(self, table: str, names: tuple[str, ...]) -> KeyIndex:
        """Start the index of an alternate key."""
        index = KeyIndex(names, self.table(table))
        self._followers.setdefault(table, []).append(index)
        return index

    def unfollow(self, table: str, index: KeyIndex) -> None:
        """Drop the index of an alternate key."""
        self._followers.get(table, []).remove(index)
