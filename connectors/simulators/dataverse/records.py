"""One row over HTTP: create, read, update, upsert, delete, and its single columns and lookups (facts, section 2)."""

from typing import Any
from urllib.parse import quote

from . import binding, bulk, cascades, errors, expansion, files, logic, writing
from .calls import JSON, Answer, Call
from .organisation import Organisation
from .paths import Segment, key_of
from .reading import compile_reader, etag, selected
from .store import Row
from .tables import Table


def create(org: Organisation, call: Call, table: Table) -> Answer:
    """POST /{set}: 204 with the row's address, or 201 with the row."""
    writing.check_creatable(table)
    row_id = writing.create(org, call, table, call.json())
    return _written(org, call, table, row_id, created=True)


def read(org: Organisation, call: Call, table: Table, row_id: str) -> Answer:
    """GET /{set}(key): the row; 304 where If-None-Match names its version."""
    writing.demand(call, table, "Read")
    row = org.row(table, row_id)
    condition = call.headers.get("if-none-match", "")
    if condition == etag(row) and "$expand" not in call.query:
        return Answer(304)
    names = selected(table, call.query.get("$select"))
    shown = compile_reader(org, table, names, call.annotations)(row)
    expansion.expand(org, call, table, [shown])
    context = f"{call.root}$metadata#{table.entity_set}{'(' + ','.join(names) + ')' if names else ''}/$entity"
    return Answer(200, {"@odata.context": context, **shown}, {"Content-Type": JSON, "ETag": shown["@odata.etag"]})


def patch(org: Organisation, call: Call, table: Table, segment: Segment) -> Answer:
    """PATCH /{set}(key): update with If-Match, create with If-None-Match, upsert with neither."""
    key = key_of(segment)
    row_id = key if isinstance(key, str) else binding.find_by_key(org, table, key)
    exists = row_id is not None and row_id in org.rows(table.name)
    if call.headers.get("if-none-match") == "*" and exists:
        raise errors.existing_row()
    if match := call.headers.get("if-match"):
        _check_match(org, table, row_id, exists, match)
    values = {} if isinstance(key, str) else {name: binding.key_value(table, name, value) for name, value in key.items()}
    row_id, created = bulk.upsert(org, call, table, bulk.Address(row_id, values), call.json())
    return _written(org, call, table, row_id, created=created, address=f"{call.root}{table.entity_set}({_quoted(segment)})")


def _quoted(segment: Segment) -> str:
    """The key as the client wrote it, fit for a header."""
    return quote(segment.inside or "", safe="=',-_.~@ ")


def _check_match(org: Organisation, table: Table, row_id: str | None, exists: bool, match: str) -> None:
    if not exists or row_id is None:
        raise errors.missing_row(table.name, row_id or "")
    if match != "*" and match != etag(org.rows(table.name)[row_id]):
        raise errors.version_mismatch()


def delete(org: Organisation, call: Call, table: Table, row_id: str) -> Answer:
    """DELETE /{set}(key), with If-Match where given."""
    writing.demand(call, table, "Delete")
    org.row(table, row_id)
    if match := call.headers.get("if-match"):
        _check_match(org, table, row_id, True, match)
    cascades.delete(org, table, row_id, call.now, call.caller.user_id)
    logic.fire(org, call.headers, table.name, logic.DELETE)
    return Answer(204)


def property_(org: Organisation, call: Call, table: Table, row_id: str, rest: list[Segment]) -> Answer:
    """GET, PUT or DELETE of one column or one lookup of a row; `rest` are the segments after the row."""
    name = rest[0].name
    if name in table.navigations:
        return _navigation(org, call, table, row_id, rest)
    column = table.columns.get(name)
    if column is None or column.is_lookup:
        raise errors.missing_resource(name)
    if column.kind == "File":
        return files.property_(org, call, table, row_id, column, rest)
    if call.method == "GET":
        return _column_value(call, table, org.row(table, row_id), rest)
    if call.method not in {"PUT", "DELETE"}:
        raise errors.ServiceError(405, "0x80060888", "The requested resource does not support this http method.")
    body = call.json() if call.method == "PUT" else {"value": None}
    if "value" not in body:
        raise errors.bad_payload("The payload must have 'value'.")
    writing.update(org, call, table, row_id, {name: body["value"]})
    return Answer(204)


def _column_value(call: Call, table: Table, row: Row, rest: list[Segment]) -> Answer:
    value = row.get(rest[0].name)
    if value is None:
        return Answer(204)
    if len(rest) > 1 and rest[1].name == "$value":
        return Answer(200, str(value).encode(), {"Content-Type": "text/plain"})
    context = f"{call.root}$metadata#{table.entity_set}({row[table.primary_id]})/{rest[0].name}"
    return Answer(200, {"@odata.context": context, "value": value})


def _navigation(org: Organisation, call: Call, table: Table, row_id: str, rest: list[Segment]) -> Answer:
    name = rest[0].name
    as_reference = len(rest) > 1 and rest[1].name == "$ref"
    if call.method == "GET":
        return _followed(org, call, table, org.row(table, row_id), rest)
    if not as_reference or call.method not in {"PUT", "DELETE"}:
        raise errors.ServiceError(405, "0x80060888", "The requested resource does not support this http method.")
    value: Any = call.json().get("@odata.id") if call.method == "PUT" else None
    writing.update(org, call, table, row_id, {f"{name}@odata.bind": value})
    return Answer(204)


def _followed(org: Organisation, call: Call, table: Table, row: Row, rest: list[Segment]) -> Answer:
    column, targets = table.navigations[rest[0].name]
    target_name, target_id = row.get(column.type_annotation) or targets[0], row.get(column.read_name)
    if target_id is None or target_name not in targets:
        return Answer(204)
    target = org.table(target_name)
    if len(rest) > 1 and rest[1].name == "$ref":
        return Answer(200, {"@odata.id": f"{call.root}{target.entity_set}({target_id})"})
    return read(org, call, target, target_id)


def _written(org: Organisation, call: Call, table: Table, row_id: str, *, created: bool, address: str | None = None) -> Answer:
    headers = {"OData-EntityId": address or f"{call.root}{table.entity_set}({row_id})"}
    if created:
        headers["Location"] = headers["OData-EntityId"]
    if not call.wants_row:
        return Answer(204, None, headers)
    answer = read(org, _without_condition(call), table, row_id)
    headers |= answer.headers | {"Preference-Applied": "return=representation"}
    return Answer(201 if created else 200, answer.body, headers)


def _without_condition(call: Call) -> Call:
    call.headers = {k: v for k, v in call.headers.items() if k != "if-none-match"}
    return call
