"""What can come of a request, as types.

WorkbenchError
├── Retryable
│   ├── Unreachable       nothing answered, and nothing was done or the request may be repeated
│   │   └── NotConnected  not even a connection came about
│   ├── Throttled         the service asks for a pause longer than our patience; nothing was done
│   └── OutcomeUnknown    sent, but no answer came back: read the state before sending again
├── Unauthorized          the service doesn't accept the credentials
├── Untrusted             the certificate of the address isn't signed by a known authority
└── HttpRefused           any other status that wasn't expected
    └── ServerFailed      500 to a request that may be repeated, each time that it was; also Retryable
"""

from typing import Any

from workbench.engagements.errors import Retryable, WorkbenchError


class Unreachable(Retryable):
    """Nothing answered, or only a gateway without its server, and repeating it is harmless."""

    remedy = "Check the address and the network, then resume; nothing was lost."


class NotConnected(Unreachable):
    """No connection came about: the host is unknown, refuses or doesn't answer."""


class Throttled(Retryable):
    """The service asked for a pause that is longer than our patience; nothing was done.

    `code` is the service's own word for the limit, where its answer has one.
    """

    remedy = "Wait as long as the service asked for, then resume with fewer requests at once."

    def __init__(self, message: str = "", *, remedy: str | None = None, retry_after_s: float | None = None, code: str = "") -> None:
        """As Retryable, with the code of the limit that was hit."""
        super().__init__(message, remedy=remedy, retry_after_s=retry_after_s)
        self.code = code


class OutcomeUnknown(Retryable):
    """The request was sent and its answer got lost: it may have been carried out or not."""

    remedy = "Resume: what the destination holds is read first, and only what is missing is sent again."


class Unauthorized(WorkbenchError):
    """The service doesn't accept the credentials."""

    remedy = "Check the key or the client secret on the connection's page."


class Untrusted(WorkbenchError):
    """The certificate of the address isn't signed by an authority that this connection trusts."""

    remedy = "Check the address; where it has a private certificate, paste its authority (PEM) into the connection."


class HttpRefused(WorkbenchError):
    """The service answered with a status that wasn't expected.

    `body` is the answer's text without secrets, at most 2,000 characters; `payload` the parsed JSON or None. Both may
    hold personal data: for pages and the ledger, never for logs. `str()` has neither.
    """

    remedy = "Look the status up in the service's documentation, mend the cause and try again."

    def __init__(self, message: str = "", *, status: int, body: str = "", payload: Any = None, remedy: str | None = None) -> None:
        """Keep the answer beside the message."""
        super().__init__(message, remedy=remedy)
        self.status, self.body, self.payload = status, body, payload


class ServerFailed(HttpRefused, Retryable):
    """The service failed on a request that does no harm when repeated, as often as it was tried."""

    remedy = "Resume later; if it stays, ask the service's support."
    retry_after_s = None
