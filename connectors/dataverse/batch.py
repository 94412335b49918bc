"""The multipart format of $batch: written from operations, read into one outcome each.

Source: learn.microsoft.com/power-apps/developer/data-platform/webapi/execute-batch-operations-using-web-api
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from email.message import Message
from typing import Any

import orjson

from connectors.dataverse.errors import ShortAnswer, read_error
from connectors.http import encoded
from workbench.engagements.errors import BadInput

MOST = 1_000  # operations in one batch, the service's limit
FAILED, GATEWAYS = 500, (502, 503, 504)
_ROW_ID = re.compile(r"\(([0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12})\)\s*$")


@dataclass(frozen=True, slots=True)
class Operation:
    """One request within a batch. `path` is relative to the service root, ready for a URL: `contacts(<id>)`."""

    method: str
    path: str
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one operation. `code` and `message` are the service's words for a refusal, else empty."""

    status: int
    code: str = ""
    message: str = ""
    etag: str | None = None
    row_id: str | None = None
    body: dict[str, Any] | None = None
    retry_after_s: float | None = None

    @property
    def ok(self) -> bool:
        """Whether the service did it."""
        return 200 <= self.status < 300  # the class of statuses that say so

    @property
    def in_doubt(self) -> bool:
        """Whether it may have been done all the same: a gateway, or the service without any words of its own, said that it failed."""
        return self.status in GATEWAYS or (self.status == FAILED and not self.code)


ChangeSet = tuple[Operation, ...]  # carried out whole or not at all; no reads in it


def write_batch(operations: Sequence[Operation | ChangeSet], *, root: str, boundary: str, headers: Mapping[str, str]) -> bytes:
    """The body of a batch, each operation with `headers` and its own.

    root: path of the service, "/api/data/v9.2/". Raises BadInput on too many operations or a path with line breaks.
    """
    count = sum(len(one) if isinstance(one, tuple) else 1 for one in operations)
    if count > MOST:
        raise BadInput(f"{count} operations in one batch; the service takes {MOST}.", remedy="Lower the batch size.")
    parts = [
        _write_change_set(one, root, boundary, headers, f"changeset_{number}_{boundary}")
        if isinstance(one, tuple)
        else _write_part(one, root, boundary, headers)
        for number, one in enumerate(operations, start=1)
    ]
    return b"".join([*parts, f"--{boundary}--\r\n".encode()])


def _write_change_set(operations: ChangeSet, root: str, boundary: str, headers: Mapping[str, str], own: str) -> bytes:
    """One part; each operation within has a Content-ID, which the service demands."""
    head = f'--{boundary}\r\nContent-Type: multipart/mixed; boundary="{own}"\r\n\r\n'.encode()
    parts = [_write_part(operation, root, own, headers, number) for number, operation in enumerate(operations, start=1)]
    return b"".join([head, *parts, f"--{own}--\r\n".encode()])


def read_batch(content: bytes, content_type: str) -> list[Outcome]:
    """One outcome per answered operation, in order; those of a change set stand in line. Raises ShortAnswer on a cut body."""
    return [outcome for part in read_parts(content, content_type) for outcome in part]


def read_parts(content: bytes, content_type: str) -> list[list[Outcome]]:
    """The outcomes of each part: one, or those of a change set; of one that was refused the refusal. Raises ShortAnswer on a cut body."""
    parts = []
    for part in _parts(content, _boundary(content_type)):
        headers, body = _headers_and_body(part)
        kind = headers.get("content-type", "")
        parts.append(read_batch(body, kind) if kind.lower().startswith("multipart/") else [_outcome(body)])
    return parts


def _row_id(headers: Mapping[str, str]) -> str | None:
    """The id in OData-EntityId or Location, lower case; None where the answer names a row by another key or not at all."""
    for name in ("odata-entityid", "location"):
        if found := _ROW_ID.search(headers.get(name, "")):
            return found.group(1).lower()
    return None


def _write_part(operation: Operation, root: str, boundary: str, shared: Mapping[str, str], content_id: int | None = None) -> bytes:
    own = {**shared, **operation.headers}
    body, content_type = encoded(operation.body, None)
    own = {**content_type, **own}
    lines = [
        f"--{boundary}", "Content-Type: application/http", "Content-Transfer-Encoding: binary",
        *([] if content_id is None else [f"Content-ID: {content_id}"]), "",
        f"{operation.method} {root}{operation.path} HTTP/1.1", *(f"{name}: {value}" for name, value in own.items()),
    ]  # fmt: skip
    if any("\r" in line or "\n" in line for line in lines):
        raise BadInput("A line break in the address or a header of a batch operation.", remedy="Encode the key for use in an address.")
    return "\r\n".join([*lines, "", ""]).encode() + (body or b"") + b"\r\n"


def _boundary(content_type: str) -> bytes:
    message = Message()
    message["Content-Type"] = content_type
    found = message.get_param("boundary")  # with or without quotes
    if not isinstance(found, str) or not found:
        raise ShortAnswer("The answer to a batch has no parts.")
    return found.encode()


def _parts(content: bytes, boundary: bytes) -> Iterator[bytes]:
    """What stands between the boundary lines; the closing one must be there, or the answer was cut."""
    delimiter, start = b"--" + boundary, None
    at = content.find(delimiter)
    while at >= 0:
        end = at + len(delimiter)
        line_end = content.find(b"\n", end)
        rest = content[end : line_end if line_end >= 0 else len(content)].rstrip(b" \t\r")
        if rest in (b"", b"--") and (at == 0 or content.endswith(b"\n", 0, at)):
            if start is not None:
                yield content[start:at].removesuffix(b"\n").removesuffix(b"\r")  # the line break before a boundary belongs to it
            if rest:
                return
            start = end
        at = content.find(delimiter, end)
    raise ShortAnswer("The answer to a batch ends early.")


def _headers_and_body(part: bytes) -> tuple[dict[str, str], bytes]:
    """The headers by their names in lower case, and what follows them."""
    head, _, body = part.lstrip(b"\r\n").partition(b"\r\n\r\n")
    lines = (line.partition(":") for line in head.decode("latin-1").split("\r\n"))
    return {name.strip().lower(): value.strip() for name, _, value in lines}, body


def _outcome(raw: bytes) -> Outcome:
    status_line, _, rest = raw.lstrip(b"\r\n").partition(b"\r\n")
    try:
        status = int(status_line.split(b" ", 2)[1])
    except (IndexError, ValueError):
        raise ShortAnswer("A part of a batch's answer isn't an answer.") from None
    headers, content = _headers_and_body(rest) if not rest.startswith(b"\r\n") else ({}, rest)
    body = _json(content)
    code, message = read_error(body)
    etag = headers.get("etag") or (body or {}).get("@odata.etag")
    asked = headers.get("retry-after", "")
    wait = float(asked) if asked.isdigit() else None
    return Outcome(status, code, message, etag, _row_id(headers), body, wait)


def _json(content: bytes) -> dict[str, Any] | None:
    try:
        parsed = orjson.loads(content)
    except orjson.JSONDecodeError:
        return None
    return parsed if isinstance(parsed, dict) else None
