"""What may not leave the process: secrets anywhere, personal data in log lines."""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

HIDDEN = "[hidden]"
_SECRET_HEADERS = {"authorization", "api-key", "api_key", "x-api-key", "accesstoken", "cookie"}
_SECRET_KEYS = {*_SECRET_HEADERS, "apikey", "client_secret", "client_assertion", "access_token", "refresh_token", "id_token"}
_SHORTEST_SECRET = 6  # shorter values would black out ordinary words
_NAMED = re.compile(
    r"""(?ix)
    ( (?: api[-_]?key | authorization | client_secret | client_assertion | access_token | refresh_token | id_token
        | x-amz-signature | x-amz-security-token | x-amz-credential | sig )
      ["']? \s* [:=] \s* ["']? (?: bearer\s+ | basic\s+ )? )
    [^\s"'&,;}]+
    """
)
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}")
# A table's logical name tells nothing of a person, any other quoted key may.
_QUOTED_KEY = re.compile(r"(?<!LogicalName=)'[^']*'")


def secrets_of(headers: Mapping[str, str]) -> set[str]:
    """The values of headers that are secrets, with and without their scheme (`Bearer x` and `x`)."""
    values = {value for name, value in headers.items() if name.lower() in _SECRET_HEADERS}
    return values | {value.partition(" ")[2] for value in values if " " in value}


def without_secrets(text: str, known: Iterable[str] = ()) -> str:
    """`text` with the known secrets, and whatever is named like one, replaced."""
    for secret in known:
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, HIDDEN)
    return _BEARER.sub(rf"\1 {HIDDEN}", _NAMED.sub(rf"\1{HIDDEN}", text))


def scrubbed(payload: Any, known: Collection[str] = ()) -> Any:
    """Parsed JSON with the secrets in it replaced."""
    if isinstance(payload, dict):
        return {name: HIDDEN if name.lower() in _SECRET_KEYS else scrubbed(value, known) for name, value in payload.items()}
    if isinstance(payload, list):
        return [scrubbed(value, known) for value in payload]
    return without_secrets(payload, known) if isinstance(payload, str) else payload


def described(method: str, url: str) -> str:
    """A request for a log line: method, host and path; no query, no e-mail address, no quoted key."""
    parts = urlsplit(url)
    path = "/".join("…" if "@" in part or "%40" in part else _QUOTED_KEY.sub("'…'", part) for part in parts.path.split("/"))
    return f"{method} {parts.hostname or ''}{path}"
