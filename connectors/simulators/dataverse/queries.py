"""Reading collections: $select, $filter, $orderby, $top, $count, paging by an opaque $skiptoken (facts, section 5)."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote, unquote

from . import errors, expansion
from .calls import JSON, Answer, Call
from .filters import Filter, compile_filter
from .identifiers import new_id
from .organisation import Organisation
from .reading import compile_reader, selected
from .row_names import RowNames, sort_rows
from .store import Row
from .tables import Table

PAGE = 5000
INDEXED = "createdon"  # the moment by whose ranges clients read large tables through
CURSORS = 200  # results that clients may be paging through at a time; beyond them the oldest is made anew
_PATH = "/()=',-_.~@"  # what a path keeps as it is
_OPTIONS = {"$select", "$filter", "$orderby", "$top", "$count", "$expand", "$skiptoken", "fetchXml", "$apply", "tag", "$format"}


def query(org: Organisation, call: Call, table: Table, within: Iterable[str] | None = None) -> Answer:
    """GET /{set}, or a collection of one row (`within`: the ids of the rows in it): one page of rows."""
    if unknown := [o for o in call.query if o.startswith("$") and o not in _OPTIONS]:
        raise errors.bad_query(f"The query parameter {unknown[0]} is not supported.")
    if "$apply" in call.query:
        raise errors.ServiceError(501, "0x80060888", "$apply isn't simulated.")
    names = selected(table, call.query.get("$select"))
    size = _page_size(call)
    ids, start, token, page = _result(org, call, table, within)
    shown = ids[start : start + size]
    reader = compile_reader(org, table, names, call.annotations)
    rows = (row for row_id in shown if (row := _row(org, table, row_id)) is not None)
    items = [reader(row) for row in rows]
    expansion.expand(org, call, table, items)
    body = _body(call, table, names, items, ids)
    if start + size < len(ids) and "$top" not in call.query:
        _keep_cursor(org, token, ids)
        body["@odata.nextLink"] = next_link(call, token, page + 1, start + size)
    return Answer(200, body, _headers(call))


def _row(org: Organisation, table: Table, row_id: str) -> Row | None:
    if table.name == "activitypointer":
        return org.row(table, row_id)
    return org.rows(table.name).get(row_id)


def _headers(call: Call) -> dict[str, str]:
    applied = [p for p in ("odata.maxpagesize", "odata.include-annotations") if call.preference(p) is not None]
    shown = ",".join(f'{p}="{call.preference(p)}"' if "annot" in p else f"{p}={call.preference(p)}" for p in applied)
    return {"Content-Type": JSON} | ({"Preference-Applied": shown} if shown else {})


def _body(call: Call, table: Table, names: list[str] | None, items: list[dict[str, Any]], ids: list[str]) -> dict[str, Any]:
    body: dict[str, Any] = {"@odata.context": f"{call.root}$metadata#{table.entity_set}{_shown(names)}"}
    if call.query.get("$count") == "true":
        body["@odata.count"] = min(len(ids), PAGE)
        body["@Microsoft.Dynamics.CRM.totalrecordcount"] = min(len(ids), PAGE)
        body["@Microsoft.Dynamics.CRM.totalrecordcountlimitexceeded"] = len(ids) > PAGE
    body["value"] = items
    return body


def _shown(names: list[str] | None) -> str:
    return f"({','.join(names)})" if names else ""


def _page_size(call: Call) -> int:
    asked = call.preference("odata.maxpagesize")
    try:
        size = min(PAGE, int(asked)) if asked else PAGE
        top = int(call.query["$top"]) if "$top" in call.query else None
    except ValueError as error:
        raise errors.bad_query("A page size or $top is a whole number.") from error
    if size < 1 or (top is not None and top < 0):
        raise errors.bad_query("A page size or $top can't be negative.")
    return size if top is None else min(top, PAGE)


def next_link(call: Call, token: str, page: int, start: int) -> str:
    """The address of the page that begins at row `start` of a result."""
    kept = "&".join(f"{quote(k, safe='$@')}={quote(v, safe='')}" for k, v in call.query.items() if k != "$skiptoken")
    cookie = f'<cookie pagenumber="{page}" pagingcookie="{token}.{start}" istracking="False" />'
    return f"{call.root}{quote(call.path.strip('/'), safe=_PATH)}?{kept}{'&' if kept else ''}$skiptoken={quote(cookie, safe='')}"


def _result(org: Organisation, call: Call, table: Table, within: Iterable[str] | None) -> tuple[list[str], int, str, int]:
    """All ids of the result, where this page starts, the cursor's token, the page's number."""
    skip = call.query.get("$skiptoken")
    token, start, page = read_cookie(skip) if skip else (new_id(), 0, 1)
    ids = org.cursors.get(token) if skip else None
    return ids if ids is not None else find_ids(org, call, table, within), start, token, page


def _keep_cursor(org: Organisation, token: str, ids: list[str]) -> None:
    org.cursors[token] = ids
    org.cursors.move_to_end(token)
    while len(org.cursors) > CURSORS:
        org.cursors.popitem(last=False)


def read_cookie(text: str) -> tuple[str, int, int]:
    """Token, start and page number of a $skiptoken. Raises ServiceError."""
    try:
        body = unquote(text)
        token, _, start = body.split('pagingcookie="')[1].split('"')[0].rpartition(".")
        return token, int(start), int(body.split('pagenumber="')[1].split('"')[0])
    except (IndexError, ValueError) as error:
        raise errors.bad_query("Malformed XML in the paging cookie.") from error


def find_ids(org: Organisation, call: Call, table: Table, within: Iterable[str] | None = None) -> list[str]:
    """Ids of the rows that the query finds, of all or of those in `within`, ordered."""
    text, rows = call.query.get("$filter"), org.rows(table.name)
    found = compile_filter(text, RowNames(org, table), call.aliases) if text else None
    if within is not None:
        given: Iterable[tuple[str, Row]] = ((row_id, rows[row_id]) for row_id in within if row_id in rows)
    else:
        given = org.scan(table) if found is None else _candidates(org, table, found)
    pairs = [(row_id, row) for row_id, row in given if found is None or found.matches(row)]
    if order := call.query.get("$orderby"):
        sort_rows(pairs, order, RowNames(org, table))
    return [row_id for row_id, _ in pairs]


def _candidates(org: Organisation, table: Table, found: Filter) -> Iterable[tuple[str, Row]]:
    """The rows that can match: by primary key, an indexed lookup or a moment where the filter names values, else all."""
    if table.name == "activitypointer":
        return org.scan(table)
    rows = org.rows(table.name)
    lookups = [name for name in found.equal if name.startswith("_") and name.endswith("_value")]
    least, most = found.least.get(INDEXED), found.most.get(INDEXED)
    ids: Iterable[str]
    if table.primary_id in found.equal:
        ids = sorted(str(i) for i in found.equal[table.primary_id] if i in rows)
    elif lookups:
        index = org.store.by_value(table.name, lookups[0]).ids
        ids = sorted(i for value in found.equal[lookups[0]] for i in index.get(value, ()))
    elif isinstance(least or most, str):
        ids = org.store.by_moment(table.name, INDEXED).between(least, most)
    else:
        return org.scan(table)
    return [(i, rows[i]) for i in ids]
