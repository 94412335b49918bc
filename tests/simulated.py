"""Simulators for tests: real servers on loopback, as threads of the test's own process, or as processes that a test may kill.

For instance:

    with simulated.start(folder, only=["iterable"]) as servers:
        servers.iterable, servers.credentials["iterable"]
        servers.fault("iterable", {"path": "export", "do": "status", "status": 500, "times": 1})
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import requests
import uvicorn
from starlette.types import ASGIApp

from connectors.simulators.servers import Options, Running
from connectors.simulators.servers import start as start_servers
from connectors.simulators.world import write_world


class Simulated:
    """Running simulators; `addresses` is the line that `manage.py simulate` prints."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self._session = requests.Session()
        self._session.trust_env = False
        self.addresses: dict[str, Any] = running.addresses

    @property
    def iterable(self) -> str:
        return str(self.addresses["iterable"])

    @property
    def dataverse(self) -> str:
        return str(self.addresses["dataverse"])

    @property
    def dataverse_sandbox(self) -> str:
        return str(self.addresses["dataverse_sandbox"])

    @property
    def entra(self) -> str:
        """The authority with its tenant."""
        return str(self.addresses["entra"])

    @property
    def ca(self) -> str:
        """Path of the authority's certificate."""
        return str(self.addresses["ca"])

    @property
    def credentials(self) -> dict[str, Any]:
        return dict(self.addresses["credentials"])

    def fault(self, server: str, *faults: dict[str, Any]) -> None:
        """Set the faults of a server; none clears them."""
        self._control(server, "POST", "faults", {"faults": list(faults)})

    def stats(self, server: str) -> dict[str, Any]:
        """The counters of a server."""
        return self._control(server, "GET", "stats")

    def control(self, server: str, name: str, body: dict[str, Any]) -> dict[str, Any]:
        """Post to a control path of a server: capacity, limits, keys, edit, build_upon, delete, users, ..."""
        return self._control(server, "POST", name, body)

    def advance(self, server: str) -> None:
        """Have the files under `later/` served."""
        self._control(server, "POST", "advance")

    def kill(self, server: str) -> None:
        """End a server that is a process as a crash does; its faults are forgotten."""
        self._running.kill(server)

    def start_again(self, server: str) -> None:
        """Start one that was killed, at the same address; with `state` it holds all that it had answered."""
        self._running.start_again(server)

    def stop(self) -> None:
        self._session.close()
        self._running.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def _control(self, server: str, method: str, name: str, body: Any = None) -> dict[str, Any]:
        origin = "/".join(self.addresses[server].split("/")[:3])
        verify = self.ca if origin.startswith("https") else True
        answer = self._session.request(method, f"{origin}/_simulator/{name}", json=body, timeout=10, verify=verify)
        assert answer.ok, answer.text
        return dict(answer.json())


def start(
    data: Path,
    *,
    only: Sequence[str] = (),
    limits: str = "none",
    latency_ms: float = 0,
    state: Path | None = None,
    application_users: int = 1,
    killable: Collection[str] = (),
) -> Simulated:
    """Serve a folder; a context manager, or call `stop()`. killable: servers that are processes of their own."""
    options = Options(data, only, limits=limits, latency_ms=latency_ms, state=state, application_users=application_users)
    return Simulated(start_servers(options, as_threads=True, processes=killable))


@contextmanager
def serve(app: ASGIApp) -> Iterator[str]:
    """Serve one application on loopback; its address."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        thread.join(0.005)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def world(folder: Path, people: int = 300, seed: int = 7) -> Path:
    """Write a small world and give its folder back."""
    write_world(folder, people, seed)
    return folder
