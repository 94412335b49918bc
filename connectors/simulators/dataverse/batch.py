"""$batch: multipart requests in one, with change sets and continue-on-error (facts, section 3.1)."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, unquote

from . import errors
from .calls import Answer, Call, refused
from .identifiers import new_id
from .organisation import Organisation

LIMIT = 1000
Run = Callable[[Call], Answer]  # raises ServiceError
_BOUNDARY = re.compile(r'boundary="?([^";]+)"?', re.IGNORECASE)
_REASONS = {200: "OK", 201: "Created", 204: "No Content", 304: "Not Modified", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden",
            404: "Not Found", 405: "Method Not Allowed", 412: "Precondition Failed", 429: "Too Many Requests",
            500: "Internal Server Error", 501: "Not Implemented"}  # fmt: skip


@dataclass(slots=True)
class Part:
    """One request of a batch, or a change set of several."""

    method: str = ""
    url: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    content_id: str | None = None
    change_set: list["Part"] | None = None


def run(org: Organisation, call: Call, run_one: Run) -> Answer:
    """Answer a whole batch. Without continue-on-error it stops at the first failure and answers 400 with the parts so far."""
    parts = list(_parts(call.body, _boundary(call.headers.get("content-type", ""))))
    if sum(len(p.change_set) if p.change_set is not None else 1 for p in parts) > LIMIT:
        raise errors.bad_request(f"The number of requests in the batch exceeds the limit of {LIMIT}.")
    go_on = call.preference("odata.continue-on-error") is not None
    boundary, chunks, failed = f"batchresponse_{new_id()}", [], False
    for part in parts:
        chunk, good = _change_set(org, call, part, run_one) if part.change_set is not None else _single(call, part, run_one)
        chunks.append(chunk)
        failed |= not good
        if failed and not go_on:
            break
    body = b"".join(b"--%b\r\n%b\r\n" % (boundary.encode(), c) for c in chunks) + f"--{boundary}--\r\n".encode()
    headers = {"Content-Type": f"multipart/mixed; boundary={boundary}"}
    if go_on:
        headers["Preference-Applied"] = "odata.continue-on-error"
    return Answer(400 if failed and not go_on else 200, body, headers)


def _single(call: Call, part: Part, run_one: Run) -> tuple[bytes, bool]:
    try:
        answer = run_one(_call(call, part, {}))
    except errors.ServiceError as error:
        answer = refused(error)
    return _written(answer, part.content_id), answer.status < 400


def _change_set(org: Organisation, call: Call, part: Part, run_one: Run) -> tuple[bytes, bool]:
    references: dict[str, str] = {}
    chunks: list[bytes] = []
    try:
        with org.store.transaction():
            for inner in part.change_set or ():
                _check_inner(inner)
                answer = run_one(_call(call, inner, references))
                address = answer.headers.get("OData-EntityId", "")
                references[f"${inner.content_id}"] = address.removeprefix(call.root)
                chunks.append(_written(answer, inner.content_id))
    except errors.ServiceError as error:
        return _written(refused(error), inner.content_id), False
    boundary = f"changesetresponse_{new_id()}"
    body = b"".join(b"--%b\r\n%b\r\n" % (boundary.encode(), c) for c in chunks) + f"--{boundary}--\r\n".encode()
    return f"Content-Type: multipart/mixed; boundary={boundary}\r\n\r\n".encode() + body, True


def _check_inner(part: Part) -> None:
    if part.content_id is None:
        raise errors.bad_request("The Content-ID header is missing from a request of the change set.")
    if part.method == "GET":
        raise errors.bad_request("A change set can't contain a GET request.")


def _call(outer: Call, part: Part, references: dict[str, str]) -> Call:
    url = part.url.removeprefix(outer.root)
    if url.startswith("/"):
        root_path = "/" + outer.root.split("/", 3)[3]
        url = url.removeprefix(root_path).lstrip("/")
    if url.startswith("$") and not url.startswith("$batch"):
        head, slash, rest = url.partition("/")
        if head not in references:
            raise errors.bad_request(f"Content-ID Reference: '{head}' does not exist in the batch context.")
        url = references[head] + slash + rest
    path, _, query = url.partition("?")
    if path.startswith("$batch"):
        raise errors.bad_request("A batch can't contain another batch.")
    # *assumed*: the batch's own optional headers hold for its parts. Impersonation is done already, it isn't passed on.
    inherited = {k: v for k, v in outer.headers.items() if k.startswith("mscrm.")}
    return replace(
        outer, method=part.method, path=unquote(path), query=dict(parse_qsl(query, keep_blank_values=True)), raw_query=query,
        headers=inherited | part.headers, body=part.body, references=references, in_batch=True,
    )  # fmt: skip


def _written(answer: Answer, content_id: str | None) -> bytes:
    body = answer.content()
    lines = ["Content-Type: application/http", "Content-Transfer-Encoding: binary"]
    if content_id is not None:
        lines.append(f"Content-ID: {content_id}")
    lines += ["", f"HTTP/1.1 {answer.status} {_REASONS.get(answer.status, 'Error')}"]
    headers: dict[str, Any] = dict(answer.headers) | {"OData-Version": "4.0"}
    if body and "Content-Type" not in headers:
        headers["Content-Type"] = "application/json; odata.metadata=minimal"
    if answer.status >= 400:
        headers["REQ_ID"] = new_id()
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def _boundary(content_type: str) -> bytes:
    match = _BOUNDARY.search(content_type)
    if not content_type.lower().startswith("multipart/mixed") or match is None:
        raise errors.bad_request("The content type of a batch is multipart/mixed with a boundary.")
    return match.group(1).strip().encode()


def _parts(body: bytes, boundary: bytes) -> Iterator[Part]:
    for raw in _split(body, boundary):
        headers, content = _headers(raw)
        kind = headers.get("content-type", "")
        if kind.lower().startswith("multipart/mixed"):
            yield Part(change_set=[_request(h, c) for h, c in map(_headers, _split(content, _boundary(kind)))])
        else:
            yield _request(headers, content)


def _split(body: bytes, boundary: bytes) -> Iterator[bytes]:
    """The pieces between the boundary's lines, without the line ends around them."""
    for piece in (b"\r\n" + body).replace(b"\r\n", b"\n").split(b"\n--" + boundary)[1:]:
        if piece.startswith(b"--"):
            return
        yield piece.lstrip(b" \t")[1:]
    raise errors.bad_request("The batch has no closing boundary.")


def _headers(raw: bytes) -> tuple[dict[str, str], bytes]:
    head, _, content = raw.partition(b"\n\n")
    pairs = (line.partition(":") for line in head.decode().split("\n") if ":" in line)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}, content


def _request(outer: dict[str, str], content: bytes) -> Part:
    if not outer.get("content-type", "").lower().startswith("application/http"):
        raise errors.bad_request("A part of a batch is application/http.")
    line, _, rest = content.lstrip(b"\n").partition(b"\n")
    words = line.decode().strip().split(" ")
    if len(words) < 2:
        raise errors.bad_request("A part of a batch begins with a request line.")

    headers, body = _headers(rest) if not rest.startswith(b"\n") else ({}, rest[1:])
    url = " ".join(words[1:-1]) if words[-1].startswith("HTTP/") else " ".join(words[1:])
    return Part(words[0].upper(), url, headers, body.strip(b"\n"), outer.get("content-id") or headers.get("content-id"))
