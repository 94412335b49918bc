"""What a run should know of an Iterable project before it starts."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from connectors import rawjson
from connectors.base import Finding
from connectors.http import HttpRefused, HttpSession, Unauthorized, Unreachable
from connectors.http_errors import NotConnected
from connectors.latency import FAR_MS, in_words, round_trip_ms
from workbench.engagements.errors import BadInput

DATA_CENTRES: Mapping[str, str] = {"US": "https://api.iterable.com", "EU": "https://api.eu.iterable.com"}
PROBE = "api/channels"  # every server-side key may read it, and it costs least
PUBLISHED_FIELDS, SEED_FIELDS = 1_000, 8_000
_NEAR = 0.8
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")


def confirm_data_centre(session: HttpSession, others: Mapping[str, HttpSession]) -> Finding:
    """Say where the project is, by a call that succeeds there.

    others: data centre -> a session to it with the same key. Raises Unauthorized for a wrong key or one of another data
    centre, BadInput for an address where no Iterable answers; each with its remedy.
    """
    try:
        answers = answers_as_iterable(session)
    except NotConnected as error:
        raise BadInput(f"Nothing answers at {session.base_url} ({error})", remedy=_addresses("Check the address and the network")) from None
    except Unauthorized:
        raise _wrong_key(session, others) from None
    except HttpRefused as refused:
        answers = False
        if refused.status == 403:  # known, but not allowed
            raise Unauthorized(
                f"The key may not read {session.base_url}{PROBE}.",
                remedy="Make a server-side key (standard type) in Iterable and enter it.",
            ) from None
    if not answers:
        raise BadInput(f"{session.base_url} isn't Iterable's API.", remedy=_addresses("Correct the address"))
    return Finding("data_centre", "info", f"Confirmed by a call to {urlsplit(session.base_url).hostname}.")


def answers_as_iterable(session: HttpSession) -> bool:
    """Whether the probe's answer has the shape that Iterable's has. Raises what the session raises."""
    content = session.request("GET", PROBE).content
    try:
        parsed = rawjson.read(content)
    except (ValueError, RecursionError):
        return False
    return isinstance(parsed, dict) and "channels" in parsed


def latency_finding(session: HttpSession) -> Finding:
    """How long a request takes, by the probe."""
    ms = round_trip_ms(lambda: session.request("GET", PROBE))
    remedy = "Run the workers on a machine in the region of the project's data centre." if ms >= FAR_MS else ""
    return Finding("source_latency", "warning" if remedy else "info", in_words(ms), remedy)


def field_findings(fields: Mapping[str, str]) -> Iterator[Finding]:
    """How near the project is to its limit of unique fields, and that fields can't be deleted."""
    count = len(fields)
    evidence = f"{count:,} profile fields; the published limit is about {PUBLISHED_FIELDS:,}, {SEED_FIELDS:,} by agreement."
    if count >= PUBLISHED_FIELDS * _NEAR:
        yield Finding("field_limit", "warning", evidence, "Add no fields during the migration; exclude unused ones, they can't be deleted.")
    else:
        yield Finding("field_limit", "info", evidence)


def forgotten_findings(emails: Sequence[Any], user_ids: Sequence[Any]) -> Iterator[Finding]:
    """How many people asked to be forgotten: they are skipped. Entries of another form than the assumed one find nobody."""
    if not (emails or user_ids):
        return
    evidence = f"{len(emails):,} e-mail addresses and {len(user_ids):,} user ids are on the forgotten register."
    strange = sum(not (isinstance(entry, str) and _SHA256.fullmatch(entry.strip())) for entry in (*emails, *user_ids))
    if strange:
        evidence += f" {strange:,} of them are no hexadecimal SHA-256, so that nobody is found by them."
        yield Finding(
            "forgotten", "warning", evidence, "Ask Iterable's support what they are, and have those people left out before loading."
        )
    else:
        yield Finding("forgotten", "info", evidence, "They are skipped; nothing to do.")


def pace_findings(throttled: int) -> Iterator[Finding]:
    """Whether the project's rate limits were met during the check."""
    if throttled:
        yield Finding("rate_limit", "warning", f"{throttled} of the check's own calls were refused for their rate.",
                      "Let other integrations pause during the extraction, or enter the agreed limits in the connection.")  # fmt: skip


def _wrong_key(session: HttpSession, others: Mapping[str, HttpSession]) -> Unauthorized:
    for name, other in others.items():
        try:
            found = answers_as_iterable(other)
        except (Unauthorized, HttpRefused, Unreachable):
            continue
        if found:
            address = other.base_url.rstrip("/")
            remedy = f"Set the connection's address to {address} ({name} data centre): the key works there."
            return Unauthorized(f"The key isn't one of {session.base_url}", remedy=remedy)
    remedy = _addresses("Enter a valid server-side key, and check the data centre")
    return Unauthorized(f"{session.base_url} doesn't know the key.", remedy=remedy)


def _addresses(first: str) -> str:
    return f"{first}: {' or '.join(f'{url} ({name})' for name, url in DATA_CENTRES.items())}."
