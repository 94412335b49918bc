"""A real HTTP server on loopback that answers as a test scripts it, and misbehaves on the wire where it says so."""

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import trustme


@dataclass(frozen=True)
class Received:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Reply:
    """drop: hang up without an answer. cut: promise the whole body, send the first half. chunked: without Content-Length."""

    status: int = 200
    json: Any = None
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    drop: bool = False
    cut: bool = False
    chunked: bool = False


class Service:
    """Answers with `script` (called with each request), and keeps what it received."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.script: Callable[[Received], Reply] = lambda _: Reply(json={})
        self.url = ""
        self.connections: set[int] = set()

    def replies(self, *replies: Reply) -> None:
        """These answers in turn, the last one for ever."""
        waiting = list(replies)
        self.script = lambda _: waiting.pop(0) if len(waiting) > 1 else waiting[0]

    @property
    def paths(self) -> list[str]:
        return [request.path for request in self.received]


@contextmanager
def serving(authority: trustme.CA | None = None) -> Iterator[Service]:
    """A running service; over TLS with a certificate of the authority where there is one."""
    service = Service()

    class Handler(_Handler):
        target = service

    server = _Server(("127.0.0.1", 0), Handler)
    if authority:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    service.url = f"{'https' if authority else 'http'}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """A client that hangs up is part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each answer waits 40 ms for a delayed acknowledgement
    target: Service

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = Received(self.command, self.path, dict(self.headers.items()), body)
        self.target.received.append(request)
        self.target.connections.add(self.client_address[1])
        self._answer(self.target.script(request))

    do_GET = do_POST = do_PATCH = do_DELETE = _serve

    def _answer(self, reply: Reply) -> None:
        if reply.drop:
            return self._hang_up()
        body = json.dumps(reply.json).encode() if reply.json is not None else reply.body
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header(*(("Transfer-Encoding", "chunked") if reply.chunked else ("Content-Length", str(len(body)))))
        self.end_headers()
        sent = body[: len(body) // 2] if reply.cut else body
        if reply.chunked:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(sent), sent) + (b"" if reply.cut else b"0\r\n\r\n"))
        else:
            self.wfile.write(sent)
        if reply.cut:
            self._hang_up()

    def _hang_up(self) -> None:
        self.close_connection = True
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_: Any) -> None:
        pass
