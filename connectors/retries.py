"""What a failed attempt means, and how long to wait before the next."""

import random
import time
from collections.abc import Collection, Container, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

import orjson
import requests
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from connectors.http_errors import HttpRefused, NotConnected, OutcomeUnknown, ServerFailed, Throttled, Unauthorized, Unreachable, Untrusted
from connectors.redaction import described, scrubbed, without_secrets
from workbench.engagements.errors import BadInput, WorkbenchError

_LONGEST_BACKOFF_S = 30.0
_BODY_KEPT = 2_000  # characters of a refusal's body
_BODY_READ = 1 << 16  # bytes of it that are looked at
_CLOUDFLARE = 520  # from here on, a proxy speaks for a server it didn't hear


@dataclass(frozen=True, slots=True, repr=False)
class Call:
    """One request as it goes out, however often; as text, fit for a log line: a body may hold a client secret."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None
    repeatable: bool  # a second go does no harm
    stream: bool
    expect: Container[int]
    bucket: str
    own: bool  # goes to the session's own address, so it carries its credentials
    operations: int = 0  # that the service counts, of those that write
    divisible: bool = False  # after a 500 whoever sends it sends it in parts, not the same again

    def __repr__(self) -> str:
        return described(self.method, self.url)


@dataclass(frozen=True, slots=True)
class Failure:
    """An attempt that failed: the error to raise when nothing more is tried, and whether trying again is right."""

    error: WorkbenchError
    again: bool = False
    throttled: bool = False

    @property
    def retry_after_s(self) -> float | None:
        """Seconds that the service asked for."""
        return getattr(self.error, "retry_after_s", None)


class Patience:
    """How long one request is tried.

    attempts: goes that fail for want of an answer; pauses that the service asks for don't count as such.
    total_s: seconds over all goes. backoff_s: the first pause is drawn from 0 to this, doubling each time.
    """

    def __init__(self, attempts: int, total_s: float, backoff_s: float) -> None:
        """The clock starts now."""
        self._attempts, self._backoff_s = attempts, backoff_s
        self._deadline = time.monotonic() + total_s
        self._failures = self._goes = 0

    def pause_s(self, failure: Failure) -> float | None:
        """Seconds to wait before the next go; None where there is none."""
        self._goes += 1
        self._failures += not failure.throttled
        if not failure.again or self._failures >= self._attempts:
            return None
        pause = self._drawn(failure.retry_after_s)
        return pause if time.monotonic() + pause <= self._deadline else None

    def _drawn(self, asked_s: float | None) -> float:
        if asked_s:
            return asked_s + random.uniform(0, min(1.0, asked_s / 10))  # noqa: S311 - spreads load, guards nothing
        return random.uniform(0, min(_LONGEST_BACKOFF_S, self._backoff_s * 2 ** min(self._goes - 1, 20)))  # noqa: S311


def from_exception(call: Call, error: requests.RequestException) -> Failure:
    """A request without an answer, or with half of one.

    The cause is named by its class alone: the text of requests' errors holds the whole address.
    """
    cause = type(error).__name__
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return Failure(Untrusted(f"{call}: the certificate isn't trusted."))
    if _never_sent(error):
        return Failure(NotConnected(f"{call}: no connection ({cause})."), again=True)
    if not isinstance(error, requests.ConnectionError | requests.Timeout | requests.exceptions.ChunkedEncodingError
                      | requests.exceptions.ContentDecodingError):  # fmt: skip
        return Failure(BadInput(f"{call}: can't be sent ({cause}).", remedy="Check the connection's address."))
    return _unheard(call, f"no complete answer ({cause})")


def from_answer(call: Call, response: requests.Response, secrets: Collection[str]) -> Failure:
    """An answer whose status wasn't expected. Reads the body, within bounds, and closes it."""
    status, wait = response.status_code, retry_after_s(response)
    text, payload = _body(call, response)
    text, payload = without_secrets(text, secrets), scrubbed(payload, secrets)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return Failure(Throttled(f"{call} answered 429.", retry_after_s=wait, code=_code(payload)), again=True, throttled=True)
    if status in (408, 502, 503, 504) or status >= _CLOUDFLARE:
        return _unheard(call, f"answered {status}", wait)
    if status == HTTPStatus.UNAUTHORIZED:
        return Failure(Unauthorized(f"{call} answered 401."))
    body = text[:_BODY_KEPT]
    if status == HTTPStatus.INTERNAL_SERVER_ERROR and call.repeatable:
        return Failure(ServerFailed(f"{call} answered 500.", status=status, body=body, payload=payload), not call.divisible)
    remedy = "The address leads elsewhere; enter the address that it leads to." if status < HTTPStatus.BAD_REQUEST else None
    return Failure(HttpRefused(f"{call} answered {status}.", status=status, body=body, payload=payload, remedy=remedy))


def retry_after_s(response: requests.Response) -> float | None:
    """Seconds of the Retry-After header, given as seconds or as a date; None where it is missing or says nothing."""
    given = response.headers.get("Retry-After", "").strip()
    try:
        return max(0.0, float(given))
    except ValueError:
        pass
    try:
        moment = parsedate_to_datetime(given)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _unheard(call: Call, what: str, wait: float | None = None) -> Failure:
    if call.repeatable:
        return Failure(Unreachable(f"{call}: {what}.", retry_after_s=wait), again=True)
    return Failure(OutcomeUnknown(f"{call}: {what}; it may have been carried out.", retry_after_s=wait))


def _never_sent(error: requests.RequestException) -> bool:
    if isinstance(error, requests.exceptions.ConnectTimeout | requests.exceptions.ProxyError):
        return True
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(reason, NewConnectionError | ConnectTimeoutError)


def _body(call: Call, response: requests.Response) -> tuple[str, Any]:
    try:
        raw = next(response.iter_content(_BODY_READ), b"") if call.stream else response.content
    except requests.RequestException:
        raw = b""
    finally:
        response.close()
    try:
        return raw.decode("utf-8", "replace"), orjson.loads(raw)
    except orjson.JSONDecodeError:
        return raw.decode("utf-8", "replace"), None


def _code(payload: Any) -> str:
    """The service's word for an error, in the two shapes met so far: {"error": {"code"}} and {"code"}."""
    inner = payload.get("error", payload) if isinstance(payload, dict) else None
    return str(inner.get("code", "")) if isinstance(inner, dict) else ""
