"""One organisation as a Starlette application: the Web API under /api/data/v9.x/ and the simulator's own paths."""

import asyncio
import re
import time
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from connectors.simulators.control import spelled

from . import errors
from .access import Access
from .calls import Answer, Call, Caller, refused
from .capacity import Capacity, Slots
from .controls import Controls
from .identifiers import new_id
from .organisation import moment
from .protection import ServiceProtection
from .service import Service

VERSIONS = ("v9.0", "v9.1", "v9.2")
LONGEST_URL = 32768  # of a plain request; inside a batch 64 KB
_AFFINITY = re.compile(r"ARRAffinity=server(\d+)")


def build_app(
    data: Path,
    *,
    sandbox: bool,
    limits: str = "none",
    latency_ms: float = 0,
    state: Path | None = None,
    signing_key: bytes,
    audience: str | None = None,
    client_id: str,
    more_client_ids: Sequence[str] = (),
) -> Starlette:
    """The application of one organisation; `app.state` has what a control endpoint calls: `advance`, `stats`, and `close` at the end.

    limits: real, scaled or none. latency_ms: how long each request holds an execution slot. signing_key: of the tokens that Entra
    issues. audience: the base URL that tokens must be for; None: any loopback address. client_id: of the organisation's application user;
    more_client_ids: of further ones.
    """
    service = Service(data, sandbox=sandbox, client_ids=(client_id, *more_client_ids), state=state)
    protection, slots = ServiceProtection(limits), Slots(Capacity(latency_ms=latency_ms))
    server = _Server(service, Access(service.org, signing_key=signing_key, audience=audience), protection, slots)
    controls = Controls(service, protection, slots)
    methods = ["GET", "POST", "PATCH", "PUT", "DELETE"]
    app = Starlette(routes=[Route("/api/data/{version}/{path:path}", server.api, methods=methods), *controls.routes()])
    app.state.service = service
    app.state.advance = service.advance
    app.state.close = service.close
    app.state.stats = controls.stats
    return app


class _Server:
    def __init__(self, service: Service, access: Access, protection: ServiceProtection, slots: Slots) -> None:
        self._service, self._access, self._protection, self._slots = service, access, protection, slots
        self._turns = count()

    async def api(self, request: Request) -> Response:
        try:
            body = await request.body()
        except ClientDisconnect:  # a killed one: nobody reads the answer
            return Response(status_code=400)
        headers = {name.decode().lower(): value.decode("latin-1") for name, value in request.headers.raw}
        web_server = self._web_server(headers)
        shown = {"Set-Cookie": f"ARRAffinity=server{web_server}; path=/; HttpOnly"}  # a client that keeps it stays on one web server
        try:
            if request.path_params["version"] not in VERSIONS:
                raise errors.missing_resource(request.path_params["version"])
            if len(str(request.url)) > LONGEST_URL:
                raise errors.ServiceError(414, "0x80060888", f"The request URL is longer than {LONGEST_URL} characters.")
            caller = self._access.caller(headers)
            hint, slots = self._slots.capacity.of(caller.application_id, caller.user_id)
            shown["x-ms-dop-hint"] = str(hint)
            self._protection.enter(caller.user_id, web_server)
        except errors.ServiceError as error:
            return _response(refused(error), shown)
        start, operations = time.monotonic(), 1
        try:
            answer = await self._execute(self._call(request, headers, body, caller), slots)
            operations = max(1, answer.written)
        finally:
            self._protection.leave(caller.user_id, time.monotonic() - start, web_server, operations)
        return _response(answer, shown | self._protection.remaining(caller.user_id, web_server))

    def _web_server(self, headers: dict[str, str]) -> int:
        """The one that the client's cookie names, else each in turn."""
        limits = self._protection.limits
        servers = limits.web_servers if limits is not None else 1
        kept = _AFFINITY.search(headers.get("cookie", ""))
        return int(kept.group(1)) % servers if kept else next(self._turns) % servers

    async def _execute(self, call: Call, slots: int) -> Answer:
        """Do the work in one of the execution slots; others wait, which counts as execution time (*assumed*)."""
        capacity = self._slots.capacity
        async with self._slots.hold(call.caller.user_id, slots):
            if capacity.latency_ms:
                await asyncio.sleep(capacity.latency_ms / 1000)
            answer = self._service.handle(call)
            if pause_ms := answer.written * capacity.row_ms + answer.read * capacity.read_row_ms:
                await asyncio.sleep(pause_ms / 1000)
            return answer

    def _call(self, request: Request, headers: dict[str, str], body: bytes, caller: Caller) -> Call:
        query = request.url.query
        root = f"{request.url.scheme}://{headers.get('host', '127.0.0.1')}/api/data/{request.path_params['version']}/"
        return Call(request.method, request.path_params["path"], dict(parse_qsl(query, keep_blank_values=True)), headers, body, root,
                    caller, moment(), query)  # fmt: skip


def _response(answer: Answer, extra: dict[str, str]) -> Response:
    headers = {"OData-Version": "4.0", "REQ_ID": new_id(), **extra, **answer.headers}
    content = answer.content()
    if content and "Content-Type" not in headers:
        headers["Content-Type"] = "application/json; odata.metadata=minimal"
    return spelled(Response(content, answer.status, headers), headers)
