"""Pages of a list, one of its rows, and numbers in a query."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request

from connectors.simulators.iterable.answers import Refused


def page_of(request: Request, rows: Sequence[Any], key: str, total: str, sizes: tuple[int, int], *, whole: bool = False) -> dict[str, Any]:
    """One page with the total and its neighbours' addresses. sizes: default and most; whole: all at once without page parameters."""
    given = request.query_params
    if sort := given.get("sort") or "":
        field = sort.lstrip("-")
        rows = in_order(rows, field, backwards=sort.startswith("-"))
    if whole and "page" not in given and "pageSize" not in given:
        return {key: rows, total: len(rows)}
    size = max(1, min(number_of(given.get("pageSize", str(sizes[0])), "pageSize"), sizes[1]))
    page = max(1, number_of(given.get("page", "1"), "page"))
    answer: dict[str, Any] = {key: rows[(page - 1) * size : page * size], total: len(rows)}
    others = [(name, value) for name, value in given.multi_items() if name != "page"]
    if page * size < len(rows):
        answer["nextPageUrl"] = f"{request.url.path}?{urlencode([*others, ('page', page + 1)])}"
    if page > 1:
        answer["previousPageUrl"] = f"{request.url.path}?{urlencode([*others, ('page', page - 1)])}"
    return answer


def in_order(rows: Sequence[Any], key: str, *, backwards: bool = False) -> list[Any]:
    """The rows by a key's value, whatever the types of the values are."""
    return sorted(rows, key=lambda row: _place(value_of(row, key)), reverse=backwards)


def value_of(row: Any, key: str) -> Any:
    """What a row holds; None of a row that is no object, as a stranger's folder may have."""
    return row.get(key) if isinstance(row, dict) else None


def _place(value: Any) -> tuple[str, Any]:
    """Where a value sorts, beside values of any other type."""
    return ("", 0) if value is None else ("number", value) if isinstance(value, (int, float)) else ("text", str(value))


def one_of(rows: Sequence[Any], key: str, wanted: Any) -> dict[str, Any]:
    """The row whose key has a value. Raises Refused (404)."""
    return next((row for row in rows if value_of(row, key) == wanted), None) or missing()


def missing() -> Any:
    """Raises Refused (404)."""
    raise Refused(404, "Not found")


def number_of(given: str | None, name: str) -> int:
    """A whole number. Raises Refused (400)."""
    try:
        return int(given or "")
    except ValueError as error:
        raise Refused(400, f"Invalid {name}: {given}") from error
