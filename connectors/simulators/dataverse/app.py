"""One organisation as a Starlette application: the Web API under /api/data/v9.x/ and the simulator's own paths."""

import asyncio
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from urllib.parse import parse_qsl

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from . import dump, errors
from .access import Access
from .calls import Answer, Call, Caller, refused
from .identifiers import new_id
from .organisation import moment
from .protection import HINT, ServiceProtection
from .service import Service

VERSIONS = ("v9.0", "v9.1", "v9.2")
AFFINITY = "ARRAffinity=simulated; path=/; HttpOnly"  # a client that keeps it stays on one web server
LONGEST_URL = 32768  # of a plain request; inside a batch 64 KB


def build_app(
    data: Path,
    *,
    sandbox: bool,
    limits: str = "none",
    latency_ms: int = 0,
    state: Path | None = None,
    signing_key: bytes,
    audience: str | None = None,
    client_id: str,
) -> Starlette:
    """The application of one organisation; `app.state.service` has `advance()` for a control endpoint.

    limits: real, scaled or none. latency_ms: how long each request holds an execution slot. signing_key: of the tokens that Entra
    issues. audience: the base URL that tokens must be for; None: any loopback address. client_id: of the organisation's application user.
    """
    service = Service(data, sandbox=sandbox, client_id=client_id, state=state)
    server = _Server(service, Access(service.org, signing_key=signing_key, audience=audience), ServiceProtection(limits), latency_ms / 1000)
    methods = ["GET", "POST", "PATCH", "PUT", "DELETE"]
    app = Starlette(routes=[
        Route("/api/data/{version}/{path:path}", server.api, methods=methods),
        Route("/_simulator/tables/{table}", server.tables),
        Route("/_simulator/fired", server.fired),
        Route("/_simulator/edit", server.edit, methods=["POST"]),
        Route("/_simulator/privileges", server.privileges, methods=["POST"]),
    ])  # fmt: skip
    app.state.service = service
    app.state.advance = service.advance
    app.state.close = service.close
    return app


class _Server:
    def __init__(self, service: Service, access: Access, protection: ServiceProtection, latency_s: float) -> None:
        self._service, self._access, self._protection, self._latency_s = service, access, protection, latency_s
        self._slots = asyncio.Semaphore(HINT)

    async def api(self, request: Request) -> Response:
        body = await request.body()
        headers = {name.decode().lower(): value.decode("latin-1") for name, value in request.headers.raw}
        try:
            if request.path_params["version"] not in VERSIONS:
                raise errors.missing_resource(request.path_params["version"])
            if len(str(request.url)) > LONGEST_URL:
                raise errors.ServiceError(414, "0x80060888", f"The request URL is longer than {LONGEST_URL} characters.")
            caller = self._access.caller(headers)
            self._protection.enter(caller.user_id)
        except errors.ServiceError as error:
            return _response(refused(error), {})
        try:
            answer, seconds = await self._execute(self._call(request, headers, body, caller))
        except BaseException:
            self._protection.leave(caller.user_id, 0)
            raise
        self._protection.leave(caller.user_id, seconds)
        return _response(answer, self._protection.remaining(caller.user_id))

    async def _execute(self, call: Call) -> tuple[Answer, float]:
        """Do the work in one of the execution slots; others wait, as they do at the service."""
        async with self._slots:
            start = time.monotonic()
            if self._latency_s:
                await asyncio.sleep(self._latency_s)
            answer = self._service.handle(call)
            return answer, time.monotonic() - start

    def _call(self, request: Request, headers: dict[str, str], body: bytes, caller: Caller) -> Call:
        query = request.url.query
        root = f"{request.url.scheme}://{headers.get('host', '127.0.0.1')}/api/data/{request.path_params['version']}/"
        return Call(request.method, request.path_params["path"], dict(parse_qsl(query, keep_blank_values=True)), headers, body, root,
                    caller, moment(), query)  # fmt: skip

    async def tables(self, request: Request) -> Response:
        org = self._service.org
        table = org.catalog.tables.get(request.path_params["table"])
        if table is None:
            return JSONResponse({"error": f"no table {request.path_params['table']}"}, 404)
        canonical = request.query_params.get("canonical") == "1"
        lines = dump.canonical(org, table) if canonical else dump.plain(org, table)
        return StreamingResponse(_chunks(lines), media_type="application/x-ndjson")

    async def edit(self, request: Request) -> Response:
        given = orjson.loads(await request.body())
        try:
            self._service.edit(given["table"], given["id"], given["values"], given["user"])
        except errors.ServiceError as error:
            return JSONResponse(error.body(), error.status)
        return Response(status_code=204)

    async def fired(self, request: Request) -> Response:
        return JSONResponse(dict(self._service.org.fired))

    async def privileges(self, request: Request) -> Response:
        given = orjson.loads(await request.body())
        org = self._service.org
        user = given.get("user") or (org.application_user(org.client_id) or {}).get("systemuserid")
        self._service.set_missing(str(user), list(given.get("missing", [])))
        return JSONResponse({"user": user, "missing": given.get("missing", [])})


def _chunks(lines: Iterator[bytes]) -> Iterator[bytes]:
    while chunk := b"".join(islice(lines, 1000)):
        yield chunk


def _response(answer: Answer, extra: dict[str, str]) -> Response:
    headers = {"OData-Version": "4.0", "x-ms-dop-hint": str(HINT), "REQ_ID": new_id(), "Set-Cookie": AFFINITY, **extra, **answer.headers}
    content = answer.content()
    if content and "Content-Type" not in headers:
        headers["Content-Type"] = "application/json; odata.metadata=minimal"
    return Response(content, answer.status, headers)
