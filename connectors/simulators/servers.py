"""Starts the simulators on 127.0.0.1 and says where they are.

Each server is a process of its own, so that one platform's work never waits for another's; tests run them as threads instead.
A server process gets its listening socket from here and its settings on standard input, and stops when that input ends.
"""

from __future__ import annotations

import gc
import json
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import uvicorn
from starlette.types import ASGIApp

from connectors.simulators.asking import is_healthy, tell
from connectors.simulators.control import Control
from connectors.simulators.credentials import CREDENTIALS, TENANT, certificates, registrations, signing_key

HOST = "127.0.0.1"
SERVERS = ("dataverse", "dataverse_sandbox", "entra", "iterable")  # in the order of their ports
GROUPS: Mapping[str, tuple[str, ...]] = {"dataverse": ("dataverse", "dataverse_sandbox", "entra"), "iterable": ("iterable",)}
READY_S = 120
COLLECTING = (50_000, 50, 1_000)  # of gc.set_threshold
JOB_S = {"real": 2.0, "scaled": 0.3, "none": 0.02}  # how long an export runs (*assumed*: real ones take longer)
ROOT = Path(__file__).resolve().parents[2]


class NotStarted(RuntimeError):
    """A server ended, or said nothing in time, before it was ready."""


@dataclass(frozen=True, slots=True)
class Options:
    """What `manage.py simulate` takes. data: the folder to serve; only: names of GROUPS, none for all; port_base: None for free ports."""

    data: Path
    only: Sequence[str] = ()
    latency_ms: float = 0
    limits: str = "none"
    state: Path | None = None
    port_base: int | None = None
    application_users: int = 1  # app registrations, each with a user in both organisations
    control: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # server -> control path -> what is posted there at start

    def servers(self) -> list[str]:
        """Names of the servers to start. Raises ValueError for an unknown name."""
        if unknown := set(self.only) - set(GROUPS):
            raise ValueError(f"unknown simulator: {', '.join(sorted(unknown))}; known are {', '.join(GROUPS)}")
        wanted = {server for group in self.only or GROUPS for server in GROUPS[group]}
        if strange := set(self.control) - wanted:
            raise ValueError(f"control names a server that isn't started: {', '.join(sorted(strange))}")
        if not 1 <= self.application_users <= 100:
            raise ValueError("application users are 1 to 100")
        return [server for server in SERVERS if server in wanted]


@dataclass(frozen=True, slots=True)
class Settings:
    """What one server has to know; JSON on its standard input."""

    name: str
    data: str
    limits: str
    latency_ms: float
    state: str | None
    origin: str
    tls: str | None  # the file with its key and certificate
    application_users: int = 1


class Running:
    """Servers that are up: `addresses` is what `simulate` prints. A context manager that stops them."""

    def __init__(
        self, addresses: dict[str, Any], hosts: list[_Process | _Thread], folder: tempfile.TemporaryDirectory[str], ca: Path
    ) -> None:
        """hosts: what runs each server; folder: what goes with them; ca: the authority that the servers with TLS are trusted by."""
        self.addresses = addresses
        self._hosts = hosts
        self._folder = folder
        self._ca = ca

    @property
    def pids(self) -> dict[str, int]:
        """The process of each server, for who wants to kill one; none for threads."""
        return {host.name: host.pid for host in self._hosts if isinstance(host, _Process)}

    def ended(self) -> list[str]:
        """Names of servers that stopped by themselves."""
        return [host.name for host in self._hosts if not host.is_running()]

    def kill(self, name: str) -> None:
        """End a server's process as a crash does; its address answers no more. Not for threads."""
        self._process(name).kill()

    def start_again(self, name: str) -> None:
        """Start a server that was killed, at the same address; with `state` it holds all that it had answered. Raises NotStarted."""
        ended = self._process(name)
        started = _Process(ended.settings, _listening(urlsplit(ended.origin).port or 0))
        self._hosts[self._hosts.index(ended)] = started
        _wait_until_ready(started, self._ca)

    def _process(self, name: str) -> _Process:
        return next(host for host in self._hosts if isinstance(host, _Process) and host.name == name)

    def stop(self) -> None:
        """Stop all and wait for it."""
        for host in self._hosts:
            host.ask_to_stop()
        for host in self._hosts:
            host.wait()
        self._folder.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()


def start(options: Options, *, as_threads: bool = False, processes: Collection[str] = ()) -> Running:
    """Start the servers and wait until each answers. processes: those that are processes even so, which may be killed.

    Raises NotStarted, ValueError (a wrong option, a refused control), OSError (a port in use).
    """
    names = options.servers()
    sockets = _listen(names, options.port_base)
    folder = tempfile.TemporaryDirectory(prefix="simulators-")
    ca, certificate = certificates(options.state / "tls" if options.state else Path(folder.name))
    addresses = _addresses(sockets, ca, options.application_users)
    hosts: list[_Process | _Thread] = []
    running = Running(addresses, hosts, folder, ca)
    try:
        for name, listening in sockets.items():
            settings = _settings(name, options, _origin(name, listening), certificate)
            hosts.append((_Thread if as_threads and name not in processes else _Process)(settings, listening))
        for host in hosts:
            _wait_until_ready(host, ca)
            for path, body in options.control.get(host.name, {}).items():
                tell(host.origin, ca, path, body)
    except BaseException:
        running.stop()
        for listening in sockets.values():
            listening.close()
        raise
    return running


def build(settings: Settings) -> tuple[ASGIApp, Callable[[], None]]:
    """The application of one server, and what is to be called after its end; a server's process imports nothing but its own."""
    if settings.name == "iterable":
        from connectors.simulators import iterable
        from connectors.simulators.iterable.jobs import Jobs

        data = Path(settings.data)
        key = CREDENTIALS["iterable"]
        jobs = Jobs(seconds=JOB_S[settings.limits])
        return iterable.build_app(data, limits=settings.limits, latency_ms=settings.latency_ms, api_key=key, jobs=jobs), _nothing
    return (_build_entra(settings, signing_key()), _nothing) if settings.name == "entra" else _build_dataverse(settings, signing_key())


def _build_entra(settings: Settings, key: bytes) -> ASGIApp:
    from connectors.simulators import entra

    (client_id, secret), *more = registrations(settings.application_users)
    control = Control(error_body=_entra_error, latency_ms=settings.latency_ms)
    app = entra.build_app(signing_key=key, tenant=TENANT, client_id=client_id, client_secret=secret, more_clients=dict(more))
    return control.wrap(app)


def _build_dataverse(settings: Settings, key: bytes) -> tuple[ASGIApp, Callable[[], None]]:
    from connectors.simulators import dataverse

    (client_id, _), *more = registrations(settings.application_users)
    app = dataverse.build_app(
        Path(settings.data),
        sandbox=settings.name == "dataverse_sandbox",
        limits=settings.limits,
        latency_ms=settings.latency_ms,
        state=Path(settings.state) if settings.state else None,
        signing_key=key,
        audience=settings.origin,
        client_id=client_id,
        more_client_ids=[other for other, _ in more],
    )
    # Latency isn't Control's here: it is spent inside the execution slots.
    control = Control(app.state.advance, error_body=_dataverse_error, stats=app.state.stats)
    return control.wrap(app), getattr(app.state, "close", _nothing)


def _nothing() -> None:
    """Nothing is to be closed."""


def _entra_error(status: int, code: str | None) -> dict[str, Any]:
    text = f"AADSTS90033: A transient error has occurred (injected, status {status}). Please try again."
    return {"error": "temporarily_unavailable", "error_description": text, "error_codes": [90033]}


def _dataverse_error(status: int, code: str | None) -> dict[str, Any]:
    from connectors.simulators.dataverse.protection import CONCURRENCY_LIMIT, REQUEST_LIMIT, TIME_LIMIT, Limits

    code = code or (REQUEST_LIMIT if status == 429 else "0x80040216")
    if code in {REQUEST_LIMIT, TIME_LIMIT, CONCURRENCY_LIMIT}:
        return {"error": {"code": code, "message": Limits().message(code)}}
    message = "SQL timeout expired." if code == "0x80044151" else "An unexpected error occurred."
    return {"error": {"code": code, "message": message}}


class _Thread:
    """A server in a thread of this process."""

    def __init__(self, settings: Settings, listening: socket.socket) -> None:
        self.name, self.origin = settings.name, settings.origin
        self._server, self._close = _server(settings)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [listening]}, name=self.name, daemon=True)
        self._thread.start()

    def is_running(self) -> bool:
        return self._thread.is_alive()

    def ask_to_stop(self) -> None:
        self._server.should_exit = True

    def wait(self) -> None:
        self._thread.join()
        self._close()


class _Process:
    """A server in a process of its own."""

    def __init__(self, settings: Settings, listening: socket.socket) -> None:
        self.name, self.origin, self.settings = settings.name, settings.origin, settings
        command = [sys.executable, "-m", "connectors.simulators.servers", str(listening.fileno())]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[listening.fileno()], cwd=ROOT)  # noqa: S603 our own module
        self.pid = self._process.pid
        listening.close()
        assert self._process.stdin is not None  # noqa: S101 asked for above
        self._input = self._process.stdin
        self._input.write(json.dumps(asdict(settings)).encode() + b"\n")
        self._input.flush()

    def is_running(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        self._input.close()

    def ask_to_stop(self) -> None:
        self._input.close()
        self._process.terminate()

    def wait(self) -> None:
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def main(descriptor: int) -> None:
    """One server, in its own process: settings from standard input, until that ends or a signal comes."""
    settings = Settings(**json.loads(sys.stdin.readline()))
    try:
        server, close = _server(settings)
    except ValueError as error:  # a file of the folder
        sys.exit(f"{settings.name}: {error}")

    def stop_at_end_of_input() -> None:
        sys.stdin.read()
        server.should_exit = True

    threading.Thread(target=stop_at_end_of_input, daemon=True).start()
    gc.freeze()  # rows hold no cycles: looking through millions of them again and again would make answers slower with every row
    gc.set_threshold(*COLLECTING)
    try:
        server.run(sockets=[socket.socket(fileno=descriptor)])
    finally:
        close()


class _Server(uvicorn.Server):
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self.config.is_ssl:  # else it waits for each idle client to take part in the end of TLS
            for connection in list(self.server_state.connections):
                if connection.transport is not None:
                    connection.transport.abort()
        await super().shutdown(sockets)


def _server(settings: Settings) -> tuple[uvicorn.Server, Callable[[], None]]:
    app, close = build(settings)
    server = _Server(
        uvicorn.Config(
            app,
            log_level="warning",
            lifespan="off",
            timeout_keep_alive=120,  # a connection closed while a client reuses it looks like a lost answer
            timeout_graceful_shutdown=1,
            ssl_certfile=settings.tls,
        )
    )
    return server, close


def _listen(names: Sequence[str], port_base: int | None) -> dict[str, socket.socket]:
    """A listening socket for each server; with a base each has its fixed place above it."""
    ports = {name: 0 if port_base is None else port_base + SERVERS.index(name) for name in names}
    opened: dict[str, socket.socket] = {}
    try:
        for name, port in ports.items():
            opened[name] = _listening(port)
    except OSError:
        for listening in opened.values():
            listening.close()
        raise
    return opened


def _listening(port: int) -> socket.socket:
    listening = socket.create_server((HOST, port), backlog=2048)
    # Accepted sockets inherit it; without it each answer with a body waits some 40 ms for an acknowledgement.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def _origin(name: str, listening: socket.socket) -> str:
    return f"{'https' if name == 'entra' else 'http'}://{HOST}:{listening.getsockname()[1]}"


def _settings(name: str, options: Options, origin: str, certificate: Path) -> Settings:
    return Settings(
        name=name,
        data=str(options.data.resolve()),
        limits=options.limits,
        latency_ms=options.latency_ms,
        state=str(options.state.resolve()) if options.state else None,
        origin=origin,
        tls=str(certificate) if name == "entra" else None,
        application_users=options.application_users,
    )


def _addresses(sockets: Mapping[str, socket.socket], ca: Path, application_users: int) -> dict[str, Any]:
    """The line that `simulate` prints."""
    addresses: dict[str, Any] = {name: _origin(name, listening) for name, listening in sockets.items()}
    credentials: dict[str, Any] = {name: CREDENTIALS[name] for name in sockets if name in CREDENTIALS}
    if "entra" in addresses:
        addresses["entra"] += f"/{TENANT}"
        addresses["ca"] = str(ca)
        clients = [{"client_id": client_id, "client_secret": secret} for client_id, secret in registrations(application_users)]
        credentials = clients[0] | ({"more_clients": clients[1:]} if clients[1:] else {}) | credentials
    return addresses | {"credentials": credentials}


def _wait_until_ready(host: _Process | _Thread, ca: Path) -> None:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        if not host.is_running():
            raise NotStarted(f"the {host.name} simulator ended before it was ready")
        if is_healthy(host.origin, ca):
            return
        time.sleep(0.02)
    raise NotStarted(f"the {host.name} simulator was not ready after {READY_S} s")


if __name__ == "__main__":
    main(int(sys.argv[1]))
