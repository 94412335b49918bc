"""?sql=: one SELECT over tables and columns by their logical names, carried out by SQLite on copies of the rows.

The parameter has no public reference (facts 12.1). What is taken and what is refused follows the documentation and the guards of
Microsoft's Python client, which says that the service refuses the same; all else about it is *assumed*: codes, names of unnamed results,
nulls shown, pages of 5,000.
"""

import re
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from . import errors, writing
from .calls import JSON, Answer, Call
from .columns import Column
from .identifiers import new_id
from .organisation import Organisation
from .queries import PAGE, next_link, read_cookie
from .tables import Table

_TOKEN = re.compile(r"\s*('(?:[^']|'')*'|\[\w+\]|[A-Za-z_]\w*|\d+(?:\.\d+)?|<>|!=|>=|<=|[-+/*=<>(),.])")
_REFUSED = {
    "INSERT", "UPDATE", "DELETE", "DROP", "TRUNCATE", "ALTER", "CREATE", "EXEC", "GRANT", "REVOKE", "BULK", "UNION", "HAVING", "WITH",
    "CROSS", "RIGHT", "FULL", "CASE", "COALESCE", "OVER", "EXISTS", "LIMIT", "INTERSECT", "EXCEPT",
}  # fmt: skip
_FUNCTIONS = {"COUNT", "SUM", "AVG", "MIN", "MAX"}
_AFTER_FROM = {"WHERE", "GROUP", "ORDER", "OFFSET"}
_KINDS = {"Integer": "INTEGER", "BigInt": "INTEGER", "Choice": "INTEGER", "State": "INTEGER", "Status": "INTEGER", "Boolean": "BIT",
          "Decimal": "REAL", "Money": "REAL", "Double": "REAL"}  # fmt: skip
_UNSEEN = {"MultiChoice", "File", "Image", "PartyList"}  # virtual columns can't be queried
_HEAD = ["SELECT", "DISTINCT", "TOP"]
sqlite3.register_converter("BIT", lambda raw: raw == b"1")


def query(org: Organisation, call: Call, table: Table) -> Answer:
    """GET /{set}?sql=SELECT …: the rows, in pages."""
    statement = _read(call.query["sql"])
    tables = {name: org.table(name) for name in statement.tables}
    if statement.tables[:1] != [table.name]:
        raise errors.bad_query(f"The first table after FROM must be '{table.name}'.")
    for one in tables.values():
        writing.demand(call, one, "Read")
    rows = _run(org, statement, tables.values())
    token, start, page = read_cookie(call.query["$skiptoken"]) if "$skiptoken" in call.query else (new_id(), 0, 1)
    body: dict[str, Any] = {"@odata.context": f"{call.root}$metadata#{table.entity_set}", "value": rows[start : start + PAGE]}
    if start + PAGE < len(rows):
        body["@odata.nextLink"] = next_link(call, token, page + 1, start + PAGE)
    return Answer(200, body, {"Content-Type": JSON})


@dataclass(frozen=True, slots=True)
class _Statement:
    """A SELECT as SQLite takes it, with the tables after FROM and every name in it, in lower case."""

    text: str
    tables: list[str]
    names: frozenset[str]


def _read(sql: str) -> _Statement:
    tokens = _tokens(sql)
    words = [token.upper() for token in tokens]
    if words[:1] != ["SELECT"] or words.count("SELECT") > 1:
        raise errors.bad_query("Exactly one SELECT is supported.")
    if refused := _REFUSED & set(words):
        raise errors.bad_query(f"'{min(refused)}' is not supported.")
    for place, word in enumerate(words):
        if word == "*" and words[place - 1 : place + 2] != ["(", "*", ")"]:
            raise errors.bad_query("'*' is supported in COUNT(*) only; name the columns.")
    _check_groups(words)
    tail, limit = _limit(words)
    head = next(n for n, word in enumerate([*words, ""]) if word not in _HEAD and not (n and words[n - 1] == "TOP"))
    kept = ["SELECT", *(["DISTINCT"] if "DISTINCT" in words[:head] else []), *tokens[head:tail]]
    names = frozenset(token.strip("[]").lower() for token in tokens if token[0] != "'")
    return _Statement(" ".join(kept) + limit, _tables(tokens, words), names)


def _tokens(sql: str) -> list[str]:
    found, at, sql = [], 0, sql.strip()
    while at < len(sql):
        match = _TOKEN.match(sql, at)
        if match is None:
            raise errors.bad_query(f"Syntax error in the SQL at position {at}.")
        found.append(match.group(1))
        at = match.end()
    return found


def _limit(words: list[str]) -> tuple[int, str]:
    """Where OFFSET … FETCH begins, and SQLite's words for it or for TOP."""
    if "OFFSET" in words:
        at = words.index("OFFSET")
        tail = words[at:]
        if len(tail) != 8 or [*tail[2:5], *tail[6:]] != ["ROWS", "FETCH", "NEXT", "ROWS", "ONLY"] or "ORDER" not in words:
            raise errors.bad_query("OFFSET n ROWS FETCH NEXT m ROWS ONLY follows an ORDER BY.")
        return at, f" LIMIT {int(tail[5])} OFFSET {int(tail[1])}"
    if "TOP" not in words[:3]:
        return len(words), ""
    number = words[words.index("TOP") + 1]
    if not number.isdigit() or int(number) > PAGE:
        raise errors.bad_query(f"TOP takes a whole number of at most {PAGE}.")
    return len(words), f" LIMIT {number}"


def _tables(tokens: list[str], words: list[str]) -> list[str]:
    """Names after FROM, JOIN and the commas between."""
    if "FROM" not in words:
        raise errors.bad_query("FROM is missing.")
    start = words.index("FROM")
    end = next((n for n in range(start, len(words)) if words[n] in _AFTER_FROM), len(words))
    places = [n for n in range(start + 1, end) if words[n - 1] in {"FROM", "JOIN", ","}]
    return [tokens[n].strip("[]").lower() for n in places]


def _check_groups(words: list[str]) -> None:
    """Beside an aggregate stand only columns of GROUP BY."""
    start, end = 1, words.index("FROM") if "FROM" in words else len(words)
    chosen = _items(words[start:end])
    if "GROUP" not in words and not any(item[:1] and item[0] in _FUNCTIONS for item in chosen):
        return
    groups = []
    if "GROUP" in words:
        at = words.index("GROUP") + 2
        until = next((n for n in range(at, len(words)) if words[n] in {"ORDER", "OFFSET"}), len(words))
        groups = [item[-1] for item in _items(words[at:until])]
    for item in chosen:
        name = item[2] if item[1:2] == ["."] else item[0]
        if name not in _FUNCTIONS and name not in groups:
            raise errors.bad_query(f"Column '{name.lower()}' is neither in an aggregate function nor in GROUP BY.")


def _items(words: list[str]) -> list[list[str]]:
    """A list's items, without what stands before the first of a SELECT."""
    while words[:1] and words[0] in _HEAD:
        words = words[2:] if words[0] == "TOP" else words[1:]
    found: list[list[str]] = [[]]
    for word in words:
        if word == ",":
            found.append([])
        else:
            found[-1].append(word)
    return [item for item in found if item]


def _run(org: Organisation, statement: _Statement, tables: Iterable[Table]) -> list[dict[str, Any]]:
    connection = sqlite3.connect(":memory:", detect_types=sqlite3.PARSE_DECLTYPES)
    try:
        for table in tables:
            _copy(org, connection, table, statement.names)
        connection.set_authorizer(_allowed)
        cursor = connection.execute(statement.text)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]
    except sqlite3.Error as error:
        raise errors.bad_query(f"The SQL can't be carried out: {error}.") from error
    finally:
        connection.close()


def _copy(org: Organisation, connection: sqlite3.Connection, table: Table, names: frozenset[str]) -> None:
    """A table's rows, with the columns that are named."""
    columns = [c for c in table.columns.values() if c.kind not in _UNSEEN and (c.name in names or c.name == table.primary_id)]
    declared = ", ".join(f'"{c.name}" {_KINDS.get(c.kind, "TEXT COLLATE NOCASE")}' for c in columns)
    connection.execute(f'CREATE TABLE "{table.name}" ({declared})')
    marks = ", ".join("?" * len(columns))
    rows = ([_value(column, row.get(column.read_name)) for column in columns] for _, row in org.scan(table))
    connection.executemany(f'INSERT INTO "{table.name}" VALUES ({marks})', rows)  # noqa: S608 names of the catalog


def _value(column: Column, value: Any) -> Any:
    return value if value is None or isinstance(value, int | float | str) else str(value)


def _allowed(action: int, first: str | None, second: str | None, database: str | None, trigger: str | None) -> int:
    """Reading only, with no function but the aggregates and LIKE."""
    if action == sqlite3.SQLITE_FUNCTION:
        return sqlite3.SQLITE_OK if str(second).upper() in {*_FUNCTIONS, "LIKE"} else sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK if action in {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ} else sqlite3.SQLITE_DENY
