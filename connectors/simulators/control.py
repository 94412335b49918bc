"""What every simulator has under `/_simulator/`: health, injected faults, counters, and time that moves on.

    GET  /_simulator/health    {"status": "ok"}
    POST /_simulator/faults    {"faults": [{"method", "path", "do", "status", "retry_after_s", "ms", "rate", "times"}]};
                               an empty list clears
    GET  /_simulator/stats     {"requests": {"GET /api/lists": 3}, "statuses": {"200": 3}, "faults": {"drop": 1}, "in_flight_peak": 4}
    POST /_simulator/advance   calls the hook given at start, {"advanced": times so far}

Other paths under `/_simulator/` reach the wrapped application, uncounted and without faults.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PREFIX = "/_simulator/"
DEEDS = ("status", "delay", "drop", "lose")
# What counts as any one value: a key in brackets, a number, an address, a GUID, a word with a long number.
_KEYED = re.compile(r"\([^)]*\)")
_VALUE = re.compile(r"^\d+$|@|%|\d{3}|^[0-9a-fA-F-]{32,36}$")
_TYPES: Mapping[str, tuple[type, ...]] = {
    "method": (str,), "path": (str,), "do": (str,), "status": (int,), "retry_after_s": (int, float), "ms": (int, float),
    "rate": (int, float), "times": (int,),
}  # fmt: skip


class BadFault(ValueError):
    """A fault that was sent can't be understood; the text says why."""


@dataclass(slots=True)
class Fault:
    """One thing that goes wrong. `path` is searched in the path and in path?query; `ms` waits first, whatever is done after."""

    path: re.Pattern[str]
    do: str
    method: str | None = None
    status: int = 503
    retry_after_s: float | None = None
    ms: float = 0
    rate: float = 1.0
    times: int | None = None  # how often it still strikes; None: always

    def strikes(self, method: str, path: str, query: str, dice: random.Random) -> bool:
        """Whether it hits this request; a hit uses up one of its times."""
        if self.times == 0 or (self.method and self.method != method):
            return False
        if not (self.path.search(path) or (query and self.path.search(f"{path}?{query}"))):
            return False
        if self.rate < 1 and dice.random() >= self.rate:
            return False
        if self.times is not None:
            self.times -= 1
        return True


def read_fault(given: Any) -> Fault:
    """A fault from its JSON form. Raises BadFault."""
    if not isinstance(given, dict):
        raise BadFault("a fault is an object")
    for key, value in given.items():
        if key not in _TYPES:
            raise BadFault(f"unknown key {key!r}")
        if value is not None and (isinstance(value, bool) or not isinstance(value, _TYPES[key])):
            raise BadFault(f"{key} has the wrong type")
    known = {key: value for key, value in given.items() if value is not None}
    if known.get("do") not in DEEDS:
        raise BadFault(f"do must be one of {', '.join(DEEDS)}")
    try:
        known["path"] = re.compile(known.get("path", ""))
    except re.error as error:
        raise BadFault(f"path is no regular expression: {error}") from error
    if "method" in known:
        known["method"] = known["method"].upper()
    return Fault(**known)


def path_pattern(path: str) -> str:
    """A path with its keys and ids left out, so that requests of one kind count as one."""
    parts = (_KEYED.sub("()", part) for part in path.split("/"))
    return "/".join("{}" if _VALUE.search(part) else part for part in parts)


def plain_error(status: int) -> dict[str, Any]:
    """The body of an injected status where the platform gave no shape of its own."""
    return {"error": {"code": str(status), "message": "Injected fault."}}


class Control:
    """Middleware around one simulator, and its counters."""

    def __init__(
        self,
        advance: Callable[[], None] | None = None,
        *,
        error_body: Callable[[int], Mapping[str, Any]] = plain_error,
        latency_ms: float = 0,
    ) -> None:
        """Start without faults.

        advance: called by POST /_simulator/advance, for what changes at the source or destination from then on.
        error_body: status -> JSON body of an injected `status` fault, in the platform's own shape.
        latency_ms: added to every request of the simulated API.
        """
        self.requests: Counter[str] = Counter()
        self.statuses: Counter[str] = Counter()
        self.struck: Counter[str] = Counter()
        self.in_flight = self.in_flight_peak = self.advanced = 0
        self._advance = advance
        self._error_body = error_body
        self._latency_s = latency_ms / 1000
        self._faults: list[Fault] = []
        self._dice = random.Random(0)

    def wrap(self, app: ASGIApp) -> ASGIApp:
        """The application with faults, counters and the control paths in front."""
        own: Mapping[tuple[str, str], Callable[[bytes], Response]] = {
            ("GET", "health"): lambda _: JSONResponse({"status": "ok"}),
            ("POST", "faults"): self._set_faults,
            ("GET", "stats"): lambda _: JSONResponse(self.stats()),
            ("POST", "advance"): lambda _: self._move_on(),
        }

        async def controlled(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
            elif not scope["path"].startswith(PREFIX):
                await self._serve(app, scope, receive, send)
            elif answer := own.get((scope["method"], scope["path"][len(PREFIX) :])):
                await answer(await _body(receive))(scope, receive, send)
            else:
                await app(scope, receive, send)

        return controlled

    def stats(self) -> dict[str, Any]:
        """The counters as JSON; requests under /_simulator/ are not among them."""
        return {
            "requests": dict(self.requests),
            "statuses": dict(self.statuses),
            "faults": dict(self.struck),
            "in_flight_peak": self.in_flight_peak,
            "advanced": self.advanced,
        }

    def _set_faults(self, body: bytes) -> Response:
        try:
            given = json.loads(body or b"{}")
            if not isinstance(given, dict) or not isinstance(given.get("faults"), list):
                raise BadFault('expected {"faults": [...]}')
            self._faults = [read_fault(each) for each in given["faults"]]
        except ValueError as error:
            return JSONResponse({"error": str(error)}, status_code=400)
        return JSONResponse({"faults": len(self._faults)})

    def _move_on(self) -> Response:
        if self._advance is not None:
            self._advance()
        self.advanced += 1
        return JSONResponse({"advanced": self.advanced})

    async def _serve(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        self.requests[f"{scope['method']} {path_pattern(scope['path'])}"] += 1
        self.in_flight += 1
        self.in_flight_peak = max(self.in_flight_peak, self.in_flight)
        try:
            fault = await self._meet(scope)
            if fault is None:
                await app(scope, receive, self._counting(send))
            else:
                await self._strike(fault, app, scope, receive, send)
        finally:
            self.in_flight -= 1

    async def _meet(self, scope: Scope) -> Fault | None:
        """Wait as latency and faults say; the first fault that does more than wait, or None."""
        query = scope.get("query_string", b"").decode("latin-1")
        hit = [f for f in self._faults if f.strikes(scope["method"], scope["path"], query, self._dice)] if self._faults else []
        final = next((fault for fault in hit if fault.do != "delay"), None)
        waits = [fault for fault in hit if fault.do == "delay"] + ([final] if final else [])
        for fault in waits:
            self.struck[fault.do] += 1
        if pause := self._latency_s + sum(fault.ms for fault in waits) / 1000:
            await asyncio.sleep(pause)
        return final

    async def _strike(self, fault: Fault, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        if fault.do == "lose":
            await app(scope, receive, _unheard)
            await _hang_up(send)
            return
        await _body(receive)  # a client that has sent everything can't tell a dropped request from a lost answer
        if fault.do == "drop":
            await _hang_up(send)
            return
        headers = {} if fault.retry_after_s is None else {"Retry-After": f"{fault.retry_after_s:g}"}
        answer = JSONResponse(self._error_body(fault.status), status_code=fault.status, headers=headers)
        await answer(scope, receive, self._counting(send))

    def _counting(self, send: Send) -> Send:
        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.statuses[str(message["status"])] += 1
            await send(message)

        return counted


async def _body(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if message["type"] == "http.disconnect" or not message.get("more_body"):
            return b"".join(parts)


async def _unheard(message: Message) -> None:
    """Take an answer that nobody will get."""


async def _hang_up(send: Send) -> None:
    # ASGI knows no way to close a connection without an answer; uvicorn's `send` is a method of the request, which has the transport.
    request: Any = getattr(send, "__self__", None)
    transport = getattr(request, "transport", None)
    if transport is None:
        raise RuntimeError("faults that close the connection need uvicorn, with nothing around its send")
    transport.abort()
    while not request.disconnected:  # else uvicorn takes the silence for a mistake and answers 500
        await asyncio.sleep(0)
