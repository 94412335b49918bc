"""Entra ID as a confidential client meets it: discovery and the token endpoint, and tokens that need no shared memory.

A token carries its claims and an HMAC with a key of this start, so organisations in other processes can check it alone. Served over
TLS, since MSAL takes no plain http. Control paths: POST /_simulator/tokens {"lifetime_s": n} for short-lived tokens,
POST /_simulator/certificates {"pem": certificate} to register a certificate with the app.
Source: learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow; the error texts are those of public reports.
"""

import base64
import binascii
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

LIFETIME_S = 3599
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class InvalidToken(ValueError):
    """A bearer token that isn't ours, was changed, or has run out."""


class _Refused(Exception):
    """A token request that Entra refuses."""

    def __init__(self, error: str, code: int, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.error, self.code, self.text, self.status = error, code, text, status


def issue_token(claims: Mapping[str, Any], key: bytes) -> str:
    """A signed token of three dot-separated parts."""
    head = _pack(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
    body = _pack(json.dumps(dict(claims)).encode())
    return f"{head}.{body}.{_pack(_sign(f'{head}.{body}', key))}"


def read_token(token: str, key: bytes) -> dict[str, Any]:
    """The claims of a valid token. Raises InvalidToken."""
    parts = token.split(".")
    if len(parts) != 3:
        raise InvalidToken("The token is malformed.")
    try:
        signature, claims = _unpack(parts[2]), json.loads(_unpack(parts[1]))
    except (ValueError, binascii.Error) as error:
        raise InvalidToken("The token is malformed.") from error
    if not hmac.compare_digest(signature, _sign(f"{parts[0]}.{parts[1]}", key)):
        raise InvalidToken("The token's signature is invalid.")
    if claims.get("exp", 0) <= time.time():
        raise InvalidToken("The token has expired.")
    return dict(claims)


def build_app(
    *, signing_key: bytes, tenant: str, client_id: str, client_secret: str, more_clients: Mapping[str, str] | None = None
) -> Starlette:
    """The application of one tenant with its app registrations. more_clients: client id -> secret, besides the first."""
    endpoint = _Tenant(signing_key, tenant, {client_id: client_secret, **(more_clients or {})})
    return Starlette(routes=[
        Route("/{tenant}/v2.0/.well-known/openid-configuration", endpoint.discovery),
        Route("/{tenant}/oauth2/v2.0/token", endpoint.token, methods=["POST"]),
        Route("/_simulator/tokens", endpoint.set_lifetime, methods=["POST"]),
        Route("/_simulator/certificates", endpoint.register, methods=["POST"]),
    ])  # fmt: skip


class _Tenant:
    def __init__(self, key: bytes, tenant: str, clients: Mapping[str, str]) -> None:
        self._key, self._tenant = key, tenant
        self._clients = {client_id.lower(): secret for client_id, secret in clients.items()}
        self._lifetime_s: float = LIFETIME_S
        self._certificates: dict[str, x509.Certificate] = {}

    async def discovery(self, request: Request) -> Response:
        try:
            self._check_tenant(request.path_params["tenant"])
        except _Refused as error:
            return _error(error)
        base = f"https://{request.headers['host']}/{self._tenant}"
        return JSONResponse({
            "token_endpoint": f"{base}/oauth2/v2.0/token",
            "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
            "jwks_uri": f"{base}/discovery/v2.0/keys",
            "issuer": f"{base}/v2.0",
            "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        })  # fmt: skip

    async def token(self, request: Request) -> Response:
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        try:
            self._check_tenant(request.path_params["tenant"])
            return JSONResponse(self._grant(form))
        except _Refused as error:
            return _error(error)

    async def set_lifetime(self, request: Request) -> Response:
        lifetime = (await request.json()).get("lifetime_s")
        if isinstance(lifetime, bool) or not isinstance(lifetime, int | float) or lifetime < 0:
            return JSONResponse({"error": "lifetime_s is a number of seconds"}, 400)
        self._lifetime_s = float(lifetime)
        return JSONResponse({"lifetime_s": lifetime})

    async def register(self, request: Request) -> Response:
        certificate = x509.load_pem_x509_certificate(str((await request.json())["pem"]).encode())
        thumbprint = certificate.fingerprint(hashes.SHA256()).hex()
        self._certificates[thumbprint] = certificate
        return JSONResponse({"thumbprint": thumbprint})

    def _check_tenant(self, tenant: str) -> None:
        if tenant.lower() != self._tenant.lower():
            raise _Refused("invalid_tenant", 90002, f"Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID.")

    def _grant(self, form: Mapping[str, str]) -> dict[str, Any]:
        if form.get("grant_type") != "client_credentials":
            raise _Refused("unsupported_grant_type", 70003, f"The app requested an unsupported grant type '{form.get('grant_type')}'.")
        client_id = form.get("client_id", "").lower()
        if client_id not in self._clients:
            raise _Refused("unauthorized_client", 700016, f"Application with identifier '{form.get('client_id')}' was not found.")
        self._prove(form, client_id)
        resource = _resource(form.get("scope", ""))
        now, lifetime = time.time(), int(self._lifetime_s)
        claims = {"aud": resource, "iss": f"https://sts.windows.net/{self._tenant}/", "iat": int(now), "exp": now + self._lifetime_s,
                  "appid": client_id, "tid": self._tenant, "uti": uuid.uuid4().hex}  # fmt: skip
        token = issue_token(claims, self._key)
        return {"token_type": "Bearer", "expires_in": lifetime, "ext_expires_in": lifetime, "access_token": token}

    def _prove(self, form: Mapping[str, str], client_id: str) -> None:
        if form.get("client_assertion_type") == _ASSERTION:
            self._check_assertion(form.get("client_assertion", ""), client_id)
        elif "client_secret" not in form:
            raise _Refused("invalid_client", 7000218, "The request body must contain 'client_assertion' or 'client_secret'.", 401)
        elif not hmac.compare_digest(form["client_secret"].encode(), self._clients[client_id].encode()):
            raise _Refused("invalid_client", 7000215, "Invalid client secret provided. Ensure the secret being sent in the request is the"
                           f" client secret value, not the client secret ID, of app {client_id}.", 401)  # fmt: skip

    def _check_assertion(self, assertion: str, client_id: str) -> None:
        try:
            head, body, signature = assertion.split(".")
            header, claims = json.loads(_unpack(head)), json.loads(_unpack(body))
            signed = _unpack(signature)
        except (ValueError, binascii.Error) as error:
            raise _Refused("invalid_client", 50027, "JWT token is invalid or malformed.", 401) from error
        if claims.get("exp", 0) < time.time():
            raise _Refused("invalid_client", 700024, "Client assertion is not within its valid time range.", 401)
        if claims.get("iss", "").lower() != client_id or claims.get("sub", "").lower() != client_id:
            raise _Refused("invalid_client", 700021, "Client assertion's issuer or subject isn't the app's identifier.", 401)
        if not any(_signed_by(c, header, f"{head}.{body}".encode(), signed) for c in self._certificates.values()):
            raise _Refused("invalid_client", 700027, "The certificate with identifier used to sign the client assertion is not registered"
                           " on application, or the assertion failed signature validation.", 401)  # fmt: skip


def _signed_by(certificate: x509.Certificate, header: Mapping[str, Any], signed: bytes, signature: bytes) -> bool:
    key = certificate.public_key()
    if not isinstance(key, rsa.RSAPublicKey):
        return False
    scheme: padding.AsymmetricPadding = padding.PKCS1v15()
    if header.get("alg") == "PS256":
        scheme = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
    try:
        key.verify(signature, signed, scheme, hashes.SHA256())
    except InvalidSignature:
        return False
    return True


def _resource(scope: str) -> str:
    resource, dot, rest = scope.strip().partition("/.default")
    if not dot or rest or " " in scope.strip():
        raise _Refused("invalid_scope", 70011, f"The provided request must include a 'scope' input parameter. '{scope}' is not valid."
                       " Client credential flows must have a scope value with /.default suffixed to the resource identifier.")  # fmt: skip
    if not resource.startswith(("https://", "http://")):
        raise _Refused("invalid_resource", 500011, f"The resource principal named {resource} was not found in the tenant.")
    return resource


def _error(error: _Refused) -> Response:
    now = datetime.now(UTC)
    return JSONResponse({
        "error": error.error,
        "error_description": f"AADSTS{error.code}: {error.text} Trace ID: {uuid.uuid4()} Correlation ID: {uuid.uuid4()}"
                             f" Timestamp: {now:%Y-%m-%d %H:%M:%SZ}",
        "error_codes": [error.code],
        "timestamp": f"{now:%Y-%m-%d %H:%M:%SZ}",
        "trace_id": str(uuid.uuid4()),
        "correlation_id": str(uuid.uuid4()),
        "error_uri": f"https://login.microsoftonline.com/error?code={error.code}",
    }, error.status)  # fmt: skip


def _sign(text: str, key: bytes) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def _pack(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _unpack(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
