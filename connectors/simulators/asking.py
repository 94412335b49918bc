"""What whoever starts the simulators asks and tells them, under `/_simulator/`."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit


def is_healthy(origin: str, ca: Path) -> bool:
    """Whether a server answers. ca: the authority that one with TLS is trusted by."""
    try:
        with closing(_connection(origin, ca)) as connection:
            connection.request("GET", "/_simulator/health")
            return connection.getresponse().status == 200
    except OSError:
        return False


def tell(origin: str, ca: Path, path: str, body: Mapping[str, Any]) -> None:
    """Tell a server how to behave. Raises ValueError with its words where it refuses."""
    with closing(_connection(origin, ca)) as connection:
        connection.request("POST", f"/_simulator/{path}", json.dumps(body))
        answer = connection.getresponse()
        if answer.status >= 400:
            raise ValueError(f"POST /_simulator/{path} was refused: {answer.read().decode()}")


def _connection(origin: str, ca: Path) -> http.client.HTTPConnection:
    place = urlsplit(origin)
    if place.scheme == "https":
        return http.client.HTTPSConnection(
            place.hostname or "", place.port or 0, timeout=5, context=ssl.create_default_context(cafile=str(ca))
        )
    return http.client.HTTPConnection(place.hostname or "", place.port or 0, timeout=5)
