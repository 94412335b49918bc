"""What every simulator has under `/_simulator/`: health, injected faults, counters, and time that moves on.

    GET  /_simulator/health    {"status": "ok"}
    POST /_simulator/faults    {"faults": [...], "seed": n}, see faults.py; an empty list clears
    GET  /_simulator/stats     {"requests": {"GET /api/lists": 3}, "statuses": {"200": 2}, "answers": {"GET /api/lists": {"200": 2,
                                "none": 1}}, "faults": {"drop": 1}, "each_fault": [1, 0], "in_flight_peak": 4, ...}; "none": no whole
                                answer was sent; each_fault: how often each of those that are set has struck
    POST /_simulator/stats     the same, and counting begins anew
    POST /_simulator/advance   calls the hook given at start, {"advanced": times so far}

Other paths under `/_simulator/` reach the wrapped application, uncounted and without faults.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import struct
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from connectors.simulators.faults import PASSING, Fault, read_faults

PREFIX = "/_simulator/"
# What counts as any one value: a key in brackets, a number, an address, a GUID, a word with a long number.
_KEYED = re.compile(r"\([^)]*\)")
_VALUE = re.compile(r"^\d+$|@|%|\d{3}|^[0-9a-fA-F-]{32,36}$")
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends a reset and throws away what wasn't sent


def path_pattern(path: str) -> str:
    """A path with its keys and ids left out, so that requests of one kind count as one."""
    parts = (_KEYED.sub("()", part) for part in path.split("/"))
    return "/".join("{}" if _VALUE.search(part) else part for part in parts)


def plain_error(status: int, code: str | None) -> dict[str, Any]:
    """The body of an injected status where the platform gave no shape of its own."""
    return {"error": {"code": code or str(status), "message": "Injected fault."}}


def spelled(response: Response, names: Iterable[str]) -> Response:
    """The response with these headers spelled so: Starlette writes them in lower case, and some clients look for the platform's way."""
    known = {name.lower().encode(): name.encode() for name in names}
    response.raw_headers = [(known.get(name, name), value) for name, value in response.raw_headers]
    return response


class Counters:
    """What a simulator was asked for, and what became of it."""

    def __init__(self) -> None:
        """Start at nothing."""
        self.requests: Counter[str] = Counter()
        self.answers: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.struck: Counter[str] = Counter()
        self.in_flight_peak = 0

    def shown(self) -> dict[str, Any]:
        """The counters as JSON."""
        statuses: Counter[str] = Counter()
        for by_status in self.answers.values():
            statuses.update({status: count for status, count in by_status.items() if status != "none"})
        return {
            "requests": dict(self.requests),
            "statuses": dict(statuses),
            "answers": {kind: dict(by_status) for kind, by_status in self.answers.items()},
            "faults": dict(self.struck),
            "in_flight_peak": self.in_flight_peak,
        }


class Control:
    """Middleware around one simulator, and its counters."""

    def __init__(
        self,
        advance: Callable[[], None] | None = None,
        *,
        error_body: Callable[[int, str | None], Mapping[str, Any]] = plain_error,
        latency_ms: float = 0,
        stats: Callable[[bool], Mapping[str, Any]] | None = None,
    ) -> None:
        """Start without faults.

        advance: called by POST /_simulator/advance, for what changes at the source or destination from then on.
        error_body: (status, code) -> JSON body of an injected `status` fault, in the platform's own shape.
        latency_ms: added to every request of the simulated API.
        stats: the application's own counters, shown beside these; called with True where they are to begin anew after.
        """
        self.counters = Counters()
        self.in_flight = self.advanced = 0
        self._advance = advance
        self._error_body = error_body
        self._latency_s = latency_ms / 1000
        self._own_stats = stats
        self._faults: list[Fault] = []

    def wrap(self, app: ASGIApp) -> ASGIApp:
        """The application with faults, counters and the control paths in front."""
        own: Mapping[tuple[str, str], Callable[[bytes], Response]] = {
            ("GET", "health"): lambda _: JSONResponse({"status": "ok"}),
            ("POST", "faults"): self._set_faults,
            ("GET", "stats"): lambda _: JSONResponse(self.stats()),
            ("POST", "stats"): lambda _: JSONResponse(self.stats(anew=True)),
            ("POST", "advance"): lambda _: self._move_on(),
        }

        async def controlled(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
            elif not scope["path"].startswith(PREFIX):
                await self._serve(app, controlled, scope, receive, send)
            elif answer := own.get((scope["method"], scope["path"][len(PREFIX) :])):
                await answer(await _body(receive))(scope, receive, send)
            else:
                await app(scope, receive, send)

        return controlled

    def stats(self, *, anew: bool = False) -> dict[str, Any]:
        """The counters as JSON; requests under /_simulator/ are not among them. anew: they start at nothing after."""
        shown = self.counters.shown() | {"each_fault": [fault.struck for fault in self._faults], "advanced": self.advanced}
        shown |= dict(self._own_stats(anew) if self._own_stats else {})
        if anew:
            self.counters = Counters()
        return shown

    def _set_faults(self, body: bytes) -> Response:
        try:
            self._faults = read_faults(json.loads(body or b"{}"))
        except ValueError as error:
            return JSONResponse({"error": str(error)}, status_code=400)
        return JSONResponse({"faults": len(self._faults)})

    def _move_on(self) -> Response:
        if self._advance is not None:
            self._advance()
        self.advanced += 1
        return JSONResponse({"advanced": self.advanced})

    async def _serve(self, app: ASGIApp, controlled: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        kind = f"{scope['method']} {path_pattern(scope['path'])}"
        self.counters.requests[kind] += 1
        self.in_flight += 1
        self.counters.in_flight_peak = max(self.counters.in_flight_peak, self.in_flight)
        try:
            sent = ""
            if any(fault.within for fault in self._faults):
                sent, receive = await _read_ahead(receive)
            fault = await self._meet(controlled, scope, sent)
            counted = self._counting(kind, send)
            if fault is None:
                await app(scope, receive, counted)
            elif fault.do == "status":
                await self._refuse(fault, scope, receive, counted)
            else:
                self.counters.answers[kind]["none"] += 1
                await _break(fault, app, scope, receive, send)
        finally:
            self.in_flight -= 1

    async def _meet(self, controlled: ASGIApp, scope: Scope, sent: str) -> Fault | None:
        """Wait and call as latency and faults say; the first fault that does more, or None."""
        query = scope.get("query_string", b"").decode("latin-1")
        hit = [f for f in self._faults if f.strikes(scope["method"], scope["path"], query, sent)]
        final = next((fault for fault in hit if fault.do not in PASSING), None)
        met = [fault for fault in hit if fault.do in PASSING] + ([final] if final else [])
        for fault in met:
            fault.struck += 1
            self.counters.struck[fault.do] += 1
        if pause := self._latency_s + sum(fault.ms for fault in met) / 1000:
            await asyncio.sleep(pause)
        for fault in met:
            if fault.do == "call":
                await _call(controlled, fault)
        return final

    async def _refuse(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        await _body(receive)
        headers = {} if fault.retry_after_s is None else {"Retry-After": f"{fault.retry_after_s:g}"}
        answer = JSONResponse(self._error_body(fault.status, fault.code), status_code=fault.status, headers=headers)
        await spelled(answer, headers)(scope, receive, send)

    def _counting(self, kind: str, send: Send) -> Send:
        by_status = self.counters.answers[kind]

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                by_status[str(message["status"])] += 1
            await send(message)

        return counted


async def _break(fault: Fault, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """End a request without its answer, or with a part of it."""
    if fault.do == "drop":
        await _body(receive)  # a client that has sent everything can't tell a dropped request from a lost answer
        await _hang_up(send)
        return
    answer: list[Message] = []

    async def keep(message: Message) -> None:
        answer.append(message)

    await app(scope, receive, keep)
    if fault.do == "hang":
        while (await receive())["type"] != "http.disconnect":
            pass
        return
    if fault.do == "cut":
        await _send_half(answer, send)
    await _hang_up(send, reset=fault.do != "cut")


async def _send_half(answer: list[Message], send: Send) -> None:
    body = b"".join(message.get("body", b"") for message in answer if message["type"] == "http.response.body")
    if body:
        await send(answer[0])
        await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})


async def _call(controlled: ASGIApp, fault: Fault) -> None:
    """POST the fault's body to a control path of the same simulator."""
    body, statuses = json.dumps(fault.body).encode(), []
    scope: Scope = {"type": "http", "http_version": "1.1", "method": "POST", "scheme": "http", "server": ("127.0.0.1", 80),
                    "path": PREFIX + fault.call, "root_path": "", "query_string": b"", "headers": []}  # fmt: skip

    async def receive() -> Message:
        return {"type": "http.request", "body": body}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    await controlled(scope, receive, send)
    if statuses[0] >= 400:
        raise RuntimeError(f"POST {scope['path']} {fault.body} was refused with {statuses[0]}")


async def _body(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if message["type"] == "http.disconnect" or not message.get("more_body"):
            return b"".join(parts)


async def _read_ahead(receive: Receive) -> tuple[str, Receive]:
    """What was sent, and what gives it to the application once more."""
    body = await _body(receive)
    given: list[Message] = [{"type": "http.request", "body": body}]

    async def again() -> Message:
        return given.pop() if given else await receive()

    return body.decode("latin-1"), again


async def _hang_up(send: Send, *, reset: bool = True) -> None:
    # ASGI knows no way to close a connection without an answer; uvicorn's `send` is a method of the request, which has the transport.
    request: Any = getattr(send, "__self__", None)
    transport = getattr(request, "transport", None)
    if transport is None:
        raise RuntimeError("faults that close the connection need uvicorn, with nothing around its send")
    if reset:
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        transport.abort()
    else:
        transport.close()  # what was sent arrives; a reset would overtake it
    while not request.disconnected:  # else uvicorn takes the silence for a mistake and answers 500
        await asyncio.sleep(0)
