"""The one place that speaks HTTP: time-outs, retries, pauses that a service asks for, redaction and counters.

What may be repeated is repeated here, with full-jitter exponential backoff; what may not, and got no answer, is
reported as OutcomeUnknown and never sent twice. Bodies that end early are never taken for complete.
"""

import ipaddress
import logging
import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from http import HTTPStatus
from http.cookiejar import DefaultCookiePolicy
from typing import Any, BinaryIO, TypeVar, cast
from urllib.parse import quote, urlencode, urlsplit

import orjson
import requests

from connectors.http_errors import HttpRefused, OutcomeUnknown, ServerFailed, Throttled, Unauthorized, Unreachable, Untrusted
from connectors.pace import Pace
from connectors.redaction import secrets_of
from connectors.retries import Call, Failure, Patience, from_answer, from_exception
from workbench.engagements.errors import BadInput

__all__ = [
    "OK",
    "HttpRefused",
    "HttpSession",
    "OutcomeUnknown",
    "Pace",
    "ServerFailed",
    "Stats",
    "Throttled",
    "Unauthorized",
    "Unreachable",
    "Untrusted",
]

OK = range(200, 300)
_SPOOL = 4 << 20  # a download stays in memory up to here, beyond it in an unnamed file
_CHUNK = 1 << 16
Answer = TypeVar("Answer")
logger = logging.getLogger(__name__)
# urllib3 writes whole addresses, with the keys of people in them, at level DEBUG.
logging.getLogger("urllib3").setLevel(logging.INFO)


class Stats:
    """Counters of a session that several threads add to: requests, retries, throttled, bytes (received), operations (see Call)."""

    def __init__(self) -> None:
        """Start at zero."""
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._own = threading.local()

    def add(self, name: str, count: int = 1) -> None:
        """Count something."""
        with self._lock:
            self._counts[name] += count
        self.of_thread()[name] += count

    def of_thread(self) -> Counter[str]:
        """The counters of the calling thread alone, which go on counting; copy them to compare."""
        if not hasattr(self._own, "counts"):
            self._own.counts = Counter()
        return cast(Counter[str], self._own.counts)

    def __getitem__(self, name: str) -> int:
        return self._counts[name]

    def snapshot(self) -> dict[str, int]:
        """All counters as they are now."""
        with self._lock:
            return {name: self._counts[name] for name in ("requests", "retries", "throttled", "bytes")}


class HttpSession:
    """Requests to one service, from any number of threads.

    base_url: https, or http to a loopback address; relative paths are joined to it. An absolute URL of another origin
        is called without our headers and credentials.
    headers: sent with every request to the service. authorise: asked before every one of them for further headers;
    reauthorise: called once, with the headers that were sent, when the service answers 401; the request is sent again then.
    ca_file: certificates to trust instead of the public ones; the environment (proxies, REQUESTS_CA_BUNDLE) is ignored then.
    attempts, patience_s, backoff_s: see Patience. pace: waited for before each request in its `bucket`.
    """

    def __init__(
        self, base_url: str, *, name: str, headers: Mapping[str, str] | None = None,
        authorise: Callable[[], Mapping[str, str]] | None = None, reauthorise: Callable[[Mapping[str, str]], None] | None = None,
        ca_file: str | None = None, timeout_s: tuple[float, float] = (10, 120), attempts: int = 6, patience_s: float = 300.0,
        backoff_s: float = 0.5, pace: Pace | None = None,
    ) -> None:  # fmt: skip
        """Nothing is sent yet. Raises BadInput where the address isn't one that secrets may be sent to."""
        self.base_url = checked_address(base_url).rstrip("/") + "/"
        self.name, self.stats, self.pace = name, Stats(), pace or Pace()
        self._headers, self._authorise, self._reauthorise = dict(headers or {}), authorise, reauthorise
        self._ca_file, self._timeout_s = ca_file, timeout_s
        self._patience = (attempts, patience_s, backoff_s)
        self._idle: deque[requests.Session] = deque()  # threads come and go: connections must not go with them

    def __repr__(self) -> str:
        return f"<HttpSession {self.name} {self.base_url}>"

    def request(
        self, method: str, path: str, *, params: Mapping[str, Any] | None = None, json: Any = None, data: Any = None,
        headers: Mapping[str, str] | None = None, repeatable: bool | None = None, stream: bool = False,
        expect: Container[int] = OK, bucket: str = "", operations: int = 0, divisible: bool = False,
    ) -> requests.Response:  # fmt: skip
        """Send a request and return the answer, whose status is in `expect`.

        json: encoded here; data: bytes, text or form fields. repeatable: whether a second go does no harm (GET and HEAD by
        default). stream: the caller reads the body and closes it. operations: what the service counts it as, each time that it
        goes out. divisible: after a 500 the caller sends less at once, so the same isn't tried again. Raises the errors of
        connectors.http_errors.
        """
        body, content_type = encoded(json, data)
        url = self.url(path, params)
        own = _origin(url) == _origin(self.base_url)
        safe = method in ("GET", "HEAD") if repeatable is None else repeatable
        call = Call(method, url, {**content_type, **(headers or {})}, body, safe, stream, expect, bucket, own, operations, divisible)
        return self._persist(call, self._try)

    def download(
        self, path: str, *, params: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None, bucket: str = ""
    ) -> BinaryIO:
        """A body as a file at its start, complete, with bounded memory; asked for again where it broke off.

        The caller closes the file. Raises what `request` raises.
        """
        url = self.url(path, params)
        call = Call("GET", url, headers or {}, None, True, True, OK, bucket, _origin(url) == _origin(self.base_url))
        return self._persist(call, self._spooled)

    def url(self, path: str, params: Mapping[str, Any] | None = None) -> str:
        """The absolute address of a path; spaces as %20, never `+`. Raises BadInput on an address that isn't safe."""
        url = checked_address(path) if path.startswith(("http://", "https://")) else self.base_url + path.lstrip("/")
        given = {name: value for name, value in (params or {}).items() if value is not None}
        if not given:
            return url
        query = urlencode(given, doseq=True, quote_via=quote, safe="$,()'@/:")
        return f"{url}{'&' if '?' in url else '?'}{query}"

    def close(self) -> None:
        """Close the idle connections; a later request opens new ones."""
        while self._idle:
            self._idle.pop().close()

    def _persist(self, call: Call, attempt: Callable[[Call, Mapping[str, str]], Answer | Failure]) -> Answer:
        patience, renewed = Patience(*self._patience), False
        while True:
            self.pace.wait(call.bucket, longest_s=self._patience[1])
            try:
                headers = self._headers_of(call)
                result = attempt(call, headers)
            finally:
                self.pace.done(call.bucket)
            if not isinstance(result, Failure):
                return result
            if isinstance(result.error, Unauthorized) and call.own and self._reauthorise and not renewed:
                renewed = True
                self._reauthorise(headers)
            else:
                self._rest(call, result, patience)
            self.stats.add("retries")

    def _rest(self, call: Call, failure: Failure, patience: Patience) -> None:
        """Wait before the next go, or raise the failure's error where there is none."""
        if failure.throttled:  # whether this call is tried again or not: the others wait
            self.pace.hold(call.bucket, failure.retry_after_s or 0.0, code=getattr(failure.error, "code", ""))
        elif failure.retry_after_s:  # of a service that is busy, and will be as busy for them
            self.pace.obey(failure.retry_after_s, call.bucket)
        pause = patience.pause_s(failure)
        if pause is None:
            raise failure.error from None
        logger.info("%s: %s Again in %.1f s.", self.name, failure.error, pause)
        time.sleep(pause)

    def _try(self, call: Call, headers: Mapping[str, str]) -> requests.Response | Failure:
        self.stats.add("requests")
        self.stats.add("operations", call.operations)
        try:
            with self._borrowed() as session:
                response = session.request(
                    call.method, call.url, data=call.body, headers=headers, stream=call.stream, timeout=self._timeout_s,
                    allow_redirects=False,      # a redirect would carry the key elsewhere
                    auth=_no_netrc,
                )  # fmt: skip
        except requests.RequestException as error:
            return from_exception(call, error)
        if not call.stream:
            self.stats.add("bytes", len(response.content))
        if response.status_code in call.expect:
            return response
        if response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
            self.stats.add("throttled")
            self.stats.add("operations", -call.operations)  # *assumed*: what is put off doesn't count
        return from_answer(call, response, secrets_of(headers))

    def _spooled(self, call: Call, headers: Mapping[str, str]) -> BinaryIO | Failure:
        response = self._try(call, headers)
        if isinstance(response, Failure):
            return response
        file = tempfile.SpooledTemporaryFile(_SPOOL)  # noqa: SIM115 - the caller closes it
        try:
            with response:
                for chunk in response.iter_content(_CHUNK):
                    file.write(chunk)
        except requests.RequestException as error:
            file.close()
            return from_exception(call, error)
        self.stats.add("bytes", file.tell())
        file.seek(0)
        return cast(BinaryIO, file)

    def _headers_of(self, call: Call) -> dict[str, str]:
        if not call.own:
            return dict(call.headers)
        headers = {**self._headers, **(self._authorise() if self._authorise else {}), **call.headers}
        for name, value in headers.items():
            if not (value.isascii() and value.isprintable()):  # the library's own error would show the value
                raise BadInput(f"{self.name}: the value of the header {name} has characters that can't be sent.",
                               remedy="Enter the key or secret again, without spaces or line breaks around it.")  # fmt: skip
        return headers

    @contextmanager
    def _borrowed(self) -> Iterator[requests.Session]:
        """A session that no other thread uses meanwhile, with the connection that was used last."""
        try:
            session = self._idle.pop()
        except IndexError:
            session = self._open()
        try:
            yield session
        finally:
            self._idle.append(session)

    def _open(self) -> requests.Session:
        session = requests.Session()
        # A kept affinity cookie would send every request to the same web server of the service.
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        # REQUESTS_CA_BUNDLE in the environment would override `verify`, and a proxy can't reach our own machine.
        session.trust_env = self._ca_file is None and not is_loopback(self.base_url)
        session.verify = self._ca_file or True
        return session


def checked_address(url: str) -> str:
    """The address, if secrets may be sent to it: https, or http to this machine. Raises BadInput."""
    parts = urlsplit(url)
    if parts.username or parts.password:
        remedy = "Enter the address without what stands before the @, and the secret in its own field."
        raise BadInput(f"{parts.hostname}: the address holds a name or a password.", remedy=remedy)
    try:
        _origin(url)
    except ValueError:
        raise BadInput(f"{parts.hostname}: the address has a port that can't be.", remedy="Enter the address without the port.") from None
    if parts.scheme == "https" and parts.hostname:
        return url
    if parts.scheme == "http" and is_loopback(url):
        return url
    raise BadInput(
        f"{parts.hostname or 'The address'} can't be called: it needs https.", remedy="Enter the address with https:// in front."
    )


def is_loopback(url: str) -> bool:
    """Whether the address is on this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def encoded(json: Any, data: Any) -> tuple[bytes | None, dict[str, str]]:
    """A body and its Content-Type. Decimals keep their digits. Raises BadInput on what JSON can't hold."""
    if json is not None:
        try:
            return orjson.dumps(json, default=_as_json), {"Content-Type": "application/json; charset=utf-8"}
        except orjson.JSONEncodeError as error:
            raise BadInput(f"A value can't be sent as JSON: {error}") from None
    if isinstance(data, Mapping):
        return urlencode(data).encode(), {"Content-Type": "application/x-www-form-urlencoded"}
    return (data.encode() if isinstance(data, str) else data), {}


def _as_json(value: Any) -> Any:
    if isinstance(value, Decimal):
        return orjson.Fragment(str(value))
    raise TypeError(type(value).__name__)


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _no_netrc(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Without any `auth`, requests would put a password from ~/.netrc in place of our own header."""
    return request
