"""The one place that speaks HTTP: time-outs, retries, pauses that a service asks for, redaction and counters.

What may be repeated is repeated here, with full-jitter exponential backoff; what may not, and got no answer, is
reported as OutcomeUnknown and never sent twice. Bodies that end early are never taken for complete.
"""

import ipaddress
import json as jsonlib
import logging
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import Any, BinaryIO
from urllib.parse import quote, urlencode, urljoin, urlsplit

import orjson
import requests

from connectors.http_errors import HttpRefused, OutcomeUnknown, Throttled, Unauthorized, Unreachable, Untrusted
from connectors.pace import Pace
from connectors.redaction import described, secrets_of, without_secrets
from connectors.retries import Failure, Patience, from_answer, from_exception
from workbench.engagements.errors import BadInput

__all__ = ["OK", "HttpRefused", "HttpSession", "OutcomeUnknown", "Pace", "Stats", "Throttled", "Unauthorized", "Unreachable", "Untrusted"]

OK = range(200, 300)
_SPOOL = 4 << 20            # a download stays in memory up to here, beyond it in an unnamed file
_CHUNK = 1 << 16
_BODY_KEPT = 2_000          # characters of a refusal's body
logger = logging.getLogger(__name__)
# urllib3 writes whole addresses, with the keys of people in them, at level DEBUG.
logging.getLogger("urllib3").setLevel(logging.INFO)


class Stats:
    """Counters of a session that several threads add to: requests, retries, throttled, bytes (received)."""

    def __init__(self) -> None:
        """Start at zero."""
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def add(self, name: str, count: int = 1) -> None:
        """Count something."""
        with self._lock:
            self._counts[name] += count

    def __getitem__(self, name: str) -> int:
        return self._counts[name]

    def snapshot(self) -> dict[str, int]:
        """All counters as they are now."""
        with self._lock:
            return {name: self._counts[name] for name in ("requests", "retries", "throttled", "bytes")}


@dataclass(frozen=True, slots=True)
class Call:
    """One request as it goes out, however often."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None
    repeatable: bool
    stream: bool
    expect: Container[int]
    bucket: str
    own: bool               # goes to the session's own address, so it carries its credentials

    def __str__(self) -> str:
        return described(self.method, self.url)


class HttpSession:
    """Requests to one service, from any number of threads.

    base_url: https, or http to a loopback address; relative paths are joined to it. An absolute URL of another origin
        is called without our headers and credentials.
    headers: sent with every request to the service. authorise: asked before every one of them for further headers;
    reauthorise: called once when the service answers 401, and the request sent again.
    ca_file: certificates to trust instead of the public ones; the environment (proxies, REQUESTS_CA_BUNDLE) is ignored then.
    attempts, patience_s, backoff_s: see Patience. pace: waited for before each request in its `bucket`.
    """

    def __init__(
        self, base_url: str, *, name: str, headers: Mapping[str, str] | None = None, authorise: Callable[[], Mapping[str, str]] | None = None,
        reauthorise: Callable[[], None] | None = None, ca_file: str | None = None, timeout_s: tuple[float, float] = (10, 120),
        attempts: int = 6, patience_s: float = 300.0, backoff_s: float = 0.5, pace: Pace | None = None,
    ) -> None:  # fmt: skip
        """Nothing is sent yet. Raises BadInput where the address isn't one that secrets may be sent to."""
        self.base_url = checked_address(base_url).rstrip("/") + "/"
        self.name, self.stats, self.pace = name, Stats(), pace or Pace()
        self._headers, self._authorise, self._reauthorise = dict(headers or {}), authorise, reauthorise
        self._ca_file, self._timeout_s = ca_file, timeout_s
        self._patience = (attempts, patience_s, backoff_s)
        self._threads = threading.local()
        self._opened: list[requests.Session] = []
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<HttpSession {self.name} {self.base_url}>"

    def request(
        self, method: str, path: str, *, params: Mapping[str, Any] | None = None, json: Any = None, data: Any = None,
        headers: Mapping[str, str] | None = None, repeatable: bool | None = None, stream: bool = False, expect: Container[int] = OK, bucket: str = "",
    ) -> requests.Response:  # fmt: skip
        """Send a request and return the answer, whose status is in `expect`.

        json: encoded here; data: bytes, text or form fields. repeatable: whether a second go does no harm (GET and HEAD by
        default). stream: the caller reads the body and closes it. Raises the errors of connectors.http_errors.
        """
        body, content_type = encoded(json, data)
        url = self.url(path, params)
        own = _origin(url) == _origin(self.base_url)
        safe = method in ("GET", "HEAD") if repeatable is None else repeatable
        call = Call(method, url, {**content_type, **(headers or {})}, body, safe, stream, expect, bucket, own)
        return self._persist(call, self._try)

    def download(self, path: str, *, params: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None, bucket: str = "") -> BinaryIO:
        """A body as a file at its start, complete, with bounded memory; asked for again where it broke off.

        The caller closes the file. Raises what `request` raises.
        """
        url = self.url(path, params)
        call = Call("GET", url, headers or {}, None, True, True, OK, bucket, _origin(url) == _origin(self.base_url))
        return self._persist(call, self._spooled)

    def url(self, path: str, params: Mapping[str, Any] | None = None) -> str:
        """The absolute address of a path; spaces as %20, never `+`. Raises BadInput on an address that isn't safe."""
        if path.startswith(("http://", "https://")):
            url = checked_address(path)
        else:
            url = self.base_url + path.lstrip("/")
        if not params:
            return url
        query = urlencode({name: value for name, value in params.items() if value is not None}, doseq=True, quote_via=quote, safe="$,()'@/:")
        return f"{url}{'&' if '?' in url else '?'}{query}"

    def close(self) -> None:
        """Close the connections of all threads; a later request opens new ones."""
        with self._lock:
            opened, self._opened, self._threads = self._opened, [], threading.local()
        for session in opened:
            session.close()

    def _persist[Answer](self, call: Call, attempt: Callable[[Call], "Answer | Failure"]) -> Answer: ...
