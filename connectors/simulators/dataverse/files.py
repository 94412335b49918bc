"""File columns: whole files in one PATCH or chunk by chunk, read by `$value`, emptied by DELETE (facts, section 9).

Content lies in the store beside the rows, so that the journal keeps it; the column holds the file's id, `{column}_name` its name.
"""

import base64
import hashlib
import re
from typing import Any
from urllib.parse import quote

from . import attached, errors, writing
from .calls import Answer, Call
from .columns import Column
from .identifiers import new_id
from .organisation import Organisation
from .paths import Segment
from .tables import Table

FILES, UPLOADS, CHUNKS = "#files", "#uploads", "#chunks"  # of the store; no table has such a name
CHUNK = 4 * 1024 * 1024  # what x-ms-chunk-size recommends
AT_ONCE = 128 * 1024 * 1024  # a larger file needs chunks
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


def property_(org: Organisation, call: Call, table: Table, row_id: str, column: Column, rest: list[Segment]) -> Answer:
    """GET …/{column}/$value, PATCH and DELETE …/{column}."""
    if call.method == "GET":
        return _content(org, call, table, row_id, column, whole=len(rest) > 1 and rest[1].name == "$value")
    writing.demand(call, table, "Write")
    org.row(table, row_id)
    if call.method == "DELETE":
        _put(org, call, table, row_id, column, None)
        return Answer(204)
    if call.method != "PATCH":
        raise errors.ServiceError(405, "0x80060888", "The requested resource does not support this http method.")
    if token := call.query.get("sessiontoken"):
        return _chunk(org, call, table, row_id, column, token)
    _check_empty(org, call, table, row_id, column)
    name = call.query.get("x-ms-file-name") or call.headers.get("x-ms-file-name")
    if not name:
        raise errors.bad_request("The file's name is missing: x-ms-file-name.")
    attached.check_name(org, name, call.headers.get("content-type") or "")
    if call.headers.get("x-ms-transfer-mode") == "chunked":
        return _begin(org, call, table, row_id, column, name)
    if len(call.body) > AT_ONCE:
        raise errors.ServiceError(413, "0x80044a02", "Attachment file size is too big.")
    _check_size(column, len(call.body))
    _put(org, call, table, row_id, column, {"name": name, "type": call.headers.get("content-type"), "body": _text(call.body)})
    return Answer(204)


def forget(org: Organisation, file_id: Any) -> None:
    """Drop the content of a file that no row holds any more."""
    if file_id in org.rows(FILES):
        org.store.remove(FILES, file_id)


def digest(org: Organisation, file_id: Any) -> str:
    """A file's content in short."""
    return f"sha256:{hashlib.sha256(base64.b64decode(org.rows(FILES)[file_id]['body'])).hexdigest()}"


def _content(org: Organisation, call: Call, table: Table, row_id: str, column: Column, *, whole: bool) -> Answer:
    writing.demand(call, table, "Read")
    file_id = org.row(table, row_id).get(column.name)
    if file_id is None:
        return Answer(204)
    if not whole:
        context = f"{call.root}$metadata#{table.entity_set}({row_id})/{column.name}"
        return Answer(200, {"@odata.context": context, "value": file_id})
    file = org.rows(FILES)[file_id]
    body = base64.b64decode(file["body"])
    headers = {"Content-Type": "application/octet-stream", "x-ms-file-name": quote(file["name"]), "x-ms-file-size": str(len(body)),
               "mimetype": file["type"] or "application/octet-stream"}  # fmt: skip
    return Answer(200, body, headers)


def _begin(org: Organisation, call: Call, table: Table, row_id: str, column: Column, name: str) -> Answer:
    token = new_id()
    org.store.put(UPLOADS, token, {"table": table.name, "row": row_id, "column": column.name, "name": name, "got": 0, "chunks": 0})
    where = f"{call.root}{table.entity_set}({row_id})/{column.name}?sessiontoken={token}"
    return Answer(200, None, {"Location": where, "x-ms-chunk-size": str(CHUNK), "Accept-Ranges": "bytes"})


def _chunk(org: Organisation, call: Call, table: Table, row_id: str, column: Column, token: str) -> Answer:
    """The next chunk: 206, or 204 with the last one. Chunks out of order are refused (*assumed*: code)."""
    upload = org.rows(UPLOADS).get(token)
    if upload is None or (upload["table"], upload["row"], upload["column"]) != (table.name, row_id, column.name):
        raise errors.ServiceError(404, "0x80060888", "The upload session doesn't exist.")
    match = _RANGE.fullmatch(call.headers.get("content-range", ""))
    first, last, total = map(int, match.groups()) if match else (-1, -1, -1)
    if first != upload["got"] or last - first + 1 != len(call.body) or last >= total:
        raise errors.bad_request(f"Content-Range doesn't fit: byte {upload['got']} is next.")
    _check_size(column, total)
    org.store.put(CHUNKS, f"{token}:{upload['chunks']}", {"body": _text(call.body)})
    org.store.put(UPLOADS, token, {**upload, "got": last + 1, "chunks": upload["chunks"] + 1})
    if last + 1 < total:
        return Answer(206)
    names = [f"{token}:{n}" for n in range(upload["chunks"] + 1)]
    body = b"".join(base64.b64decode(org.rows(CHUNKS)[name]["body"]) for name in names)
    _put(org, call, table, row_id, column, {"name": upload["name"], "type": None, "body": _text(body)})
    for name in names:
        org.store.remove(CHUNKS, name)
    org.store.remove(UPLOADS, token)
    return Answer(204)


def _put(org: Organisation, call: Call, table: Table, row_id: str, column: Column, file: dict[str, Any] | None) -> None:
    """Let the row hold another file, or none."""
    row = org.row(table, row_id)
    forget(org, row.get(column.name))
    file_id = new_id() if file else None
    if file and file_id:
        org.store.put(FILES, file_id, file)
    changed = {column.name: file_id, f"{column.name}_name": file["name"] if file else None, "modifiedon": call.now,
               "_modifiedby_value": call.caller.user_id, "versionnumber": org.store.next_version()}  # fmt: skip
    org.store.put(table.name, row_id, {**row, **changed})
    org.written += 1


def _check_empty(org: Organisation, call: Call, table: Table, row_id: str, column: Column) -> None:
    """If-None-Match asks for an empty column, as Microsoft's Python client documents it (*assumed*: 412 and its code)."""
    if call.headers.get("if-none-match") in {"null", "*"} and org.row(table, row_id).get(column.name) is not None:
        raise errors.ServiceError(412, "0x80060882", f"The column '{column.name}' holds a file already.")


def _check_size(column: Column, size: int) -> None:
    if size > int(column.extra.get("MaxSizeInKB", 32768)) * 1024:
        raise errors.ServiceError(400, "0x80044a02", "Attachment file size is too big.")


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
