"""Tokens from Microsoft Entra ID for an application, by client secret or certificate, through our own HTTP session.

Source: learn.microsoft.com/entra/msal/python and learn.microsoft.com/entra/identity-platform/reference-error-codes
"""

import logging
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msal
import requests
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from connectors.http import HttpSession
from connectors.http_errors import Unauthorized, Unreachable
from workbench.engagements.errors import BadInput

if TYPE_CHECKING:
    from workbench.engagements.models import Connection

_PUBLIC_HOST = "login.microsoftonline.com"
_RENEW_EARLY_S = 300.0
_ANSWERS = [*range(200, 429), *range(430, 500)]  # MSAL reads refusals itself; 429 and 5xx are the session's
_REMEDIES: Mapping[int, str] = {
    7000215: "The client secret is wrong: paste the secret's value (not its id) into the connection.",
    7000222: "The client secret has expired: make a new one in the app registration and paste it into the connection.",
    700016: "The tenant knows no application with this client id: check the client id and the tenant.",
    700027: "The certificate isn't the application's: upload it to the app registration, or correct the thumbprint.",
    90002: "There is no such tenant: check the tenant in the connection's authority.",
    900023: "There is no such tenant: check the tenant in the connection's authority.",
    500011: "The tenant knows no environment with this address: check the connection's address.",
    7000112: "The application is disabled in the tenant: have it enabled.",
    53003: "A conditional access policy blocks the application: ask the tenant's administrator for an exception.",
}
logging.getLogger("msal").setLevel(logging.INFO)  # its DEBUG lines hold whole requests
_REMEDY = "Check the authority, client id and client secret (or certificate) on the connection's page."


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who asks for a token, and where. `secret` is the client secret, or a PEM private key where there is a thumbprint."""

    authority: str
    client_id: str
    secret: str
    thumbprint: str = ""
    ca_file: str | None = None

    def __repr__(self) -> str:
        return f"<Credentials of {self.client_id} at {self.authority}>"


class SignInRefused(Unauthorized):
    """Entra ID gives the application no token."""


class Tokens:
    """The access tokens of one application for one resource; thread-safe, renewed shortly before they expire."""

    def __init__(self, credentials: Credentials, scope: str) -> None:
        """Nothing is asked yet. scope: the environment's address + "/.default"."""
        self._credentials, self._scope = credentials, scope
        self._lock = threading.Lock()
        self._app: msal.ConfidentialClientApplication | None = None
        self._token, self._renew_at = "", 0.0

    def header(self) -> dict[str, str]:
        """The Authorization header. Raises SignInRefused, with a remedy, or Unreachable."""
        with self._lock:
            if time.monotonic() >= self._renew_at:
                self._ask()
            return {"Authorization": f"Bearer {self._token}"}

    def forget(self, sent: Mapping[str, str]) -> None:
        """Drop the token that was sent, since the service refused it; another thread may have a new one already."""
        with self._lock:
            if sent.get("Authorization") != f"Bearer {self._token}":
                return
            self._renew_at = 0.0
            if self._app is not None:
                self._app.remove_tokens_for_client()

    def _ask(self) -> None:
        try:
            self._app = self._app or self._open()
            result = self._app.acquire_token_for_client([self._scope])
        except Unreachable as error:
            raise Unreachable(
                str(error), remedy=f"Check the network and the authority of the connection ({self._credentials.authority})."
            ) from None
        except ValueError:  # what MSAL raises where the authority refuses to describe itself
            raise SignInRefused(f"{self._credentials.authority} isn't a tenant's authority.", remedy=_REMEDIES[90002]) from None
        if "access_token" not in result:
            raise refused(self._credentials, result)
        lifetime = float(result.get("expires_in", 0))
        self._token = result["access_token"]
        self._renew_at = time.monotonic() + lifetime - min(_RENEW_EARLY_S, lifetime / 10)

    def _open(self) -> msal.ConfidentialClientApplication:
        given = self._credentials
        secret = certificate(given) if given.thumbprint else given.secret
        parts = urlsplit(given.authority)
        session = HttpSession(f"{parts.scheme}://{parts.netloc}", name="entra", ca_file=given.ca_file, attempts=4, patience_s=60)
        return msal.ConfidentialClientApplication(
            given.client_id,
            client_credential=secret,
            authority=given.authority,
            http_client=MsalHttp(session),
            instance_discovery=None if parts.hostname == _PUBLIC_HOST else False,
        )


class MsalHttp:
    """Our session in the shape that MSAL takes as `http_client`."""

    def __init__(self, session: HttpSession) -> None:
        """session: to the authority's host."""
        self._session = session

    def get(self, url: str, params: Any = None, headers: Any = None, **_: Any) -> requests.Response:
        """A description of the authority."""
        return self._session.request("GET", url, params=params, headers=headers, expect=_ANSWERS)

    def post(self, url: str, params: Any = None, data: Any = None, headers: Any = None, **_: Any) -> requests.Response:
        """A request for a token; a second go only makes a second token."""
        return self._session.request("POST", url, params=params, data=data, headers=headers, repeatable=True, expect=_ANSWERS)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()


def certificate(credentials: Credentials) -> dict[str, str]:
    """Private key and thumbprint as MSAL takes them. Raises BadInput where they aren't what they should be."""
    thumbprint = re.sub(r"[\s:]", "", credentials.thumbprint)
    if not re.fullmatch(r"[0-9A-Fa-f]{40}", thumbprint):
        raise BadInput(
            "The certificate's thumbprint isn't one.", remedy="Enter the SHA-1 thumbprint that the app registration shows, 40 hex digits."
        )
    try:
        load_pem_private_key(credentials.secret.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise BadInput(
            "The private key can't be read.", remedy="Paste the private key as PEM, without a password, as the secret."
        ) from None
    return {"private_key": credentials.secret, "thumbprint": thumbprint}


def refused(credentials: Credentials, result: Mapping[str, Any]) -> SignInRefused:
    """The error for an answer without a token; the authority's description stays out, its codes say what it says."""
    codes = [code for code in result.get("error_codes") or [] if isinstance(code, int)]
    remedy = next((_REMEDIES[code] for code in codes if code in _REMEDIES), _REMEDY)
    shown = ", ".join(f"AADSTS{code}" for code in codes) or str(result.get("error", "no reason"))
    return SignInRefused(f"{credentials.authority} gives {credentials.client_id} no token ({shown}).", remedy=remedy)


def credentials_of(connection: "Connection") -> Credentials:
    """The credentials that a connection holds. Raises BadInput where a part is missing."""
    settings = connection.settings
    missing = [name for name in ("authority", "client_id") if not settings.get(name)] + ([] if connection.secret else ["secret"])
    if missing:
        raise BadInput(f"The connection {connection.name} has no {', '.join(missing)}.", remedy="Complete the connection.")
    thumbprint = settings.get("certificate_thumbprint") or ""
    return Credentials(settings["authority"], settings["client_id"], connection.secret, thumbprint, connection.ca_file())


_shared: dict[tuple[str, Credentials, str], Tokens] = {}
_shared_lock = threading.Lock()


def tokens_for(credentials: Credentials, scope: str) -> Tokens:
    """The tokens of these credentials for this scope, shared by all clients of the process."""
    with _shared_lock:
        return _shared.setdefault((credentials.authority, credentials, scope), Tokens(credentials, scope))
