"""FetchXML without joins: columns, filters, order, paging, and aggregates over at most 50,000 rows (facts, section 5)."""

import operator
import re
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote, unquote
from xml.etree import ElementTree

from . import errors
from .calls import JSON, Answer, Call
from .columns import Column
from .filters import Predicate, fold
from .organisation import Organisation
from .queries import PAGE
from .reading import compile_reader
from .row_names import RowNames
from .store import Row
from .tables import Table

AGGREGATE_LIMIT = 50_000
_ORDERED = {"gt": operator.gt, "ge": operator.ge, "lt": operator.lt, "le": operator.le,
            "on-or-after": operator.ge, "on-or-before": operator.le}  # fmt: skip
_SUMMED: dict[str, Callable[[list[Any]], Any]] = {"sum": sum, "min": min, "max": max, "avg": lambda v: sum(v) / len(v)}
Element = ElementTree.Element


def run(org: Organisation, call: Call, table: Table) -> Answer:
    """GET /{set}?fetchXml=…: rows without their null columns, or one row of aggregates."""
    root = _parse(call.query["fetchXml"])
    entity = root.find("entity")
    if entity is None or entity.get("name") != table.name:
        raise errors.bad_query(f"The fetch's entity must be '{table.name}'.")
    if entity.find("link-entity") is not None:
        raise errors.ServiceError(501, "0x80060888", "link-entity isn't simulated.")
    names = RowNames(org, table)
    test = _all(names, entity.findall("filter"))
    rows = [row for _, row in org.scan(table) if test(row)]
    if root.get("aggregate") == "true":
        return _answer(call, table, _aggregates(names, entity, rows, root))
    for order in reversed(entity.findall("order")):
        get = names.getter(str(order.get("attribute")))
        rows.sort(key=_key(get), reverse=order.get("descending") == "true")
    return _page(org, call, table, root, rows)


def _key(get: Callable[[Row], Any]) -> Callable[[Row], tuple[bool, Any]]:
    return lambda row: ((value := fold(get(row))) is not None, value if value is not None else 0)


def _parse(text: str) -> Element:
    if "<!" in text:
        raise errors.bad_query("A document type isn't allowed in FetchXML.")
    try:
        return ElementTree.fromstring(text)  # noqa: S314 - no document type, so no entities
    except ElementTree.ParseError as error:
        raise errors.ServiceError(400, "0x80041103", f"Invalid FetchXML: {error}") from error


def _page(org: Organisation, call: Call, table: Table, root: Element, rows: list[Row]) -> Answer:
    size = min(_whole(root, "count") or _whole(root, "top") or PAGE, PAGE)
    page = _page_number(root)
    start = (page - 1) * size
    if root.get("paging-cookie") is None and start + size > AGGREGATE_LIMIT:
        raise errors.ServiceError(400, "0x80040203", "Without a paging cookie at most 50,000 rows can be paged.")
    chosen = [_column(table, str(a.get("name"))).read_name for a in root.iterfind("entity/attribute")]
    reader = compile_reader(org, table, chosen or None, call.annotations)
    items = [{k: v for k, v in reader(row).items() if v is not None} for row in rows[start : start + size]]
    more = start + size < len(rows) and root.get("top") is None
    extra: dict[str, Any] = {"@Microsoft.Dynamics.CRM.morerecords": more}
    if more:
        cookie = quote(quote(f'<cookie page="{page}"><last /></cookie>', safe=""), safe="")
        next_page = f'<cookie pagenumber="{page + 1}" pagingcookie="{cookie}" istracking="False" />'
        extra["@Microsoft.Dynamics.CRM.fetchxmlpagingcookie"] = next_page
    return _answer(call, table, items, extra)


def _page_number(root: Element) -> int:
    if page := _whole(root, "page"):
        return page
    found = re.search(r'page="(\d+)"', unquote(unquote(root.get("paging-cookie") or "")))
    return int(found.group(1)) + 1 if found else 1


def _whole(root: Element, name: str) -> int | None:
    text = root.get(name)
    if text is not None and (not text.isdigit() or int(text) == 0):
        raise errors.ServiceError(400, "0x80041103", f"The attribute '{name}' of the fetch is a whole number above 0.")
    return None if text is None else int(text)


def _answer(call: Call, table: Table, items: list[Any], extra: dict[str, Any] | None = None) -> Answer:
    body = {"@odata.context": f"{call.root}$metadata#{table.entity_set}", **(extra or {}), "value": items}
    return Answer(200, body, {"Content-Type": JSON})


def _column(table: Table, name: str) -> Column:
    if name not in table.columns:
        raise errors.ServiceError(400, "0x80041103", f"'{table.name}' entity doesn't contain attribute with Name = '{name}'.")
    return table.columns[name]


def _all(names: RowNames, filters: Iterable[Element]) -> Predicate:
    tests = [_filter(names, one) for one in filters]
    return lambda row: all(test(row) for test in tests)


def _filter(names: RowNames, element: Element) -> Predicate:
    tests = [_condition(names, c) for c in element.findall("condition")] + [_filter(names, f) for f in element.findall("filter")]
    if element.get("type") == "or":
        return lambda row: any(test(row) for test in tests)
    return lambda row: all(test(row) for test in tests)


def _condition(names: RowNames, element: Element) -> Predicate:
    name, does = _column(names.table, str(element.get("attribute"))).read_name, str(element.get("operator"))
    values = [fold(v.text or "") for v in element.findall("value")] or [fold(element.get("value") or "")]
    get = names.getter(name)
    if does in {"null", "not-null"}:
        return lambda row: (get(row) is None) == (does == "null")
    if does in {"eq", "in", "ne", "neq", "not-in"}:
        return lambda row: (_text(get(row)) in values) == (does in {"eq", "in"})
    if does in {"like", "not-like", "begins-with", "ends-with"}:
        return _like(get, does, values[0])
    if does in _ORDERED:
        return lambda row: _compared(get(row), values[0], _ORDERED[does])
    raise errors.ServiceError(400, "0x80041103", f"The operator '{does}' isn't simulated.")


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "1" if value else "0"
    return None if value is None else str(value).casefold()


def _like(get: Callable[[Row], Any], does: str, value: str) -> Predicate:
    text = {"begins-with": f"{value}%", "ends-with": f"%{value}"}.get(does, value)
    pattern = re.compile("".join(".*" if c == "%" else "." if c == "_" else re.escape(c) for c in text), re.DOTALL)
    return lambda row: (pattern.fullmatch(_text(get(row)) or "") is not None) == (does != "not-like")


def _compared(value: Any, wanted: str, test: Callable[[Any, Any], bool]) -> bool:
    if value is None:
        return False
    if not isinstance(value, int | float):
        return test(fold(value), wanted)
    try:
        return test(float(value), float(wanted))
    except ValueError as error:
        raise errors.ServiceError(400, "0x80041103", f"'{wanted}' isn't a number.") from error


def _aggregates(names: RowNames, entity: Element, rows: list[Row], root: Element) -> list[dict[str, Any]]:
    if len(rows) > min(AGGREGATE_LIMIT, _whole(root, "aggregatelimit") or AGGREGATE_LIMIT):
        raise errors.ServiceError(400, "0x8004e023", "AggregateQueryRecordLimit exceeded. Cannot perform this operation.")
    attributes = entity.findall("attribute")
    groups: dict[tuple[Any, ...], list[Row]] = {}
    keys = [(str(a.get("alias")), names.getter(str(a.get("name")))) for a in attributes if a.get("groupby") == "true"]
    for row in rows:
        groups.setdefault(tuple(get(row) for _, get in keys), []).append(row)
    if not keys:
        groups.setdefault((), [])
    found = []
    for key, members in groups.items():
        shown = {alias: value for (alias, _), value in zip(keys, key, strict=True)}
        for attribute in attributes:
            if attribute.get("groupby") != "true":
                shown[str(attribute.get("alias"))] = _aggregate(names, attribute, members)
        found.append({k: v for k, v in shown.items() if v is not None})
    return found


def _aggregate(names: RowNames, attribute: Element, rows: list[Row]) -> Any:
    get, does = names.getter(str(attribute.get("name"))), attribute.get("aggregate")
    values = [value for row in rows if (value := get(row)) is not None]
    if does == "count":
        return len(rows)
    if does == "countcolumn":
        return len(set(values)) if attribute.get("distinct") == "true" else len(values)
    if does not in _SUMMED:
        raise errors.ServiceError(400, "0x80041103", f"The aggregate '{does}' doesn't exist.")
    return _SUMMED[does](values) if values else None
